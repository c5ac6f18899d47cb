//! Facts: what one decision knows, read in one snapshot.

use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;

use crate::approve::Approval;
use crate::model::{Client, Code, Grant, Session, SetupLink, User};
use crate::tools::Tool;

/// For an authorization request and its pages.
#[derive(Clone, Debug, Default)]
pub struct BrowserFacts {
    /// The client, if its row is there.
    pub client: Option<Client>,
    /// The session the cookie names, with its person, if both are there.
    pub session: Option<(Session, User)>,
    /// The person's live grants of that client.
    pub grants: Vec<Grant>,
    /// Whether the form's one-time ticket was used.
    pub spent: bool,
    /// Whether there is any account.
    pub has_users: bool,
}

/// For signing in.
#[derive(Clone, Debug, Default)]
pub struct SignInFacts {
    /// The account of that name.
    pub user: Option<User>,
    /// Whether the form's one-time ticket was used.
    pub spent: bool,
}

/// For redeeming a code.
#[derive(Clone, Debug, Default)]
pub struct CodeFacts {
    /// The code's row.
    pub code: Option<Code>,
    /// The client that presents it.
    pub client: Option<Client>,
    /// Whether what it was redeemed for is still alive.
    pub is_alive: bool,
    /// The person who allowed it.
    pub user: Option<User>,
    /// Whether the client's assertion was used before.
    pub spent: bool,
    /// The counter of cuts.
    pub rev: u64,
}

/// For a refresh, a revocation, and all that concerns one grant.
#[derive(Clone, Debug, Default)]
pub struct GrantFacts {
    /// The grant.
    pub grant: Option<Grant>,
    /// The client that asks (not necessarily the grant's).
    pub client: Option<Client>,
    /// The grant's person.
    pub user: Option<User>,
    /// Whether the client's assertion was used before.
    pub spent: bool,
    /// The counter of cuts.
    pub rev: u64,
}

/// For a machine's token.
#[derive(Clone, Debug, Default)]
pub struct MachineFacts {
    /// The client.
    pub client: Option<Client>,
    /// Its grant at the resource.
    pub grant: Option<Grant>,
    /// Whether the client's assertion was used before.
    pub spent: bool,
    /// The counter of cuts.
    pub rev: u64,
}

/// For the first account, and for a reset.
#[derive(Clone, Debug, Default)]
pub struct SetupFacts {
    /// The link's row.
    pub link: Option<SetupLink>,
    /// Whose password it resets.
    pub user: Option<User>,
    /// Whether any account has a password. People of providers come by themselves, and none of them administers.
    pub has_local_users: bool,
}

/// A grant with what a list of agents shows beside it.
#[derive(Clone, Debug)]
pub struct AgentRow {
    /// The grant.
    pub grant: Grant,
    /// Its client, unless that was removed.
    pub client: Option<Client>,
    /// The name of its person, unless it is a machine's or the account was removed.
    pub user_name: Option<String>,
}

/// Which agents a list holds.
#[derive(Clone, Debug, Default)]
pub struct AgentQuery {
    /// Of this person only.
    pub user: Option<portcullis_wire::id::UserId>,
    /// Also ended ones.
    pub ended: bool,
    /// At most this many, newest first.
    pub most: usize,
    /// Of this client only.
    pub client: Option<ClientId>,
    /// At this resource only.
    pub resource: Option<Resource>,
    /// Only this one.
    pub id: Option<GrantId>,
}

/// For asking whether a call may go: everything about one agent and that very call.
#[derive(Clone, Debug, Default)]
pub struct AskFacts {
    /// The agent.
    pub grant: Option<Grant>,
    /// Its person.
    pub user: Option<User>,
    /// Its questions about this very call that were not spent, newest first.
    pub approvals: Vec<Approval>,
    /// How many of its questions are open, over all calls.
    pub open: usize,
}

/// A question to a person, with what its answer depends on. Also a row of a list.
#[derive(Clone, Debug, Default)]
pub struct ApprovalRow {
    /// The question.
    pub approval: Option<Approval>,
    /// The agent.
    pub grant: Option<Grant>,
    /// The agent's client.
    pub client: Option<Client>,
    /// The person who may answer.
    pub user: Option<User>,
}

/// Which questions a list holds.
#[derive(Clone, Debug, Default)]
pub struct ApprovalQuery {
    /// Put to this person only.
    pub user: Option<portcullis_wire::id::UserId>,
    /// Of this agent only.
    pub grant: Option<GrantId>,
    /// Only those that may still be answered at this time.
    pub open_at: Option<UnixTime>,
    /// At most this many, newest first.
    pub most: usize,
}

/// What is remembered of one resource's tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolBook {
    /// When the first whole list was taken; none before that.
    pub begun_at: Option<UnixTime>,
    /// Every tool, by name.
    pub tools: Vec<Tool>,
}

/// For making a personal token.
#[derive(Clone, Debug, Default)]
pub struct PersonalFacts {
    /// For whom.
    pub user: Option<User>,
    /// The client of personal tokens, once there is one.
    pub client: Option<Client>,
    /// How many personal tokens the person has that have neither ended nor expired.
    pub living: usize,
}
