//! A store behind a gate: its reads and commits can be made to fail, and commits to wait at the door.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use portcullis_rules::audit::{AuditKeep, AuditQuery, AuditRow, Checkpoint, Head};
use portcullis_rules::budget::Used;
use portcullis_rules::facts::{
    AgentQuery, AgentRow, ApprovalQuery, ApprovalRow, AskFacts, BrowserFacts, CodeFacts, GrantFacts,
    MachineFacts, PersonalFacts, SetupFacts, SignInFacts, ToolBook,
};
use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider, ProviderLink};
use portcullis_rules::model::{Client, Cut, KeyRecord, Origin, User};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::{Answer, ArrivalAsk, BrowserAsk, Commit, CommitError, Store, StoreError, Swept};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, CodeId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use tokio::sync::Semaphore;

/// Which commits wait.
type Picks = Box<dyn Fn(&[Write]) -> bool + Send + Sync>;

/// The store of a test.
pub struct Sluice {
    inner: Arc<dyn Store>,
    reads_fail: AtomicBool,
    commits_fail: Mutex<Option<CommitError>>,
    held: Mutex<Option<Picks>>,
    arrived: Semaphore,
    gate: Semaphore,
    commits: AtomicUsize,
}

impl Sluice {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            reads_fail: AtomicBool::new(false),
            commits_fail: Mutex::new(None),
            held: Mutex::new(None),
            arrived: Semaphore::new(0),
            gate: Semaphore::new(0),
            commits: AtomicUsize::new(0),
        }
    }

    /// Every question is answered by a fault of ours.
    pub fn break_reads(&self, broken: bool) {
        self.reads_fail.store(broken, Ordering::SeqCst);
    }

    /// Every commit is answered by this.
    pub fn break_commits(&self, error: Option<CommitError>) {
        *self.commits_fail.lock().unwrap() = error;
    }

    /// The next commit that `picks` stops at the door; those after it pass.
    pub fn hold(&self, picks: impl Fn(&[Write]) -> bool + Send + Sync + 'static) {
        *self.held.lock().unwrap() = Some(Box::new(picks));
    }

    /// Waits until the held commit stands at the door: its facts are read and its verdict is made.
    pub async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets it in.
    pub fn release(&self) {
        self.gate.add_permits(1);
    }

    /// How many commits there were.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    fn read<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        if self.reads_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Broken("canary-store-fault".to_owned())) });
        }
        answer
    }
}

impl Store for Sluice {
    fn follow_cuts(&self, follower: portcullis_store::CutFollower) {
        self.inner.follow_cuts(follower);
    }

    fn browser_facts(&self, ask: BrowserAsk) -> Answer<'_, BrowserFacts> {
        self.read(self.inner.browser_facts(ask))
    }
    fn sign_in_facts(&self, key: String, ticket: Digest) -> Answer<'_, SignInFacts> {
        self.read(self.inner.sign_in_facts(key, ticket))
    }
    fn code_facts(&self, code: CodeId, client: ClientId, assertion: Option<Digest>) -> Answer<'_, CodeFacts> {
        self.read(self.inner.code_facts(code, client, assertion))
    }
    fn grant_facts(
        &self,
        grant: GrantId,
        client: Option<ClientId>,
        assertion: Option<Digest>,
    ) -> Answer<'_, GrantFacts> {
        self.read(self.inner.grant_facts(grant, client, assertion))
    }
    fn machine_facts(
        &self,
        client: ClientId,
        resource: Resource,
        assertion: Option<Digest>,
    ) -> Answer<'_, MachineFacts> {
        self.read(self.inner.machine_facts(client, resource, assertion))
    }
    fn setup_facts(&self, number: Option<u64>) -> Answer<'_, SetupFacts> {
        self.read(self.inner.setup_facts(number))
    }
    fn client(&self, id: ClientId) -> Answer<'_, Option<Client>> {
        self.read(self.inner.client(id))
    }
    fn user(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.read(self.inner.user(id))
    }
    fn user_by_key(&self, key: String) -> Answer<'_, Option<User>> {
        self.read(self.inner.user_by_key(key))
    }
    fn users(&self) -> Answer<'_, Vec<User>> {
        self.read(self.inner.users())
    }
    fn clients(&self, origin: Option<Origin>, most: usize) -> Answer<'_, Vec<Client>> {
        self.read(self.inner.clients(origin, most))
    }
    fn agents(&self, query: AgentQuery) -> Answer<'_, Vec<AgentRow>> {
        self.read(self.inner.agents(query))
    }
    fn ask_facts(&self, grant: GrantId, call: Digest, at: UnixTime) -> Answer<'_, AskFacts> {
        self.read(self.inner.ask_facts(grant, call, at))
    }
    fn providers(&self) -> Answer<'_, Vec<Provider>> {
        self.read(self.inner.providers())
    }
    fn handoff(&self, digest: Digest) -> Answer<'_, Option<Handoff>> {
        self.read(self.inner.handoff(digest))
    }
    fn arrival_facts(&self, ask: ArrivalAsk) -> Answer<'_, ArrivalFacts> {
        self.read(self.inner.arrival_facts(ask))
    }
    fn link_facts(&self, user: UserId, to: ProviderLink) -> Answer<'_, LinkFacts> {
        self.read(self.inner.link_facts(user, to))
    }
    fn approval(&self, id: ApprovalId) -> Answer<'_, ApprovalRow> {
        self.read(self.inner.approval(id))
    }
    fn approvals(&self, query: ApprovalQuery) -> Answer<'_, Vec<ApprovalRow>> {
        self.read(self.inner.approvals(query))
    }
    fn tools(&self, resource: Resource) -> Answer<'_, ToolBook> {
        self.read(self.inner.tools(resource))
    }
    fn uses(&self, since: UnixTime) -> Answer<'_, Vec<Used>> {
        self.read(self.inner.uses(since))
    }
    fn personal_facts(&self, user: UserId, at: UnixTime) -> Answer<'_, PersonalFacts> {
        self.read(self.inner.personal_facts(user, at))
    }
    fn keys(&self) -> Answer<'_, Vec<KeyRecord>> {
        self.read(self.inner.keys())
    }
    fn cuts(&self, since: UnixTime) -> Answer<'_, (u64, Vec<Cut>)> {
        self.read(self.inner.cuts(since))
    }
    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRow>> {
        self.read(self.inner.audit(query))
    }
    fn audit_head(&self) -> Answer<'_, Head> {
        self.read(self.inner.audit_head())
    }
    fn audit_start(&self) -> Answer<'_, Head> {
        self.read(self.inner.audit_start())
    }
    fn checkpoints(&self, from: u64, most: usize) -> Answer<'_, Vec<Checkpoint>> {
        self.read(self.inner.checkpoints(from, most))
    }
    fn sweep_audit(&self, keep: AuditKeep) -> Answer<'_, u64> {
        self.inner.sweep_audit(keep)
    }

    fn commit(&self, expects: Vec<Expect>, writes: Vec<Write>) -> Commit<'_> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.commits_fail.lock().unwrap().clone() {
            return Box::pin(async { Err(error) });
        }
        let mut held = self.held.lock().unwrap();
        if held.as_ref().is_some_and(|picks| picks(&writes)) {
            *held = None;
            return Box::pin(async move {
                self.arrived.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
                self.inner.commit(expects, writes).await
            });
        }
        self.inner.commit(expects, writes)
    }

    fn sweep(&self, now: UnixTime, oldest_cut: UnixTime, most_unused_clients: u64) -> Answer<'_, Swept> {
        self.inner.sweep(now, oldest_cut, most_unused_clients)
    }
}
