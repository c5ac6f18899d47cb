//! The one writer: block on the first verdict, work as long as more are waiting, commit once, then answer.
//!
//! Answers *and conflicts* leave only after the commit: whoever is told of a conflict reads again, and must then
//! see what it collided with. Cuts are told to their follower in between: durable, and not yet answered. There is no timer; the time a commit takes is what gathers the next group.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use portcullis_rules::audit::AuditKeep;
use portcullis_rules::model::Cut;
use portcullis_rules::verdict::{Expect, Write};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::Options;
use super::audit::{self, Trail};
use super::blocks::Noted;
use super::open::{self, OpenError, fault};
use super::sweep::{self, Limits, Place};
use super::write::{self, Stop};
use crate::contract::{CommitError, Committed, CutFollower, StoreError, Swept};

/// The most verdicts that are committed together.
const GROUP: usize = 512;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Job {
    Commit {
        expects: Vec<Expect>,
        writes: Vec<Write>,
        answer: oneshot::Sender<Result<Committed, CommitError>>,
    },
    Sweep {
        limits: Limits,
        answer: oneshot::Sender<Result<Swept, StoreError>>,
    },
    SweepAudit {
        keep: AuditKeep,
        answer: oneshot::Sender<Result<u64, StoreError>>,
    },
}

/// What was done, to be told once the group is durable.
enum Done {
    /// `None` is a conflict.
    Commit(oneshot::Sender<Result<Committed, CommitError>>, Option<Vec<Cut>>),
    Sweep(oneshot::Sender<Result<Swept, StoreError>>, Swept),
    SweepAudit(oneshot::Sender<Result<u64, StoreError>>, u64),
}

impl Done {
    /// Tells the caller, who may have gone away.
    fn tell(self, group: &Result<(), StoreError>) {
        match self {
            Self::Commit(answer, cuts) => {
                let told = match (group, cuts) {
                    (Err(error), _) => Err(CommitError::Store(error.clone())),
                    (Ok(()), None) => Err(CommitError::Conflict),
                    (Ok(()), Some(cuts)) => Ok(Committed { cuts }),
                };
                let _ = answer.send(told);
            }
            Self::Sweep(answer, swept) => {
                let _ = answer.send(group.clone().map(|()| swept));
            }
            Self::SweepAudit(answer, gone) => {
                let _ = answer.send(group.clone().map(|()| gone));
            }
        }
    }
}

impl Job {
    /// The same, with nothing done.
    fn undone(self) -> Done {
        match self {
            Self::Commit { answer, .. } => Done::Commit(answer, None),
            Self::Sweep { answer, .. } => Done::Sweep(answer, Swept::default()),
            Self::SweepAudit { answer, .. } => Done::SweepAudit(answer, 0),
        }
    }

    /// Does it in a savepoint. A conflict undoes that savepoint; a fault is for the whole group.
    fn run(self, c: &Connection, place: &mut Place, trail: &mut Trail<'_>) -> (Done, Result<(), StoreError>) {
        match self {
            Self::Commit { expects, writes, answer } => {
                let mark = trail.mark();
                match in_savepoint(c, |c| write::apply(c, &expects, &writes, trail)) {
                    Ok(cuts) => (Done::Commit(answer, Some(cuts)), Ok(())),
                    Err(Stop::Conflict) => {
                        trail.back_to(mark);
                        (Done::Commit(answer, None), Ok(()))
                    }
                    Err(Stop::Fault(error)) => (Done::Commit(answer, None), Err(fault(&error))),
                }
            }
            Self::Sweep { limits, answer } => match sweep::sweep(c, &limits, place) {
                Ok(swept) => (Done::Sweep(answer, swept), Ok(())),
                Err(error) => (Done::Sweep(answer, Swept::default()), Err(fault(&error))),
            },
            Self::SweepAudit { keep, answer } => match audit::sweep(c, &keep) {
                Ok(gone) => (Done::SweepAudit(answer, gone), Ok(())),
                Err(error) => (Done::SweepAudit(answer, 0), Err(fault(&error))),
            },
        }
    }
}

fn in_savepoint<T>(c: &Connection, work: impl FnOnce(&Connection) -> Result<T, Stop>) -> Result<T, Stop> {
    let run = |sql: &str| {
        c.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(Stop::Fault)
    };
    run("SAVEPOINT verdict")?;
    let outcome = work(c);
    if matches!(outcome, Err(Stop::Conflict)) {
        run("ROLLBACK TO verdict")?;
    }
    // After a fault SQLite may have ended the whole transaction, savepoint and all; the group rolls back.
    if !matches!(outcome, Err(Stop::Fault(_))) {
        run("RELEASE verdict")?;
    }
    outcome
}

struct Writer {
    path: PathBuf,
    options: Options,
    /// None after a fault: opened anew for the next group.
    connection: Option<Connection>,
    place: Place,
    noted: Noted,
    follower: Arc<OnceLock<CutFollower>>,
}

/// Starts the writer's thread, which ends when every sender is gone and all that was sent is written.
pub(super) fn start(
    path: PathBuf,
    options: Options,
    connection: Connection,
    mut waiting: mpsc::Receiver<Job>,
    follower: Arc<OnceLock<CutFollower>>,
) -> Result<JoinHandle<()>, OpenError> {
    let mut writer = Writer {
        path,
        options,
        connection: Some(connection),
        place: Place::default(),
        noted: Noted::default(),
        follower,
    };
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || {
            while let Some(first) = waiting.blocking_recv() {
                // On a busy core those who are about to send get to: one sync then serves them all. On an idle one
                // this returns at once.
                std::thread::yield_now();
                writer.group(first, &mut waiting);
            }
        })
        .map_err(OpenError::File)
}

fn reopened(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    open::writer(path, options).map_err(|error| match error {
        OpenError::Sqlite(error) => fault(&error),
        error => StoreError::Broken(error.to_string()),
    })
}

impl Writer {
    fn group(&mut self, first: Job, waiting: &mut mpsc::Receiver<Job>) {
        let mut done = Vec::new();
        let outcome = self.work(first, waiting, &mut done);
        if let Err(error) = &outcome {
            tracing::error!(%error, verdicts = done.len(), "a group of changes was not written");
            self.give_up();
        } else if let Some(follower) = self.follower.get() {
            for job in &done {
                if let Done::Commit(_, Some(cuts)) = job
                    && !cuts.is_empty()
                {
                    follower(cuts);
                }
            }
        }
        for job in done {
            job.tell(&outcome);
        }
    }

    fn work(
        &mut self,
        first: Job,
        waiting: &mut mpsc::Receiver<Job>,
        done: &mut Vec<Done>,
    ) -> Result<(), StoreError> {
        let Self { path, options, connection, place, noted, .. } = self;
        let begun = match connection.take().map_or_else(|| reopened(path, options), Ok) {
            Ok(open) => {
                let c = connection.insert(open);
                execute(c, "BEGIN IMMEDIATE").map(|()| &*c)
            }
            Err(error) => Err(error),
        };
        let c = match begun {
            Ok(c) => c,
            Err(error) => {
                done.push(first.undone());
                return Err(error);
            }
        };
        let mut trail = Trail::new(&options.salts, noted);
        let mut next = Some(first);
        while let Some(job) = next {
            let (finished, fault) = job.run(c, place, &mut trail);
            done.push(finished);
            fault?;
            next = if done.len() < GROUP { waiting.try_recv().ok() } else { None };
        }
        execute(c, "COMMIT")
    }

    /// Undoes what is left of the transaction, if SQLite did not end it by itself, and closes the connection.
    fn give_up(&mut self) {
        self.noted.forget();
        let Some(connection) = self.connection.take() else { return };
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed group could not be rolled back; its connection is closed");
        }
    }
}

fn execute(c: &Connection, sql: &str) -> Result<(), StoreError> {
    c.prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(|error| fault(&error))
}
