//! SQLite, the embedded default.
//!
//! One thread owns the one connection that writes: it gathers the verdicts that wait and commits them together,
//! each in a savepoint of its own, so that a conflict undoes that one alone. A few read-only connections answer
//! questions, each in one short read transaction on the caller's own thread: the file is expected to fit in
//! memory, and a hop to another thread would cost more than the read.

mod approvals;
mod audit;
mod blocks;
mod enter;
mod expect;
mod open;
mod providers;
mod read;
mod rows;
mod sweep;
mod tools;
mod words;
mod write;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_rules::audit::{AuditKeep, AuditQuery, AuditRow, Checkpoint, Head};
use portcullis_rules::budget::Used;
use portcullis_rules::facts::{
    AgentQuery, AgentRow, ApprovalQuery, ApprovalRow, AskFacts, BrowserFacts, CodeFacts, GrantFacts,
    MachineFacts, PersonalFacts, SetupFacts, SignInFacts, ToolBook,
};
use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider, ProviderLink};
use portcullis_rules::model::{Client, Cut, KeyRecord, Origin, User};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, CodeId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::audit::Salts;
use crate::contract::{
    Answer, ArrivalAsk, BrowserAsk, Commit, CommitError, CutFollower, Store, StoreError, Swept,
};

pub use open::OpenError;

/// Read-only connections, unless set otherwise.
pub const READERS: usize = 3;

/// Verdicts that may wait for the writer; one more is [`StoreError::Busy`].
pub const QUEUE: usize = 4096;

/// How long a connection waits for another process that holds the file.
pub const BUSY: Duration = Duration::from_secs(5);

/// What an owner, or a test, may set about the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// Read-only connections; at least one.
    pub readers: usize,
    /// Verdicts that may wait; at least one.
    pub queue: usize,
    /// How long to wait for another process that holds the file.
    pub busy_timeout: Duration,
    /// The most pages (of 4096 bytes) the file may have; `None` leaves it to the disk.
    pub max_pages: Option<u32>,
    /// Where the salts of the audit trail come from.
    pub salts: Salts,
}

impl Options {
    /// The usual ones. There is no usual source of salts: it has to be named.
    pub const fn new(salts: Salts) -> Self {
        Self { readers: READERS, queue: QUEUE, busy_timeout: BUSY, max_pages: None, salts }
    }
}

/// A store in one SQLite file. Dropping it waits until what was sent is written.
pub struct Sqlite {
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    follower: Arc<OnceLock<CutFollower>>,
    jobs: Option<mpsc::Sender<writer::Job>>,
    writer: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("readers", &self.readers.len()).finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the database at `path`, making it (readable by its owner alone) if it is not there, and brings its
    /// schema up to date. The directory must exist.
    ///
    /// # Errors
    /// [`OpenError`], by cause; a database that a newer version wrote is left untouched.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let connection = open::writer(path, &options)?;
        let readers = (0..options.readers.max(1))
            .map(|_| open::reader(path, &options).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        let (jobs, waiting) = mpsc::channel(options.queue.max(1));
        let follower = Arc::new(OnceLock::new());
        let writer = writer::start(path.to_owned(), options, connection, waiting, Arc::clone(&follower))?;
        Ok(Self { readers, follower, turn: AtomicUsize::new(0), jobs: Some(jobs), writer: Some(writer) })
    }

    /// Runs `read` in one read transaction of one connection, which ends before this returns.
    fn snapshot<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let free = (0..self.readers.len())
            .find_map(|step| self.readers[(first + step) % self.readers.len()].try_lock().ok());
        let mut connection = match free {
            Some(connection) => connection,
            // A transaction of a thread that panicked was rolled back while it unwound.
            None => self.readers[first % self.readers.len()].lock().unwrap_or_else(PoisonError::into_inner),
        };
        let transaction = connection.transaction().map_err(|error| open::fault(&error))?;
        read(&transaction).map_err(|error| open::fault(&error))
    }

    fn tell<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move { self.snapshot(read) })
    }

    fn send(&self, job: writer::Job) -> Result<(), StoreError> {
        let Some(jobs) = &self.jobs else { return Err(stopped()) };
        jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })
    }
}

fn stopped() -> StoreError {
    StoreError::Broken("the writer has stopped".to_owned())
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // The writer's connection closes last, so that it folds the log into the database.
        self.readers.clear();
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has already been told of: its callers were answered `Broken`.
            let _ = writer.join();
        }
    }
}

impl Store for Sqlite {
    fn follow_cuts(&self, follower: CutFollower) {
        let _ = self.follower.set(follower);
    }

    fn browser_facts(&self, ask: BrowserAsk) -> Answer<'_, BrowserFacts> {
        self.tell(move |c| read::browser_facts(c, &ask))
    }

    fn sign_in_facts(&self, key: String, ticket: Digest) -> Answer<'_, SignInFacts> {
        self.tell(move |c| {
            Ok(SignInFacts { user: read::user_by_key(c, &key)?, spent: read::was_spent(c, Some(&ticket))? })
        })
    }

    fn code_facts(&self, code: CodeId, client: ClientId, assertion: Option<Digest>) -> Answer<'_, CodeFacts> {
        self.tell(move |c| read::code_facts(c, code, &client, assertion.as_ref()))
    }

    fn grant_facts(
        &self,
        grant: GrantId,
        client: Option<ClientId>,
        assertion: Option<Digest>,
    ) -> Answer<'_, GrantFacts> {
        self.tell(move |c| read::grant_facts(c, grant, client.as_ref(), assertion.as_ref()))
    }

    fn machine_facts(
        &self,
        client: ClientId,
        resource: Resource,
        assertion: Option<Digest>,
    ) -> Answer<'_, MachineFacts> {
        self.tell(move |c| read::machine_facts(c, &client, &resource, assertion.as_ref()))
    }

    fn setup_facts(&self, number: Option<u64>) -> Answer<'_, SetupFacts> {
        self.tell(move |c| read::setup_facts(c, number))
    }

    fn client(&self, id: ClientId) -> Answer<'_, Option<Client>> {
        self.tell(move |c| read::client(c, &id))
    }

    fn user(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.tell(move |c| read::user(c, id))
    }

    fn user_by_key(&self, key: String) -> Answer<'_, Option<User>> {
        self.tell(move |c| read::user_by_key(c, &key))
    }

    fn users(&self) -> Answer<'_, Vec<User>> {
        self.tell(read::users)
    }

    fn clients(&self, origin: Option<Origin>, most: usize) -> Answer<'_, Vec<Client>> {
        self.tell(move |c| read::clients(c, origin, most))
    }

    fn agents(&self, query: AgentQuery) -> Answer<'_, Vec<AgentRow>> {
        self.tell(move |c| read::agents(c, &query))
    }

    fn ask_facts(&self, grant: GrantId, call: Digest, at: UnixTime) -> Answer<'_, AskFacts> {
        self.tell(move |c| approvals::ask_facts(c, grant, &call, at))
    }

    fn approval(&self, id: ApprovalId) -> Answer<'_, ApprovalRow> {
        self.tell(move |c| approvals::row(c, id))
    }

    fn approvals(&self, query: ApprovalQuery) -> Answer<'_, Vec<ApprovalRow>> {
        self.tell(move |c| approvals::list(c, &query))
    }

    fn tools(&self, resource: Resource) -> Answer<'_, ToolBook> {
        self.tell(move |c| tools::book(c, &resource))
    }

    fn uses(&self, since: UnixTime) -> Answer<'_, Vec<Used>> {
        self.tell(move |c| tools::uses(c, since))
    }

    fn personal_facts(&self, user: UserId, at: UnixTime) -> Answer<'_, PersonalFacts> {
        self.tell(move |c| read::personal_facts(c, user, at))
    }

    fn providers(&self) -> Answer<'_, Vec<Provider>> {
        self.tell(providers::list)
    }

    fn handoff(&self, digest: Digest) -> Answer<'_, Option<Handoff>> {
        self.tell(move |c| providers::handoff(c, &digest))
    }

    fn arrival_facts(&self, ask: ArrivalAsk) -> Answer<'_, ArrivalFacts> {
        self.tell(move |c| providers::arrival_facts(c, &ask))
    }

    fn link_facts(&self, user: UserId, to: ProviderLink) -> Answer<'_, LinkFacts> {
        self.tell(move |c| providers::link_facts(c, user, &to))
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRecord>> {
        self.tell(read::keys)
    }

    fn cuts(&self, since: UnixTime) -> Answer<'_, (u64, Vec<Cut>)> {
        self.tell(move |c| Ok((read::counter(c)?, read::cuts(c, since)?)))
    }

    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRow>> {
        self.tell(move |c| audit::rows(c, &query))
    }

    fn audit_head(&self) -> Answer<'_, Head> {
        self.tell(audit::head)
    }

    fn audit_start(&self) -> Answer<'_, Head> {
        self.tell(audit::start)
    }

    fn checkpoints(&self, from: u64, most: usize) -> Answer<'_, Vec<Checkpoint>> {
        self.tell(move |c| audit::checkpoints(c, from, most))
    }

    fn sweep_audit(&self, keep: AuditKeep) -> Answer<'_, u64> {
        let (answer, told) = oneshot::channel();
        let sent = self.send(writer::Job::SweepAudit { keep, answer });
        Box::pin(async move {
            sent?;
            told.await.unwrap_or_else(|_| Err(stopped()))
        })
    }

    fn commit(&self, expects: Vec<Expect>, writes: Vec<Write>) -> Commit<'_> {
        let (answer, told) = oneshot::channel();
        let sent = self.send(writer::Job::Commit { expects, writes, answer });
        Box::pin(async move {
            sent?;
            told.await.unwrap_or_else(|_| Err(CommitError::Store(stopped())))
        })
    }

    fn sweep(&self, now: UnixTime, oldest_cut: UnixTime, most_unused_clients: u64) -> Answer<'_, Swept> {
        let (answer, told) = oneshot::channel();
        let limits = sweep::Limits { now, oldest_cut, most_unused_clients };
        let sent = self.send(writer::Job::Sweep { limits, answer });
        Box::pin(async move {
            sent?;
            told.await.unwrap_or_else(|_| Err(stopped()))
        })
    }
}
