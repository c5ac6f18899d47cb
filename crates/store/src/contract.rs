//! The store contract: facts out, verdicts in.
//!
//! A store keeps no opinion of its own. It reads the facts of one decision in one snapshot, and it commits a
//! verdict's writes all or nothing, provided that everything the verdict expects still holds. One suite of tests
//! (`tests/contract`) holds every store to the words in this file.

use std::future::Future;
use std::pin::Pin;

use portcullis_rules::audit::{AuditKeep, AuditQuery, AuditRow, Checkpoint, Head};
use portcullis_rules::budget::Used;
use portcullis_rules::event::Event;
use portcullis_rules::facts::{
    AgentQuery, AgentRow, ApprovalQuery, ApprovalRow, AskFacts, BrowserFacts, CodeFacts, GrantFacts,
    MachineFacts, PersonalFacts, SetupFacts, SignInFacts, ToolBook,
};
use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider, ProviderLink};
use portcullis_rules::model::{Client, Cut, KeyRecord, Origin, User};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;

/// What a store's question answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What a commit answers with.
pub type Commit<'a> = Pin<Box<dyn Future<Output = Result<Committed, CommitError>> + Send + 'a>>;

/// Who is told of cuts: see [`Store::follow_cuts`].
pub type CutFollower = std::sync::Arc<dyn Fn(&[Cut]) + Send + Sync>;

/// A fault of ours, never an answer to the caller's question: each becomes 503 with `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// As many verdicts wait as may wait.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// There is no room left to write.
    #[error("there is no room left to write")]
    Full,
    /// The store does not work; the text is for the log alone.
    #[error("the store does not work: {0}")]
    Broken(String),
}

/// Why nothing of a verdict was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Something the verdict expects holds no longer: decide anew, from fresh facts.
    #[error("an expectation no longer holds")]
    Conflict,
    /// A fault of ours: nothing was answered for. After a fault of the disk itself a later start may still find
    /// the verdict written, so a caller decides anew rather than repeat the same verdict.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A verdict was written, and survives a power cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The cuts it made, with their numbers, in order. Whoever follows the cuts has been told of them.
    pub cuts: Vec<Cut>,
}

/// Whose facts an authorization request or a page needs.
#[derive(Clone, Debug, Default)]
pub struct BrowserAsk {
    /// The client, if one is named.
    pub client: Option<ClientId>,
    /// The session the cookie names, and the digest of the cookie.
    pub session: Option<(SessionId, Digest)>,
    /// What stands for the form's one-time ticket.
    pub ticket: Option<Digest>,
}

/// Whose facts are needed when somebody comes back from a provider.
#[derive(Clone, Debug)]
pub struct ArrivalAsk {
    /// The provider.
    pub issuer: String,
    /// The person there.
    pub subject: String,
    /// Their verified address.
    pub email: Option<String>,
    /// The names that may be given to a new account, as [`account_key`](portcullis_rules::model::account_key) spells
    /// them.
    pub names: Vec<String>,
    /// What stands for the handle of their way out; none for a trial.
    pub handoff: Option<Digest>,
    /// When: a handoff that is over is none.
    pub at: UnixTime,
}

/// What a sweep forgot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Values that might be used once, whose time is over.
    pub spent: u64,
    /// Codes long expired.
    pub codes: u64,
    /// Sessions that ended by themselves.
    pub sessions: u64,
    /// Clients nobody used.
    pub clients: u64,
    /// Cuts that no living token can be older than.
    pub cuts: u64,
    /// Sealed successors that may no longer be handed out again.
    pub sealed: u64,
    /// Questions to people, answered or not, whose time is over.
    pub approvals: u64,
    /// Tools that have not been listed for long.
    pub tools: u64,
    /// What was used of windows that are over.
    pub uses: u64,
    /// People on the way to a provider whose time is over.
    pub handoffs: u64,
}

impl Swept {
    /// Whether a batch was full, so that another sweep has something left to do.
    pub fn more(&self) -> bool {
        [self.spent, self.codes, self.sessions, self.clients, self.cuts, self.sealed]
            .into_iter()
            .chain([self.approvals, self.tools, self.uses, self.handoffs])
            .any(|count| count >= SWEEP_BATCH)
    }
}

/// The most rows of one kind that a single sweep forgets.
pub const SWEEP_BATCH: u64 = 500;

/// The most entries of the audit trail that a single sweep removes.
pub const AUDIT_BATCH: u64 = 2000;

/// A code is remembered this long after it expired, so that a second redemption is still known for one
/// (RFC 6749 §4.1.2).
pub const CODE_MEMORY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// A question is remembered this long after it was over: longer than a "no" counts, and no longer than is of use, since
/// it holds what the person was shown.
pub const APPROVAL_MEMORY: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Where the records are kept. Used as `Arc<dyn Store>`.
///
/// Facts of one call come from one snapshot, begun after the call and showing durable states only. Ids and
/// spellings are compared byte for byte; digests that came from outside in constant time.
pub trait Store: Send + Sync + 'static {
    /// Has `follower` told of every cut from now on, once it is durable and before whoever made it is answered. The
    /// store tells it, not the caller: a caller that goes away while it waits must not take a revocation with it.
    /// Called once, before the first commit; a later call changes nothing.
    fn follow_cuts(&self, follower: CutFollower);

    /// Facts for an authorization request and its pages. The session is there only if its row exists and holds
    /// that very digest, and its person exists; whether it expired is for the rule. The grants are that person's
    /// live grants of that client, oldest first.
    fn browser_facts(&self, ask: BrowserAsk) -> Answer<'_, BrowserFacts>;

    /// Facts for signing in. `key` is [`account_key`](portcullis_rules::model::account_key) of the name.
    fn sign_in_facts(&self, key: String, ticket: Digest) -> Answer<'_, SignInFacts>;

    /// Facts for redeeming a code: `client` is the one that presents it, `assertion` stands for its assertion's
    /// one use (RFC 7523 §3).
    fn code_facts(&self, code: CodeId, client: ClientId, assertion: Option<Digest>) -> Answer<'_, CodeFacts>;

    /// Facts for what concerns one grant: `client` is the one that asks, not necessarily the grant's.
    fn grant_facts(
        &self,
        grant: GrantId,
        client: Option<ClientId>,
        assertion: Option<Digest>,
    ) -> Answer<'_, GrantFacts>;

    /// Facts for a machine's token: its grant at exactly this resource, live or suspended.
    fn machine_facts(
        &self,
        client: ClientId,
        resource: Resource,
        assertion: Option<Digest>,
    ) -> Answer<'_, MachineFacts>;

    /// Facts for the first account and for a reset; the link is there only if it has this number.
    fn setup_facts(&self, number: Option<u64>) -> Answer<'_, SetupFacts>;

    /// One client.
    fn client(&self, id: ClientId) -> Answer<'_, Option<Client>>;

    /// One account.
    fn user(&self, id: UserId) -> Answer<'_, Option<User>>;

    /// The account found under a key ([`account_key`](portcullis_rules::model::account_key)).
    fn user_by_key(&self, key: String) -> Answer<'_, Option<User>>;

    /// Every account, by key.
    fn users(&self) -> Answer<'_, Vec<User>>;

    /// Clients, newest first; of one origin only, if named.
    fn clients(&self, origin: Option<Origin>, most: usize) -> Answer<'_, Vec<Client>>;

    /// Agents, newest first.
    fn agents(&self, query: AgentQuery) -> Answer<'_, Vec<AgentRow>>;

    /// Facts for asking whether a call may go: the agent, its person, and its questions about that very call (`call` is
    /// what stands for it) that were not spent; how many of its questions are open is as of `at`.
    fn ask_facts(&self, grant: GrantId, call: Digest, at: UnixTime) -> Answer<'_, AskFacts>;

    /// One question to a person, with its agent, client and person; all of it empty if there is no such question.
    fn approval(&self, id: ApprovalId) -> Answer<'_, ApprovalRow>;

    /// Questions to people, newest first.
    fn approvals(&self, query: ApprovalQuery) -> Answer<'_, Vec<ApprovalRow>>;

    /// What is remembered of the tools of exactly this resource.
    fn tools(&self, resource: Resource) -> Answer<'_, ToolBook>;

    /// What was used of durable windows that began at `since` or later, oldest first.
    fn uses(&self, since: UnixTime) -> Answer<'_, Vec<Used>>;

    /// Facts for making a personal token; the living ones are counted as of `at`.
    fn personal_facts(&self, user: UserId, at: UnixTime) -> Answer<'_, PersonalFacts>;

    /// Every provider that was ever configured, by issuer.
    fn providers(&self) -> Answer<'_, Vec<Provider>>;

    /// What is remembered of somebody on the way to a provider, over or not.
    fn handoff(&self, digest: Digest) -> Answer<'_, Option<Handoff>>;

    /// Facts for somebody who comes back from a provider.
    fn arrival_facts(&self, ask: ArrivalAsk) -> Answer<'_, ArrivalFacts>;

    /// Facts for tying an account to somebody at a provider.
    fn link_facts(&self, user: UserId, to: ProviderLink) -> Answer<'_, LinkFacts>;

    /// Every signing key, oldest first.
    fn keys(&self) -> Answer<'_, Vec<KeyRecord>>;

    /// The counter, and the cuts made at `since` or later, by number.
    fn cuts(&self, since: UnixTime) -> Answer<'_, (u64, Vec<Cut>)>;

    /// The newest events of the audit trail, newest first.
    fn events(&self, most: usize) -> Answer<'_, Vec<Event>> {
        let rows = self.audit(AuditQuery { most, ..AuditQuery::default() });
        Box::pin(async move { Ok(rows.await?.into_iter().filter_map(crate::audit::event).collect()) })
    }

    /// Rows of the audit trail, as they stand: also those that were tampered with.
    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRow>>;

    /// What the audit trail knows of a person that [`Write::ErasePerson`] would erase, oldest first: at most `most` rows
    /// after the row of number `after`.
    fn personal(&self, user: UserId, after: u64, most: usize) -> Answer<'_, Vec<AuditRow>> {
        self.audit(AuditQuery {
            user: Some(user),
            personal: true,
            after_seq: Some(after),
            newest_first: false,
            most,
            ..AuditQuery::default()
        })
    }

    /// How far the chain of the audit trail reaches.
    fn audit_head(&self) -> Answer<'_, Head>;

    /// After which entry it is kept: number 0, as long as nothing was removed.
    fn audit_start(&self) -> Answer<'_, Head>;

    /// Checkpoints about the entry `from` and later ones, in their order.
    fn checkpoints(&self, from: u64, most: usize) -> Answer<'_, Vec<Checkpoint>>;

    /// Removes the oldest entries of the audit trail that need not be kept, with what is personal about them, as far as a
    /// checkpoint reaches: without one, nothing goes. At most [`AUDIT_BATCH`] at a time; how many. What is about to go is
    /// no longer shown.
    fn sweep_audit(&self, keep: AuditKeep) -> Answer<'_, u64>;

    /// Writes a verdict, all or nothing; durable when it answers. The work begins with the call, not with the
    /// first poll, so that a caller can sign while it waits; and a dropped answer undoes nothing.
    fn commit(&self, expects: Vec<Expect>, writes: Vec<Write>) -> Commit<'_>;

    /// Forgets what no decision needs any more: used one-time values past their time, codes [`CODE_MEMORY`]
    /// after they expired, expired sessions, clients past `expires_at` without a grant that has not ended,
    /// beyond `most_unused_clients` the oldest of those not entered by an administrator and without such a
    /// grant, cuts made before `oldest_cut`, sealed successors past their grace, questions to people
    /// [`APPROVAL_MEMORY`] after they were over, tools not listed for long, what was used of windows long
    /// over, and people on the way to a provider whose time is over. At most [`SWEEP_BATCH`] of
    /// each kind.
    fn sweep(&self, now: UnixTime, oldest_cut: UnixTime, most_unused_clients: u64) -> Answer<'_, Swept>;
}
