//! A verdict: the outcome of a decision, what it writes, and what must still hold when it is written.

use std::collections::BTreeSet;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::register::ClientMetadata;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::approve::{Approval, ApprovalState};
use crate::audit::Checkpoint;
use crate::budget::Used;
use crate::event::Event;
use crate::federation::{Handoff, Provider, ProviderLink, ProviderState};
use crate::groups::Group;
use crate::model::{
    Client, Code, CutTarget, EndReason, Grant, KeyRecord, KeyState, PasswordHash, Previous, Session,
    SetupLink, User,
};
use crate::refusal::Refusal;
use crate::tools::Listed;
use crate::want::Wanted;

/// A state that a yes relied on. It is the state that is expected, not a version of a row many share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The grant may be used.
    GrantLive(GrantId),
    /// Exactly these scopes are approved for the grant.
    GrantScopes(GrantId, Scopes),
    /// The client exists and is switched on.
    ClientEnabled(ClientId),
    /// The account exists and is switched on, and so is the provider it belongs to, if it belongs to one.
    UserEnabled(UserId),
    /// The provider of this issuer is switched on.
    ProviderOn(String),
    /// The account's password is still the one whose hash has this digest.
    PasswordIs(UserId, Digest),
    /// The session has not ended.
    SessionLive(SessionId),
    /// No account has a password: there is nobody yet but people of providers.
    NoLocalUsers,
    /// The refresh tip of the grant is the one seen.
    TipIs(GrantId, Digest),
    /// The person is in this group.
    UserInGroup(UserId, Group),
    /// The client's registration access token is the one whose digest this is.
    ManagedBy(ClientId, Digest),
    /// Fewer than `below` questions of this agent are open at that time.
    ApprovalsOpen {
        /// Which agent.
        grant: GrantId,
        /// Fewer than this.
        below: usize,
        /// When.
        at: UnixTime,
    },
}

/// Some of the clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientsOf {
    /// This one.
    One(ClientId),
    /// All whose `client_id` is a URL on this host, in lower case, and on no other: not those of its subdomains.
    Domain(String),
}

impl ClientsOf {
    /// What is cut off.
    pub fn target(&self) -> CutTarget {
        match self {
            Self::One(id) => CutTarget::Client(id.clone()),
            Self::Domain(host) => CutTarget::Domain(host.clone()),
        }
    }

    /// How the ids of the clients begin; a whole id where there is one client. A metadata document's URL names no user, so
    /// that what follows the host is a port or a path.
    pub fn beginnings(&self) -> Vec<String> {
        match self {
            Self::One(_) => Vec::new(),
            Self::Domain(host) => ["https://", "http://"]
                .iter()
                .flat_map(|scheme| [":", "/"].map(|end| format!("{scheme}{host}{end}")))
                .collect(),
        }
    }

    /// Whether a client is among them.
    pub fn holds(&self, client: &ClientId) -> bool {
        match self {
            Self::One(id) => id == client,
            Self::Domain(_) => {
                self.beginnings().iter().any(|beginning| client.as_str().starts_with(beginning.as_str()))
            }
        }
    }
}

/// What a rule asks to change. Each names what it expects to find; where it finds otherwise the whole verdict
/// is undone and decided anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Notes a value that may be used once. Expects it unused. May be forgotten after `until`.
    Spend {
        /// What stands for the value.
        digest: Digest,
        /// Until when it must be remembered.
        until: UnixTime,
    },
    /// Enters a client, or brings an existing row of the same id up to date (never switching it on or off).
    PutClient(Client),
    /// Puts off the day a client may be forgotten. Expects it to be there.
    KeepClient {
        /// Which.
        client: ClientId,
        /// Until when.
        until: UnixTime,
    },
    /// Switches a client on or off. Expects it to be there.
    SetClientEnabled(ClientId, bool),
    /// Replaces what a client says of itself, and nothing else. Expects it to be there.
    UpdateClient(ClientId, ClientMetadata),
    /// Removes a client. Expects it to be there.
    RemoveClient(ClientId),
    /// Makes an account. Expects its name to be free.
    AddUser(User),
    /// Sets a password. Expects the account.
    SetPassword(UserId, PasswordHash),
    /// Switches an account on or off. Expects the account.
    SetUserEnabled(UserId, bool),
    /// Puts a person into exactly the groups `to`. Expects the person, in exactly the groups `from`.
    SetGroups {
        /// Whom.
        user: UserId,
        /// As they were seen.
        from: BTreeSet<Group>,
        /// As they shall be.
        to: BTreeSet<Group>,
    },
    /// Sets or forgets an account's address. Expects the account, with exactly the address `from`.
    SetEmail {
        /// Whose.
        user: UserId,
        /// As it was seen.
        from: Option<String>,
        /// As it shall be.
        to: Option<String>,
    },
    /// Ties an account to somebody at a provider, or unties it. Expects the account, tied exactly as in `from`, and nobody
    /// else to be tied to `to`.
    SetLink {
        /// Whose.
        user: UserId,
        /// As it was seen.
        from: Option<ProviderLink>,
        /// As it shall be.
        to: Option<ProviderLink>,
    },
    /// Notes until when the last sign-in at a provider counts. Expects the account.
    SetProven(UserId, Option<UnixTime>),
    /// Enters a provider, or brings its row up to date. Expects it in the state `was`, or not there.
    PutProvider {
        /// As it shall be.
        provider: Provider,
        /// As it was seen.
        was: Option<ProviderState>,
    },
    /// Ends every session of a provider's people and cuts each of them off.
    CutPeopleOf(String, UnixTime),
    /// Remembers somebody who goes to a provider. Expects its digest to be free. Room is made for it: those that are
    /// furthest on go, where there are more than [`HANDOFFS`](portcullis_wire::limit::HANDOFFS).
    PutHandoff(Handoff),
    /// Takes what was remembered of somebody's way out. Expects it to be there.
    TakeHandoff(Digest),
    /// Removes an account, its sessions and the questions put to it. Expects the account.
    RemoveUser(UserId),
    /// Opens a session.
    OpenSession(Session),
    /// Ends a session; ending twice is ending.
    EndSession(SessionId),
    /// Ends every session of an account but one.
    EndSessionsOf(UserId, Option<SessionId>),
    /// Notes a code. Expects its number to be free.
    AddCode(Code),
    /// Redeems a code for a grant. Expects it unspent.
    SpendCode(CodeId, GrantId),
    /// Begins a grant. Expects its number to be free and, for a machine, that it has none at that resource.
    AddGrant(Grant),
    /// Rotates. Expects `from` to be the tip and the grant to be live.
    Advance {
        /// Which family.
        grant: GrantId,
        /// The tip as it was seen.
        from: Digest,
        /// The new tip.
        to: Digest,
        /// The old one, for a retry; none if the grace is off.
        previous: Option<Previous>,
        /// When.
        at: UnixTime,
    },
    /// Ends a grant and cuts it off. Ending twice is ending, and makes no second cut.
    EndGrant {
        /// Which.
        grant: GrantId,
        /// Why.
        reason: EndReason,
        /// When.
        at: UnixTime,
    },
    /// Ends every live grant of a client, forgets its codes that are still unspent at that time, and cuts it off if there
    /// was any of these.
    EndGrantsOfClient(ClientId, EndReason, UnixTime),
    /// Ends every live grant of people with these clients, switches off those of machines, forgets codes that are still
    /// unspent at that time, and cuts the clients off: what they hold now is over, and who comes anew has to ask anew.
    CutOffClients(ClientsOf, EndReason, UnixTime),
    /// Ends every live grant of a person, and forgets the codes they allowed that are still unspent at that time: a
    /// code on its way is an agent to be.
    EndGrantsOfPerson(UserId, EndReason, UnixTime),
    /// Switches a live machine grant off and cuts it off. Doing it twice is doing it.
    SuspendGrant(GrantId, UnixTime),
    /// Switches a suspended grant on. Expects it suspended.
    RestoreGrant(GrantId),
    /// Approves more (or less) for one grant. Expects it live.
    SetGrantScopes(GrantId, Scopes),
    /// Remembers exactly these scopes as wanted. Expects the grant, with exactly `from` remembered.
    SetWanted {
        /// Whose.
        grant: GrantId,
        /// As they were seen.
        from: Vec<Wanted>,
        /// As they shall be.
        to: Vec<Wanted>,
    },
    /// Names a grant. Expects it.
    LabelGrant(GrantId, Option<String>),
    /// Notes that a grant was seen, never moving time back, and forgets what it replaced.
    TouchGrant(GrantId, UnixTime),
    /// Forgets which grant it replaces.
    Replaced(GrantId),
    /// Cuts something off: takes the next value of the counter.
    Cut(CutTarget, UnixTime),
    /// Makes the one set-up link; an older one stops working.
    PutSetupLink(SetupLink),
    /// Uses the set-up link. Expects it to be there.
    SpendSetupLink(u64),
    /// Enters a signing key. Expects its id to be free.
    AddKey(KeyRecord),
    /// Moves a key on. Expects it in the state `from`.
    MoveKey {
        /// Which.
        kid: String,
        /// Where it was.
        from: KeyState,
        /// Where it goes.
        to: KeyState,
        /// When.
        at: UnixTime,
    },
    /// Writes the audit trail.
    Audit(Event),
    /// Notes a checkpoint of the audit trail. Expects the row it is about to be there, with that hash, and without one.
    Checkpoint(Checkpoint),
    /// Erases what the audit trail knows of a person beyond the random id; the chain still verifies. Doing it twice is
    /// doing it. What is written of them later is not erased: whoever erases ends their grants first.
    ErasePerson(UserId),
    /// Puts a question to a person. Expects its number to be free, and none of that grant about that call to be open
    /// when it is made.
    AddApproval(Approval),
    /// Answers a question. Expects it open, and not over, at that time.
    DecideApproval {
        /// Which.
        id: ApprovalId,
        /// The answer.
        to: ApprovalState,
        /// When.
        at: UnixTime,
        /// Until when it counts.
        expires_at: UnixTime,
    },
    /// Spends an approval. Expects it approved and unspent.
    SpendApproval(ApprovalId),
    /// Notes that a resource's first whole list was taken. Expects that none was before.
    BeginBook(Resource, UnixTime),
    /// Notes that a tool is listed with this definition, and accepts that, if told to.
    SeeTool {
        /// At which resource.
        resource: Resource,
        /// The tool.
        tool: Listed,
        /// Whether the definition is accepted.
        accept: bool,
        /// When.
        at: UnixTime,
    },
    /// Accepts a tool's definition. Expects the tool, with exactly that definition listed last.
    AcceptTool {
        /// At which resource.
        resource: Resource,
        /// Its name.
        name: String,
        /// Its definition.
        digest: Digest,
        /// When.
        at: UnixTime,
    },
    /// Notes that a tool is no longer listed; again is as good as once.
    LoseTool(Resource, String, UnixTime),
    /// Forgets a tool, if it is there.
    ForgetTool(Resource, String),
    /// Adds to what was used of durable windows.
    AddUses(Vec<Used>),
}

/// What a rule answers.
#[derive(Debug)]
#[must_use]
pub struct Verdict<T> {
    /// Yes, or why not.
    pub outcome: Result<T, Refusal>,
    /// What must still hold.
    pub expects: Vec<Expect>,
    /// What changes: also, sometimes, for a refusal.
    pub writes: Vec<Write>,
}

impl<T> Verdict<T> {
    /// Yes.
    pub fn yes(outcome: T) -> Self {
        Self { outcome: Ok(outcome), expects: Vec::new(), writes: Vec::new() }
    }

    /// No, and nothing changes.
    pub fn refuse(refusal: Refusal) -> Self {
        Self { outcome: Err(refusal), expects: Vec::new(), writes: Vec::new() }
    }

    /// Relies on a state.
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expects.push(expect);
        self
    }

    /// Writes.
    pub fn writing(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Carries something along with a yes.
    pub fn map<U>(self, carry: impl FnOnce(T) -> U) -> Verdict<U> {
        Verdict { outcome: self.outcome.map(carry), expects: self.expects, writes: self.writes }
    }

    /// Whether there is nothing to commit.
    pub fn is_silent(&self) -> bool {
        self.expects.is_empty() && self.writes.is_empty()
    }
}

impl<T> From<Result<T, Refusal>> for Verdict<T> {
    fn from(outcome: Result<T, Refusal>) -> Self {
        Self { outcome, expects: Vec::new(), writes: Vec::new() }
    }
}
