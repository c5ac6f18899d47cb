//! Questions to the trail, and how much of it is kept.

use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{AuditRow, KEEP_ROWS};
use crate::event::EventKind;

/// Which rows are asked for: those that fit everything that is set. They come in the chain's own order.
///
/// An agent, a person, a client, a tool and a time are found without looking at the rest of the trail. Resource, decision
/// and kind are looked for among what is left, row by row: with nothing else set, in all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditQuery {
    /// Of this agent.
    pub agent: Option<GrantId>,
    /// Of this person.
    pub user: Option<UserId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// At this resource.
    pub resource: Option<Resource>,
    /// About the tool, prompt or resource URI of this name.
    pub tool: Option<String>,
    /// So decided.
    pub decision: Option<String>,
    /// Of one of these kinds; empty for any.
    pub kinds: Vec<EventKind>,
    /// At this time or later.
    pub since: Option<UnixTime>,
    /// Before this time.
    pub until: Option<UnixTime>,
    /// After the row of this number.
    pub after_seq: Option<u64>,
    /// Before the row of this number.
    pub before_seq: Option<u64>,
    /// Only those whose personal part is still there.
    pub personal: bool,
    /// The newest of them first, or the oldest.
    pub newest_first: bool,
    /// How many at most.
    pub most: usize,
}

impl Default for AuditQuery {
    /// The newest 100.
    fn default() -> Self {
        Self {
            agent: None,
            user: None,
            client: None,
            resource: None,
            tool: None,
            decision: None,
            kinds: Vec::new(),
            since: None,
            until: None,
            after_seq: None,
            before_seq: None,
            personal: false,
            newest_first: true,
            most: 100,
        }
    }
}

impl AuditQuery {
    /// Whether a row is among those asked for.
    pub fn holds(&self, row: &AuditRow) -> bool {
        let entry = &row.entry;
        self.agent.is_none_or(|agent| entry.agent == Some(agent))
            && self.user.is_none_or(|user| entry.user == Some(user))
            && self.client.as_ref().is_none_or(|client| entry.client.as_deref() == Some(client.as_str()))
            && self
                .resource
                .as_ref()
                .is_none_or(|resource| entry.resource.as_deref() == Some(resource.as_str()))
            && self.tool.as_ref().is_none_or(|tool| entry.name.as_ref() == Some(tool))
            && self.decision.as_ref().is_none_or(|decision| entry.decision.as_ref() == Some(decision))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.as_str() == entry.kind))
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.after_seq.is_none_or(|seq| row.seq > seq)
            && self.before_seq.is_none_or(|seq| row.seq < seq)
            && (!self.personal || row.person.is_some())
    }
}

impl Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Self::parse(&word).ok_or_else(|| serde::de::Error::custom("not a kind of event"))
    }
}

/// How much of the trail is kept. Rows go from the oldest on, and only up to a checkpoint, so that what is left can still
/// be verified; without checkpoints nothing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditKeep {
    /// Rows before this time may go.
    pub since: Option<UnixTime>,
    /// As many rows may stay.
    pub most: u64,
}

impl Default for AuditKeep {
    /// [`KEEP_ROWS`], however old.
    fn default() -> Self {
        Self { since: None, most: KEEP_ROWS }
    }
}
