//! The reference model: every record in one process's memory, behind one lock.
//!
//! It is what the other stores are compared with in tests, and is never offered to users: nothing in it survives
//! the process. Plain and slow on purpose; a commit works on a copy and puts it in place when all of it held.

mod audit;
mod commit;
mod facts;
mod providers;
mod records;

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use portcullis_rules::approve::Approval;
use portcullis_rules::audit::{AuditKeep, AuditQuery, AuditRow, Checkpoint, Head};
use portcullis_rules::budget::Used;
use portcullis_rules::facts::{
    AgentQuery, AgentRow, ApprovalQuery, ApprovalRow, AskFacts, BrowserFacts, CodeFacts, GrantFacts,
    MachineFacts, PersonalFacts, SetupFacts, SignInFacts, ToolBook,
};
use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider, ProviderLink};
use portcullis_rules::model::{
    Client, Code, Cut, Grant, KeyRecord, Origin, Session, SetupLink, User, account_key,
};
use portcullis_rules::tools::Tool;
use portcullis_rules::verdict::{Expect, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;

use crate::contract::{
    Answer, ArrivalAsk, BrowserAsk, Commit, CommitError, Committed, CutFollower, Store, Swept,
};

/// All records.
#[derive(Clone, Debug, Default)]
struct State {
    /// In the order they were entered.
    clients: Vec<Client>,
    users: BTreeMap<UserId, User>,
    sessions: BTreeMap<SessionId, Session>,
    codes: BTreeMap<CodeId, Code>,
    grants: BTreeMap<GrantId, Grant>,
    spent: BTreeMap<Digest, UnixTime>,
    link: Option<SetupLink>,
    keys: BTreeMap<String, KeyRecord>,
    counter: u64,
    cuts: Vec<Cut>,
    trail: audit::Trail,
    approvals: BTreeMap<ApprovalId, Approval>,
    books: BTreeMap<String, UnixTime>,
    tools: BTreeMap<(String, String), Tool>,
    uses: BTreeMap<(UnixTime, Digest), u32>,
    providers: BTreeMap<String, Provider>,
    /// In the order they were made.
    handoffs: Vec<Handoff>,
}

/// The reference model of the store contract, for tests only.
#[derive(Default)]
pub struct Memory(Mutex<State>, OnceLock<CutFollower>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory(…)")
    }
}

/// An empty reference model, for tests only: nothing in it survives the process.
pub fn memory() -> Memory {
    Memory::default()
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        // A commit replaces the state in one step, so what a panicking thread left behind is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell<T: Send + 'static>(&self, read: impl FnOnce(&State) -> T) -> Answer<'_, T> {
        let told = read(&self.state());
        Box::pin(ready(Ok(told)))
    }
}

impl Store for Memory {
    fn follow_cuts(&self, follower: CutFollower) {
        let _ = self.1.set(follower);
    }

    fn browser_facts(&self, ask: BrowserAsk) -> Answer<'_, BrowserFacts> {
        self.tell(|state| state.browser_facts(&ask))
    }

    fn sign_in_facts(&self, key: String, ticket: Digest) -> Answer<'_, SignInFacts> {
        self.tell(|state| SignInFacts {
            user: state.user_by_key(&key),
            spent: state.spent.contains_key(&ticket),
        })
    }

    fn code_facts(&self, code: CodeId, client: ClientId, assertion: Option<Digest>) -> Answer<'_, CodeFacts> {
        self.tell(|state| state.code_facts(code, &client, assertion))
    }

    fn grant_facts(
        &self,
        grant: GrantId,
        client: Option<ClientId>,
        assertion: Option<Digest>,
    ) -> Answer<'_, GrantFacts> {
        self.tell(|state| state.grant_facts(grant, client.as_ref(), assertion))
    }

    fn machine_facts(
        &self,
        client: ClientId,
        resource: Resource,
        assertion: Option<Digest>,
    ) -> Answer<'_, MachineFacts> {
        self.tell(|state| state.machine_facts(&client, &resource, assertion))
    }

    fn setup_facts(&self, number: Option<u64>) -> Answer<'_, SetupFacts> {
        self.tell(|state| state.setup_facts(number))
    }

    fn client(&self, id: ClientId) -> Answer<'_, Option<Client>> {
        self.tell(|state| state.client(&id).cloned())
    }

    fn user(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.tell(|state| state.person(id))
    }

    fn user_by_key(&self, key: String) -> Answer<'_, Option<User>> {
        self.tell(|state| state.user_by_key(&key))
    }

    fn users(&self) -> Answer<'_, Vec<User>> {
        self.tell(|state| {
            let mut users: Vec<User> = state.users.values().map(|user| state.seen(user)).collect();
            users.sort_by_key(|user| account_key(&user.name));
            users
        })
    }

    fn clients(&self, origin: Option<Origin>, most: usize) -> Answer<'_, Vec<Client>> {
        self.tell(|state| {
            let named = |client: &&Client| origin.is_none_or(|origin| client.origin == origin);
            state.clients.iter().rev().filter(named).take(most).cloned().collect()
        })
    }

    fn agents(&self, query: AgentQuery) -> Answer<'_, Vec<AgentRow>> {
        self.tell(|state| state.agents(&query))
    }

    fn ask_facts(&self, grant: GrantId, call: Digest, at: UnixTime) -> Answer<'_, AskFacts> {
        self.tell(|state| state.ask_facts(grant, &call, at))
    }

    fn approval(&self, id: ApprovalId) -> Answer<'_, ApprovalRow> {
        self.tell(|state| state.approval(id))
    }

    fn approvals(&self, query: ApprovalQuery) -> Answer<'_, Vec<ApprovalRow>> {
        self.tell(|state| state.approvals(&query))
    }

    fn tools(&self, resource: Resource) -> Answer<'_, ToolBook> {
        self.tell(|state| state.book(&resource))
    }

    fn uses(&self, since: UnixTime) -> Answer<'_, Vec<Used>> {
        self.tell(|state| state.uses(since))
    }

    fn personal_facts(&self, user: UserId, at: UnixTime) -> Answer<'_, PersonalFacts> {
        self.tell(|state| state.personal_facts(user, at))
    }

    fn providers(&self) -> Answer<'_, Vec<Provider>> {
        self.tell(|state| state.providers.values().cloned().collect())
    }

    fn handoff(&self, digest: Digest) -> Answer<'_, Option<Handoff>> {
        self.tell(|state| state.handoffs.iter().find(|row| row.digest == digest).cloned())
    }

    fn arrival_facts(&self, ask: ArrivalAsk) -> Answer<'_, ArrivalFacts> {
        self.tell(|state| state.arrival_facts(&ask))
    }

    fn link_facts(&self, user: UserId, to: ProviderLink) -> Answer<'_, LinkFacts> {
        self.tell(|state| state.link_facts(user, &to))
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRecord>> {
        self.tell(|state| {
            let mut keys: Vec<KeyRecord> = state.keys.values().cloned().collect();
            keys.sort_by_key(|key| key.created_at);
            keys
        })
    }

    fn cuts(&self, since: UnixTime) -> Answer<'_, (u64, Vec<Cut>)> {
        self.tell(|state| (state.counter, state.cuts.iter().filter(|cut| cut.at >= since).cloned().collect()))
    }

    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRow>> {
        self.tell(|state| state.trail.rows(&query))
    }

    fn audit_head(&self) -> Answer<'_, Head> {
        self.tell(|state| state.trail.head())
    }

    fn audit_start(&self) -> Answer<'_, Head> {
        self.tell(|state| state.trail.start())
    }

    fn checkpoints(&self, from: u64, most: usize) -> Answer<'_, Vec<Checkpoint>> {
        self.tell(|state| state.trail.checkpoints(from, most))
    }

    fn sweep_audit(&self, keep: AuditKeep) -> Answer<'_, u64> {
        let gone = self.state().trail.sweep(&keep);
        Box::pin(ready(Ok(gone)))
    }

    fn commit(&self, expects: Vec<Expect>, writes: Vec<Write>) -> Commit<'_> {
        let mut state = self.state();
        let mut after = state.clone();
        let answer = match after.commit(&expects, &writes) {
            Some(cuts) => {
                *state = after;
                if let Some(follower) = self.1.get().filter(|_| !cuts.is_empty()) {
                    follower(&cuts);
                }
                Ok(Committed { cuts })
            }
            None => Err(CommitError::Conflict),
        };
        drop(state);
        Box::pin(ready(answer))
    }

    fn sweep(&self, now: UnixTime, oldest_cut: UnixTime, most_unused_clients: u64) -> Answer<'_, Swept> {
        let swept = self.state().sweep(now, oldest_cut, most_unused_clients);
        Box::pin(ready(Ok(swept)))
    }
}
