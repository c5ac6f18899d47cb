//! What only a file can do: outlive the process, run out of room, come from a newer version.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::model::{CutTarget, EndReason, Subject, Tip};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::sqlite::{OpenError, Options};
use portcullis_store::{CommitError, Sqlite, Store, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::given::*;
use crate::picture::picture;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.db");
    (directory, path)
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Options::new(salts())).unwrap()
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let (_directory, path) = place();
    let store = open(&path);
    let mut writes: Vec<Write> = (0..FEW).map(|n| Write::PutClient(client(n))).collect();
    writes.extend([Write::AddUser(user(0)), Write::OpenSession(session(0, 0)), Write::AddCode(code(0))]);
    writes.extend([Write::AddGrant(grant(1)), Write::AddGrant(machine(2)), Write::AddKey(key(0))]);
    writes.push(Write::SuspendGrant(grant_id(2), hours(3)));
    writes.push(Write::PutSetupLink(link(1)));
    writes.push(Write::Spend { digest: digest("once", 0), until: hours(1) });
    writes.push(Write::Audit(Event::new(EventKind::UserAdded, hours(1)).user(user_id(0))));
    store.commit(vec![], writes).await.unwrap();
    let before = picture(&store).await;
    drop(store);
    let store = open(&path);
    assert_eq!(picture(&store).await, before);
    let spend = Write::Spend { digest: digest("once", 0), until: hours(1) };
    assert_eq!(store.commit(vec![], vec![spend]).await, Err(CommitError::Conflict));
}

/// What a `kill -9` leaves behind is the files as they are: so they are copied while the store is open.
#[tokio::test]
async fn what_was_answered_is_in_the_files_at_that_moment() {
    let (directory, path) = place();
    let store = open(&path);
    for n in 0..40 {
        let spend = Write::Spend { digest: digest("once", n), until: hours(1) };
        store.commit(vec![], vec![spend, Write::Cut(CutTarget::Person(user_id(0)), hours(n))]).await.unwrap();
        let left = directory.path().join(format!("left-{n}"));
        fs::create_dir(&left).unwrap();
        for file in ["portcullis.db", "portcullis.db-wal"] {
            fs::copy(directory.path().join(file), left.join(file)).unwrap();
        }
        let found = open(&left.join("portcullis.db"));
        let facts = found.grant_facts(grant_id(0), None, Some(digest("once", n))).await.unwrap();
        assert_eq!((facts.spent, facts.rev), (true, n + 1));
    }
}

#[tokio::test]
async fn a_dropped_answer_undoes_nothing_and_a_dropped_store_writes_what_was_sent() {
    let (_directory, path) = place();
    let store = open(&path);
    for n in 0..50 {
        drop(store.commit(vec![], vec![Write::Spend { digest: digest("once", n), until: hours(1) }]));
    }
    drop(store);
    let swept = open(&path).sweep(hours(2), hours(0), 0).await.unwrap();
    assert_eq!(swept.spent, 50);
}

/// The file holds digests and public values: no word that was a secret. And only its owner can read it.
#[tokio::test]
#[cfg(unix)]
async fn t_db_dump_the_file_is_its_owners_alone_and_holds_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, path) = place();
    let store = open(&path);
    let mut of_secret = client(0);
    of_secret.secret = Some(portcullis_wire::digest::Digest::of(b"canary-of-a-secret"));
    let writes =
        vec![Write::PutClient(of_secret), Write::AddCode(code(0)), Write::OpenSession(session(0, 0))];
    store.commit(vec![], writes).await.unwrap();
    let mut files = 0;
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        let bytes = fs::read(file.path()).unwrap();
        for secret in ["canary-of-a-secret", "session 0", "code 0"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
        files += 1;
    }
    assert_eq!(files, 3, "the file, its log and its index");
}

#[test]
fn a_database_of_a_newer_version_is_left_untouched() {
    let (_directory, path) = place();
    drop(open(&path));
    let file = Connection::open(&path).unwrap();
    file.execute("INSERT INTO schema_version VALUES (99, '0099_later', x'00')", []).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    let refused = Sqlite::open(&path, Options::new(salts())).unwrap_err();
    assert!(matches!(refused, OpenError::TooNew { found: 99, .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer version"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_an_altered_schema_or_another_program_is_refused() {
    let (_directory, path) = place();
    drop(open(&path));
    let file = Connection::open(&path).unwrap();
    file.execute("UPDATE schema_version SET checksum = zeroblob(32)", []).unwrap();
    drop(file);
    assert!(matches!(Sqlite::open(&path, Options::new(salts())), Err(OpenError::Altered(1))));

    let (_directory, path) = place();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    assert!(matches!(Sqlite::open(&path, Options::new(salts())), Err(OpenError::Foreign)));

    let (directory, path) = place();
    fs::write(&path, "no database at all, and long enough to be read as one".repeat(20)).unwrap();
    assert!(matches!(Sqlite::open(&path, Options::new(salts())), Err(OpenError::Sqlite(_))));
    let missing = directory.path().join("missing").join("portcullis.db");
    assert!(matches!(Sqlite::open(&missing, Options::new(salts())), Err(OpenError::File(_))));
}

/// Fills the file until it is full; how many verdicts were acknowledged.
async fn fill(store: &Sqlite) -> u64 {
    for n in 0..10_000 {
        let spend = Write::Spend { digest: digest("once", n), until: hours(1) };
        match store.commit(vec![], vec![spend]).await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Full)) => return n,
            other => panic!("{other:?}"),
        }
    }
    panic!("the file was never full");
}

#[tokio::test]
async fn t_full_a_full_disk_is_told_reads_go_on_and_room_brings_it_back() {
    let (_directory, path) = place();
    let small = Options { max_pages: Some(80), ..Options::new(salts()) };
    let store = Sqlite::open(&path, small.clone()).unwrap();
    store.commit(vec![], vec![Write::AddUser(user(0)), Write::AddGrant(grant(0))]).await.unwrap();
    let acknowledged = fill(&store).await;
    assert!(acknowledged > 100);
    let facts = store.grant_facts(grant_id(0), None, Some(digest("once", acknowledged - 1))).await.unwrap();
    assert!(facts.grant.is_some() && facts.spent, "reads go on, and what was answered is there");
    let unanswered = store.grant_facts(grant_id(0), None, Some(digest("once", acknowledged))).await.unwrap();
    assert!(!unanswered.spent, "what was not answered is not");
    let label = Write::LabelGrant(grant_id(0), Some("x".to_owned()));
    assert!(
        store.commit(vec![Expect::GrantLive(grant_id(0))], vec![label]).await.is_ok(),
        "needs no new page"
    );

    assert_eq!(store.sweep(hours(2), hours(0), 0).await.unwrap().spent, 500);
    let again = Write::Spend { digest: digest("again", 0), until: hours(1) };
    assert!(store.commit(vec![], vec![again]).await.is_ok(), "sweeping made room");
    fill_again(&store).await;
    drop(store);

    let store = open(&path);
    let more = Write::Spend { digest: digest("more", 0), until: hours(1) };
    assert!(store.commit(vec![], vec![more]).await.is_ok(), "a larger disk is room too");
}

/// Full once more: the group that did not fit is refused as a whole, and nothing of it is there.
async fn fill_again(store: &Sqlite) {
    let told: Vec<_> = (0..5000)
        .map(|n| (n, Write::Spend { digest: digest("flood", n), until: hours(1) }))
        .map(|(n, spend)| (n, store.commit(vec![], vec![spend])))
        .collect();
    let mut refused = 0;
    for (n, told) in told {
        let told = told.await;
        let facts = store.grant_facts(grant_id(0), None, Some(digest("flood", n))).await.unwrap();
        assert_eq!(facts.spent, told.is_ok(), "verdict {n}: {told:?}");
        refused += u64::from(matches!(told, Err(CommitError::Store(StoreError::Full | StoreError::Busy))));
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn as_many_verdicts_wait_as_may_wait() {
    let (_directory, path) = place();
    let store = Sqlite::open(&path, Options { queue: 2, ..Options::new(salts()) }).unwrap();
    // Another process holds the file, so that the writer waits with the first verdict in its hands.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits: Vec<_> = (0..9)
        .map(|n| store.commit(vec![], vec![Write::Spend { digest: digest("once", n), until: hours(1) }]))
        .collect();
    other.execute_batch("ROLLBACK").unwrap();
    let mut busy = 0;
    for commit in commits {
        match commit.await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Busy)) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((6..=7).contains(&busy), "two wait, one is in hand: {busy} were refused");
}

#[tokio::test]
async fn a_fault_of_one_group_is_not_the_next_ones() {
    let (_directory, path) = place();
    let store = open(&path);
    Connection::open(&path).unwrap().execute_batch("DROP TABLE keys").unwrap();
    let spend = |n| Write::Spend { digest: digest("once", n), until: hours(1) };
    for n in 0..3 {
        let told = store.commit(vec![], vec![spend(n), Write::AddKey(key(0))]).await;
        assert!(matches!(told, Err(CommitError::Store(StoreError::Broken(_)))), "{told:?}");
        assert!(store.keys().await.is_err());
        assert_eq!(store.commit(vec![], vec![spend(n)]).await.map(drop), Ok(()), "nothing was left behind");
    }
}

/// What a retry would be answered with is erased, not only hidden: when the grant ends, and past the grace.
#[tokio::test]
async fn sealed_successors_are_erased() {
    let (_directory, path) = place();
    let store = open(&path);
    let file = Connection::open(&path).unwrap();
    let kept = || -> u32 {
        let sql =
            "SELECT count(*) FROM grants WHERE coalesce(previous, previous_sealed, previous_until) NOT NULL";
        file.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let reason = EndReason::RevokedByPerson;
    let mut writes = Vec::new();
    for n in 0..4 {
        let mut family = grant(n);
        family.tip = Some(Tip { current: digest("tip", 1), previous: Some(previous(0, hours(3))) });
        (family.client, family.subject) = (client_id(n), Subject::Person(user_id(n)));
        writes.push(Write::AddGrant(family));
    }
    store.commit(vec![], writes).await.unwrap();
    for (left, end) in [
        (3, Write::EndGrant { grant: grant_id(0), reason, at: hours(1) }),
        (2, Write::EndGrantsOfClient(client_id(1), reason, hours(1))),
        (1, Write::EndGrantsOfPerson(user_id(2), reason, hours(1))),
    ] {
        store.commit(vec![], vec![end]).await.unwrap();
        assert_eq!(kept(), left);
    }
    assert_eq!(store.sweep(hours(3), hours(0), 0).await.unwrap().sealed, 0, "not yet");
    assert_eq!(store.sweep(hours(4), hours(0), 0).await.unwrap().sealed, 1);
    assert_eq!(kept(), 0);
}
