//! Approvals: one call of one agent, put before its person, and spent once (protocol R20).
//!
//! A question binds the agent, the tool and the arguments by one digest. What the person approves lets exactly that
//! call pass, once, within a few minutes; a changed argument is another question. Only the token's own person can
//! answer, and what belongs to an agent that has ended is dead with it.

use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, GrantId, UserId};
use portcullis_wire::limit;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use serde_json::{Map, Value};

use crate::canonical;
use crate::event::{CallFacts, Event, EventKind};
use crate::facts::{ApprovalRow, AskFacts};
use crate::model::{Grant, GrantState, Subject, User};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// How long a question waits for its answer, and how long a yes waits for its call.
pub const LIFE: Duration = Duration::from_secs(10 * 60);

/// For how long after a "no" the same call is answered "no" without a new question.
pub const DENIED_FOR: Duration = Duration::from_secs(60);

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// Not answered yet.
    Open,
    /// The person said yes; the call has not come yet.
    Approved,
    /// The person said no.
    Denied,
    /// The call has come.
    Spent,
}

impl ApprovalState {
    const ALL: [Self; 4] = [Self::Open, Self::Approved, Self::Denied, Self::Spent];

    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Spent => "spent",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A call's arguments as they are shown to the person.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// JSON; only its beginning if it was cut.
    pub text: String,
    /// Whether it was longer than what is kept, so that the person does not see all of it.
    pub cut: bool,
}

impl Shown {
    /// The arguments, in the order of their names, at most [`limit::APPROVAL_ARGUMENTS`] bytes of them.
    pub fn of(arguments: &Map<String, Value>) -> Self {
        let mut text = canonical::text(&Value::Object(arguments.clone()));
        let cut = text.len() > limit::APPROVAL_ARGUMENTS;
        canonical::cut(&mut text, limit::APPROVAL_ARGUMENTS);
        Self { text, cut }
    }
}

impl std::fmt::Debug for Shown {
    /// Arguments are a person's data: they stand in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shown({} bytes{})", self.text.len(), if self.cut { ", cut" } else { "" })
    }
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its row.
    pub id: ApprovalId,
    /// The agent that wants to call.
    pub grant: GrantId,
    /// The one person who may answer.
    pub user: UserId,
    /// Where.
    pub resource: Resource,
    /// Which tool: at most [`limit::TOOL_NAME`] bytes of its name, to be shown.
    pub tool: String,
    /// What stands for agent, tool and arguments: see [`call`].
    pub call: Digest,
    /// The arguments, to be shown.
    pub shown: Shown,
    /// Where it stands.
    pub state: ApprovalState,
    /// When it was asked.
    pub created_at: UnixTime,
    /// When it is over: unanswered, or approved and not used.
    pub expires_at: UnixTime,
    /// When it was answered.
    pub decided_at: Option<UnixTime>,
}

/// What stands for one call of one agent: the agent, the tool and every argument, whatever their order.
pub fn call(grant: GrantId, tool: &str, arguments: &Map<String, Value>) -> Digest {
    let arguments = canonical::text(&Value::Object(arguments.clone()));
    canonical::digest("approval of a call", &[&grant.to_string(), tool, &arguments])
}

/// What an agent wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Which tool.
    pub tool: &'a str,
    /// What stands for the call: [`call`].
    pub digest: Digest,
    /// The arguments, to be shown.
    pub shown: &'a Shown,
}

/// How a question was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Approved, and spent by this very verdict: the call may go once it is committed.
    Given(ApprovalId),
    /// Waiting for the person.
    Open(ApprovalId),
    /// The person said no, not long ago.
    Denied,
    /// As many questions of this agent are open as may be.
    TooMany,
    /// The agent acts for nobody who could be asked.
    NoPerson,
}

/// Spends an approval of exactly this call, or finds or opens the question. `fresh` is the id of a new one. The call may
/// go only once the verdict was committed: of many that ask at once, one is told so.
///
/// Refused are grants that have ended and people who may not act: nothing of theirs is spent or asked.
pub fn ask(
    call: Call<'_>,
    facts: &AskFacts,
    fresh: ApprovalId,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Asking> {
    let Some(grant) = &facts.grant else { return Verdict::refuse(Refusal::AgentUnknown) };
    if grant.state_at(lifetimes, now) != GrantState::Live {
        return Verdict::refuse(Refusal::GrantEnded);
    }
    let Subject::Person(person) = grant.subject else { return Verdict::yes(Asking::NoPerson) };
    if let Err(refusal) = acts(facts.user.as_ref(), person, now) {
        return Verdict::refuse(refusal);
    }
    let own = |state| {
        facts.approvals.iter().find(|row| {
            row.state == state && row.grant == grant.id && row.user == person && row.call == call.digest
        })
    };
    let relied = |verdict: Verdict<Asking>| {
        verdict.expecting(Expect::GrantLive(grant.id)).expecting(Expect::UserEnabled(person))
    };
    if let Some(row) = own(ApprovalState::Approved).filter(|row| now < row.expires_at) {
        return relied(Verdict::yes(Asking::Given(row.id)))
            .writing(Write::SpendApproval(row.id))
            .writing(Write::Audit(event(EventKind::ApprovalSpent, row, now).client(&grant.client)));
    }
    if let Some(row) = own(ApprovalState::Open).filter(|row| now < row.expires_at) {
        return Verdict::yes(Asking::Open(row.id));
    }
    let denied = |row: &Approval| row.decided_at.is_some_and(|at| now < at + DENIED_FOR);
    if own(ApprovalState::Denied).is_some_and(denied) {
        return Verdict::yes(Asking::Denied);
    }
    if facts.open >= limit::APPROVALS_OPEN {
        return Verdict::yes(Asking::TooMany);
    }
    let mut tool = call.tool.to_owned();
    canonical::cut(&mut tool, limit::TOOL_NAME);
    let approval = Approval {
        id: fresh,
        grant: grant.id,
        user: person,
        resource: grant.resource.clone(),
        tool,
        call: call.digest,
        shown: call.shown.clone(),
        state: ApprovalState::Open,
        created_at: now,
        expires_at: now + LIFE,
        decided_at: None,
    };
    let event = event(EventKind::ApprovalAsked, &approval, now).client(&grant.client);
    relied(Verdict::yes(Asking::Open(fresh)))
        .expecting(Expect::ApprovalsOpen { grant: grant.id, below: limit::APPROVALS_OPEN, at: now })
        .writing(Write::AddApproval(approval))
        .writing(Write::Audit(event))
}

/// Whether the person of a grant may act.
fn acts(user: Option<&User>, person: UserId, now: UnixTime) -> Result<(), Refusal> {
    user.filter(|user| user.id == person).ok_or(Refusal::PersonDisabled)?.may_act(now)
}

fn event(kind: EventKind, approval: &Approval, now: UnixTime) -> Event {
    let call = CallFacts {
        method: "tools/call".to_owned(),
        name: Some(approval.tool.clone()),
        decision: kind.as_str().into(),
        ..CallFacts::default()
    };
    Event::new(kind, now)
        .user(approval.user)
        .grant(approval.grant)
        .access(&approval.resource, &Scopes::none())
        .call(call)
}

/// The question, if it is this person's and may still be answered: for the page that shows it.
///
/// # Errors
/// [`Refusal::ApprovalUnknown`] also for the questions of others; [`Refusal::ApprovalOver`];
/// [`Refusal::PersonDisabled`].
pub fn shown_to<'a>(
    person: UserId,
    facts: &'a ApprovalRow,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Result<(&'a Approval, &'a Grant), Refusal> {
    let (Some(approval), Some(grant)) = (&facts.approval, &facts.grant) else {
        return Err(Refusal::ApprovalUnknown);
    };
    if approval.user != person || approval.grant != grant.id || grant.subject != Subject::Person(person) {
        return Err(Refusal::ApprovalUnknown);
    }
    acts(facts.user.as_ref(), person, now)?;
    if approval.state != ApprovalState::Open
        || approval.expires_at <= now
        || grant.state_at(lifetimes, now) != GrantState::Live
    {
        return Err(Refusal::ApprovalOver);
    }
    Ok((approval, grant))
}

/// Answers a question, by the one person it was put to.
pub fn decide(
    person: UserId,
    yes: bool,
    facts: &ApprovalRow,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<ApprovalState> {
    let (approval, grant) = match shown_to(person, facts, lifetimes, now) {
        Ok(found) => found,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let (to, kind) = match yes {
        true => (ApprovalState::Approved, EventKind::ApprovalGiven),
        false => (ApprovalState::Denied, EventKind::ApprovalDenied),
    };
    Verdict::yes(to)
        .expecting(Expect::UserEnabled(person))
        .expecting(Expect::GrantLive(grant.id))
        .writing(Write::DecideApproval { id: approval.id, to, at: now, expires_at: now + LIFE })
        .writing(Write::Audit(event(kind, approval, now).client(&grant.client)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EndReason, User};
    use crate::samples;
    use serde_json::json;

    const SECOND: Duration = Duration::from_secs(1);

    fn arguments(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }
    fn this_call() -> Digest {
        call(samples::grant().id, "delete", &arguments(&json!({ "id": 7 })))
    }
    fn approval(state: ApprovalState) -> Approval {
        Approval {
            id: ApprovalId::from_number(1),
            grant: samples::grant().id,
            user: samples::user().id,
            resource: samples::grant().resource,
            tool: "delete".to_owned(),
            call: this_call(),
            shown: Shown { text: r#"{"id":7}"#.to_owned(), cut: false },
            state,
            created_at: samples::NOW,
            expires_at: samples::NOW + LIFE,
            decided_at: matches!(state, ApprovalState::Approved | ApprovalState::Denied)
                .then_some(samples::NOW),
        }
    }
    fn facts(approvals: Vec<Approval>) -> AskFacts {
        AskFacts { grant: Some(samples::grant()), user: Some(samples::user()), approvals, open: 0 }
    }
    fn run(facts: &AskFacts, now: UnixTime) -> Verdict<Asking> {
        let shown = Shown::of(&arguments(&json!({ "id": 7 })));
        let asked = Call { tool: "delete", digest: this_call(), shown: &shown };
        ask(asked, facts, ApprovalId::from_number(5), &Lifetimes::default(), now)
    }

    #[test]
    fn r20_t_once_an_approval_is_spent_by_exactly_its_call() {
        let first = ApprovalId::from_number(1);
        let fresh = Asking::Open(ApprovalId::from_number(5));
        let other = Approval { call: Digest::of(b"other"), ..approval(ApprovalState::Approved) };
        let foreign = Approval { user: UserId::from_number(9), ..approval(ApprovalState::Approved) };
        let elsewhere = Approval { grant: GrantId::from_number(9), ..approval(ApprovalState::Approved) };
        for (name, rows, after, expected) in [
            ("none yet", vec![], Duration::ZERO, fresh),
            ("open", vec![approval(ApprovalState::Open)], LIFE - SECOND, Asking::Open(first)),
            ("open, over", vec![approval(ApprovalState::Open)], LIFE, fresh),
            ("approved", vec![approval(ApprovalState::Approved)], LIFE - SECOND, Asking::Given(first)),
            ("approved, over", vec![approval(ApprovalState::Approved)], LIFE, fresh),
            ("spent", vec![approval(ApprovalState::Spent)], SECOND, fresh),
            ("denied", vec![approval(ApprovalState::Denied)], DENIED_FOR - SECOND, Asking::Denied),
            ("denied a while ago", vec![approval(ApprovalState::Denied)], DENIED_FOR, fresh),
            ("another call's", vec![other], SECOND, fresh),
            ("another person's", vec![foreign], SECOND, fresh),
            ("another agent's", vec![elsewhere], SECOND, fresh),
        ] {
            let verdict = run(&facts(rows), samples::NOW + after);
            assert_eq!(verdict.outcome, Ok(expected), "{name}");
            let spends = verdict.writes.contains(&Write::SpendApproval(first));
            assert_eq!(spends, expected == Asking::Given(first), "{name}");
            let adds = verdict.writes.iter().any(|write| matches!(write, Write::AddApproval(_)));
            assert_eq!(adds, expected == fresh, "{name}");
            if spends || adds {
                assert!(verdict.expects.contains(&Expect::GrantLive(samples::grant().id)), "{name}");
                assert!(verdict.expects.contains(&Expect::UserEnabled(samples::user().id)), "{name}");
            }
        }
    }

    #[test]
    fn t_disable_nobody_is_asked_for_who_may_not_act_and_no_more_than_twenty_times() {
        let approved = || facts(vec![approval(ApprovalState::Approved)]);
        let ended = Grant { state: GrantState::Ended(EndReason::RevokedByPerson), ..samples::grant() };
        let off = User { enabled: false, ..samples::user() };
        let idle = samples::NOW + Lifetimes::default().grant_idle;
        for (name, facts, now, expected) in [
            ("ended", AskFacts { grant: Some(ended), ..approved() }, samples::NOW, Refusal::GrantEnded),
            ("idle", approved(), idle, Refusal::GrantEnded),
            ("no grant", AskFacts { grant: None, ..approved() }, samples::NOW, Refusal::AgentUnknown),
            ("off", AskFacts { user: Some(off), ..approved() }, samples::NOW, Refusal::PersonDisabled),
            ("gone", AskFacts { user: None, ..approved() }, samples::NOW, Refusal::PersonDisabled),
        ] {
            let verdict = run(&facts, now);
            assert_eq!(verdict.outcome, Err(expected), "{name}");
            assert!(verdict.is_silent(), "{name}");
        }
        let machine = Grant { subject: Subject::Machine, ..samples::grant() };
        let verdict = run(&AskFacts { grant: Some(machine), ..approved() }, samples::NOW);
        assert_eq!(verdict.outcome, Ok(Asking::NoPerson));
        assert!(verdict.is_silent());
        let full = AskFacts { open: limit::APPROVALS_OPEN, ..facts(vec![]) };
        assert_eq!(run(&full, samples::NOW).outcome, Ok(Asking::TooMany));
    }

    #[test]
    fn r20_only_the_tokens_own_person_answers_and_only_in_time() {
        let row = |state| ApprovalRow {
            approval: Some(approval(state)),
            grant: Some(samples::grant()),
            client: Some(samples::public_client()),
            user: Some(samples::user()),
        };
        let open = || row(ApprovalState::Open);
        let person = samples::user().id;
        let other = UserId::from_number(9);
        let ended = Grant { state: GrantState::Ended(EndReason::RevokedByPerson), ..samples::grant() };
        let off = User { enabled: false, ..samples::user() };
        let soon = samples::NOW + SECOND;
        for (name, person, facts, now, expected) in [
            ("another person", other, open(), soon, Refusal::ApprovalUnknown),
            ("no question", person, ApprovalRow::default(), soon, Refusal::ApprovalUnknown),
            ("agent gone", person, ApprovalRow { grant: None, ..open() }, soon, Refusal::ApprovalUnknown),
            (
                "agent ended",
                person,
                ApprovalRow { grant: Some(ended), ..open() },
                soon,
                Refusal::ApprovalOver,
            ),
            ("person off", person, ApprovalRow { user: Some(off), ..open() }, soon, Refusal::PersonDisabled),
            ("too late", person, open(), samples::NOW + LIFE, Refusal::ApprovalOver),
            ("approved before", person, row(ApprovalState::Approved), soon, Refusal::ApprovalOver),
            ("denied before", person, row(ApprovalState::Denied), soon, Refusal::ApprovalOver),
            ("spent", person, row(ApprovalState::Spent), soon, Refusal::ApprovalOver),
        ] {
            let verdict = decide(person, true, &facts, &Lifetimes::default(), now);
            assert_eq!(verdict.outcome, Err(expected), "{name}");
            assert!(verdict.is_silent(), "{name}");
        }
        for (yes, to) in [(true, ApprovalState::Approved), (false, ApprovalState::Denied)] {
            let verdict = decide(person, yes, &open(), &Lifetimes::default(), soon);
            assert_eq!(verdict.outcome, Ok(to));
            assert!(verdict.expects.contains(&Expect::GrantLive(samples::grant().id)));
            assert!(matches!(verdict.writes[0], Write::DecideApproval { to: written, .. } if written == to));
        }
    }

    #[test]
    fn r20_a_call_is_its_agent_its_tool_and_every_argument() {
        let one = this_call();
        assert_eq!(one, call(samples::grant().id, "delete", &arguments(&json!({ "id": 7 }))));
        let pair = |text: &str| arguments(&serde_json::from_str(text).unwrap());
        let ordered = call(samples::grant().id, "t", &pair(r#"{"a":1,"b":2}"#));
        assert_eq!(ordered, call(samples::grant().id, "t", &pair(r#"{"b":2,"a":1}"#)));
        for (name, other) in [
            ("agent", call(GrantId::from_number(9), "delete", &arguments(&json!({ "id": 7 })))),
            ("tool", call(samples::grant().id, "delete2", &arguments(&json!({ "id": 7 })))),
            ("argument", call(samples::grant().id, "delete", &arguments(&json!({ "id": "7" })))),
            ("one more", call(samples::grant().id, "delete", &arguments(&json!({ "id": 7, "all": true })))),
            ("none", call(samples::grant().id, "delete", &Map::new())),
        ] {
            assert_ne!(other, one, "{name}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded_and_says_when_it_was_cut() {
        let whole = Shown::of(&arguments(&json!({ "b": 1, "a": "x" })));
        assert_eq!((whole.text.as_str(), whole.cut), (r#"{"a":"x","b":1}"#, false));
        let long = Shown::of(&arguments(&json!({ "a": "ä".repeat(limit::APPROVAL_ARGUMENTS) })));
        assert!(long.cut && long.text.len() <= limit::APPROVAL_ARGUMENTS);
        assert!(!format!("{long:?}").contains('ä'), "arguments stand in no log");
    }
}
