//! What an agent does over and over at no cost to it: the first rows of a minute stand by themselves, the others are
//! counted. A row of its own for each would let one agent push everybody's history out of the trail.

use std::borrow::Cow;
use std::collections::HashMap;

use portcullis_gateway::door::AgentKey;
use portcullis_gateway::ports::Decision;
use portcullis_rules::event::{CallFacts, Event, EventKind};
use portcullis_wire::time::UnixTime;

/// Rows of one agent, one kind and one decision that stand by themselves in a minute.
const TOLD: u32 = 10;
/// Those of them that are over a limit: they say no more than the first did.
const TOLD_LIMITED: u32 = 1;
/// Agents, kinds and decisions that are told apart at once, less than a kilobyte each.
pub(super) const FOLDS: usize = 16 * 1024;

/// Whose rows they are, of which kind, and what was decided.
type Same = (AgentKey, EventKind, Option<Cow<'static, str>>);

fn same(agent: &AgentKey, row: &Event) -> Same {
    (agent.clone(), row.kind, row.call.as_ref().map(|call| call.decision.clone()))
}

#[derive(Default)]
struct Fold {
    told: u32,
    /// What all that were counted have in common, and how many there are.
    counted: Option<(Event, u32)>,
}

/// The rows of the minute that is not over.
#[derive(Default)]
pub(super) struct Folds(HashMap<Same, Fold>);

impl Folds {
    /// Whether a decision of this kind costs the agent so little that its rows are folded.
    pub(super) const fn folds(kind: EventKind) -> bool {
        matches!(kind, EventKind::TokenRefreshed | EventKind::RefreshRetried | EventKind::MachineTokenIssued)
    }

    /// Whether this row stands by itself; otherwise it is to be counted.
    pub(super) fn tells(&mut self, agent: &AgentKey, row: &Event) -> bool {
        let key = same(agent, row);
        let most = match key.2.as_deref() == Some(Decision::Limited.as_str()) {
            true => TOLD_LIMITED,
            false => TOLD,
        };
        let fold = self.0.entry(key).or_default();
        let tells = fold.told < most;
        fold.told += u32::from(tells);
        tells
    }

    /// Counts a row that does not stand by itself.
    pub(super) fn count(&mut self, agent: &AgentKey, row: Event) {
        let fold = self.0.entry(same(agent, &row)).or_default();
        match &mut fold.counted {
            Some((shared, count)) => {
                share(shared, &row);
                *count = count.saturating_add(1);
            }
            None => fold.counted = Some((of_many(row), 1)),
        }
    }

    /// Whether no further agent can be told from the others.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= FOLDS
    }

    /// Ends the minute: what was counted, one row for each agent, kind and decision.
    pub(super) fn take(&mut self, now: UnixTime) -> impl Iterator<Item = Event> + use<> {
        let counted = std::mem::take(&mut self.0).into_values().filter_map(|fold| fold.counted);
        counted.map(move |(shared, count)| Event { at: now, ..shared }.count(count))
    }
}

/// Without what is of one request alone.
fn of_many(row: Event) -> Event {
    let call = row
        .call
        .map(|call| Box::new(CallFacts { request: None, trace: None, latency: None, ending: None, ..*call }));
    Event { call, person: None, ..row }
}

/// Leaves of the one what the other says too.
fn share(shared: &mut Event, other: &Event) {
    if shared.resource != other.resource {
        shared.resource = None;
    }
    if shared.scopes != other.scopes {
        shared.scopes = None;
    }
    if let (Some(shared), Some(other)) = (&mut shared.call, &other.call) {
        if shared.method != other.method {
            shared.method.clear();
        }
        if shared.name != other.name {
            shared.name = None;
        }
        if shared.rule != other.rule {
            shared.rule = None;
        }
    }
}
