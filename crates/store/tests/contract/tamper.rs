//! The audit trail in a file, and someone who can write to it.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_rules::audit::{AuditQuery, Bad, Head, Wrong};
use portcullis_rules::event::EventKind;
use portcullis_rules::verdict::Write;
use portcullis_store::sqlite::Options;
use portcullis_store::{CommitError, Sqlite, Store, StoreError};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::audit::{call, calls, checkpoint, verified};
use crate::given::*;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.db");
    (directory, path)
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Options::new(salts())).unwrap()
}

/// Twelve rows, a checkpoint at the eighth, and a connection for which nothing is append-only any more.
async fn forgeable() -> (TempDir, PathBuf, Head, Connection) {
    let (directory, path) = place();
    let store = open(&path);
    store.commit(vec![], calls(0..8)).await.unwrap();
    let mark = checkpoint(&store).await;
    store.commit(vec![], vec![Write::Checkpoint(mark)]).await.unwrap();
    store.commit(vec![], calls(8..12)).await.unwrap();
    let head = store.audit_head().await.unwrap();
    drop(store);
    let file = Connection::open(&path).unwrap();
    let triggers: Vec<String> = file
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(triggers.len(), 7);
    for trigger in triggers {
        file.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    (directory, path, head, file)
}

#[tokio::test]
async fn t_audit_the_trail_is_append_only() {
    let (_directory, path) = place();
    let store = open(&path);
    store.commit(vec![], calls(0..3)).await.unwrap();
    let mark = checkpoint(&store).await;
    store.commit(vec![], vec![Write::Checkpoint(mark)]).await.unwrap();
    drop(store);
    let file = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE audit SET at = 0",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit_personal SET name = 'x'",
        "UPDATE audit_checkpoints SET at = 0",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_chain SET seq = 2",
        "UPDATE audit_chain SET seq = 3",
        "UPDATE audit_chain SET node = zeroblob(16)",
        "DELETE FROM audit_chain",
    ] {
        assert!(file.execute(sql, []).unwrap_err().to_string().contains("append-only"), "{sql}");
    }
}

#[tokio::test]
async fn t_audit_a_restart_and_a_crash_go_on_with_the_same_chain() {
    let (directory, path) = place();
    let mut node = None;
    for n in 0..5_u64 {
        let store = open(&path);
        let head = store.audit_head().await.unwrap();
        assert_eq!((head.seq, head.node), (3 * n, *node.get_or_insert(head.node)));
        store.commit(vec![], calls(3 * n..3 * n + 3)).await.unwrap();
        assert_eq!(verified(&store, Some(head)).await.unwrap().rows, 3 * n + 3);
        // What a `kill -9` leaves behind is the files as they are.
        let left = directory.path().join(format!("left-{n}"));
        fs::create_dir(&left).unwrap();
        for file in ["portcullis.db", "portcullis.db-wal"] {
            fs::copy(directory.path().join(file), left.join(file)).unwrap();
        }
        let found = open(&left.join("portcullis.db"));
        let told = verified(&found, Some(store.audit_head().await.unwrap())).await.unwrap();
        assert_eq!(told.rows, 3 * n + 3, "what was answered is there");
        found.commit(vec![], calls(50..52)).await.unwrap();
        assert_eq!(verified(&found, Some(head)).await.unwrap().rows, 3 * n + 5);
    }
    let (_other, elsewhere) = place();
    let named = Options::new(portcullis_store::Salts::new(|| [7; 32]));
    let other = Sqlite::open(&elsewhere, named).unwrap().audit_head().await.unwrap().node;
    assert_eq!(other.as_bytes(), &[7; 16], "a chain is named by what was drawn for it");
}

/// A group that a fault undid leaves no gap: the chain is read anew from what is there.
#[tokio::test]
async fn t_audit_a_fault_of_one_group_leaves_no_gap() {
    let (_directory, path) = place();
    let store = open(&path);
    store.commit(vec![], calls(0..2)).await.unwrap();
    Connection::open(&path).unwrap().execute_batch("DROP TABLE keys").unwrap();
    for n in 2..4 {
        let mut writes = calls(n..n + 1);
        writes.push(Write::AddKey(key(0)));
        let told = store.commit(vec![], writes).await;
        assert!(matches!(told, Err(CommitError::Store(StoreError::Broken(_)))), "{told:?}");
        store.commit(vec![], calls(n..n + 1)).await.unwrap();
    }
    assert_eq!(verified(&store, None).await.unwrap().rows, 4);
}

#[tokio::test]
async fn t_full_a_full_disk_is_told_and_the_chain_stays_whole() {
    let (_directory, path) = place();
    let store = Sqlite::open(&path, Options { max_pages: Some(120), ..Options::new(salts()) }).unwrap();
    let mut held = 0;
    loop {
        match store.commit(vec![], calls(held..held + 10)).await {
            Ok(_) => held += 10,
            Err(CommitError::Store(StoreError::Full)) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(held > 100, "{held}");
    assert_eq!(verified(&store, None).await.unwrap().rows, held);
    drop(store);
    let store = open(&path);
    store.commit(vec![], calls(0..10)).await.unwrap();
    assert_eq!(verified(&store, None).await.unwrap().rows, held + 10);
}

/// What the version before the chain kept is put on it, in its order, when the file is opened.
#[tokio::test]
async fn t_audit_events_of_an_older_version_are_put_on_the_chain() {
    let (_directory, path) = place();
    {
        let file = Connection::open(&path).unwrap();
        let first = include_str!("../../migrations/0001_first.sql");
        file.execute_batch(first).unwrap();
        file.execute_batch(
            "CREATE TABLE schema_version (
                 version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT;
             INSERT INTO events (at, kind, user, client, agent, resource, scopes, reason) VALUES
                 (1000, 'user_added', -9223372036854775801, NULL, NULL, NULL, NULL, NULL),
                 (2000, 'token_issued', -9223372036854775801, 'client-1', -9223372036854775800,
                  'https://host.example/mcp1', 'a b', NULL),
                 (3000, 'grant_ended', NULL, NULL, -9223372036854775800, NULL, NULL, 'code_replayed');",
        )
        .unwrap();
        let checksum = portcullis_wire::digest::Digest::of(first.as_bytes());
        file.execute("INSERT INTO schema_version VALUES (1, '0001_first', ?1)", [checksum.as_bytes()])
            .unwrap();
        file.pragma_update(None, "application_id", 0x5043_4c53).unwrap();
    }
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(verified(&store, None).await.unwrap().rows, 3);
        let events = store.events(9).await.unwrap();
        let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::GrantEnded, EventKind::TokenIssued, EventKind::UserAdded]);
        assert_eq!(events[0].reason, Some("code_replayed"));
        assert_eq!(events[1].user.unwrap().number(), 7);
        assert_eq!(
            (events[1].at, events[1].scopes.clone()),
            (hours(0) + std::time::Duration::from_secs(2), Some(scopes("a b")))
        );
    }
    let file = Connection::open(&path).unwrap();
    let left: u32 = file
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'events'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

/// Erased is not only hidden: the bytes are gone from the file once its log is folded in.
#[tokio::test]
async fn t_audit_what_is_erased_is_gone_from_the_file() {
    let (directory, path) = place();
    let store = open(&path);
    let mut event = call(1);
    event.person.as_mut().unwrap().values = Some("canary-of-a-person ".repeat(400));
    store.commit(vec![], vec![Write::Audit(event), Write::Audit(call(2))]).await.unwrap();
    let holds = || {
        fs::read_dir(directory.path()).unwrap().any(|file| {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            bytes.windows(18).any(|window| window == b"canary-of-a-person")
        })
    };
    assert!(holds());
    store.commit(vec![], vec![Write::ErasePerson(user_id(1))]).await.unwrap();
    assert!(verified(&store, None).await.is_ok());
    drop(store);
    assert!(!holds());
}

/// The columns of each table that are vouched for, with the key of its rows.
const TABLES: &[(&str, &[&str])] = &[
    (
        "audit",
        &[
            "at", "kind", "user", "client", "agent", "resource", "scopes", "reason", "count", "request",
            "trace", "method", "name", "decision", "rule", "latency", "ending", "mac", "hash", "seq",
        ],
    ),
    ("audit_personal", &["salt", "name", "arguments", "given"]),
    ("audit_checkpoints", &["hash", "at", "signature", "heads", "seq"]),
    ("audit_chain", &["node"]),
];

/// Changes one bit, wherever it stands; what is absent is made present.
fn flipped(value: Value, column: &str, bit: usize) -> Value {
    let flip = |bytes: &mut Vec<u8>| {
        if bytes.is_empty() {
            bytes.push(b'x');
        } else {
            let at = bit / 8 % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
        }
    };
    match value {
        Value::Integer(number) => Value::Integer(number ^ 1 << (bit % 63)),
        Value::Text(text) => {
            let mut bytes = text.into_bytes();
            flip(&mut bytes);
            match String::from_utf8(bytes) {
                Ok(text) => Value::Text(text),
                Err(error) => Value::Blob(error.into_bytes()),
            }
        }
        Value::Blob(mut bytes) => {
            flip(&mut bytes);
            Value::Blob(bytes)
        }
        Value::Null | Value::Real(_) => match column {
            "user" | "agent" | "count" | "latency" => Value::Integer(7),
            "mac" | "arguments" => Value::Blob(vec![7; 32]),
            _ => Value::Text("x".to_owned()),
        },
    }
}

/// One bit of any byte of any column of any row is named at that row, or at the row a checkpoint is about. Two rows are
/// gone through byte by byte, the others here and there.
#[tokio::test]
async fn t_audit_any_bit_that_was_changed_is_named() {
    let (_directory, path, head, file) = forgeable().await;
    file.pragma_update(None, "synchronous", "OFF").unwrap();
    let store = open(&path);
    assert!(verified(&store, Some(head)).await.is_ok());
    let mut changes = 0;
    for (table, column) in
        TABLES.iter().flat_map(|(table, columns)| columns.iter().map(move |c| (*table, *c)))
    {
        let sql = format!("SELECT seq, {column} FROM {table} ORDER BY seq");
        let rows: Vec<(i64, Value)> = file
            .prepare(&sql)
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for (seq, value) in rows {
            let expected = match table {
                "audit" | "audit_personal" => seq,
                "audit_checkpoints" => 8,
                // The name of the chain is in its first hash; and the head that is known is another's.
                _ => 12,
            };
            let bits = match &value {
                _ if ![4, 8].contains(&seq) => vec![6, 77],
                Value::Text(text) => (0..text.len()).map(|at| 8 * at + at % 8).collect(),
                Value::Blob(bytes) => (0..bytes.len()).map(|at| 8 * at + at % 8).collect(),
                _ => (0..63).collect(),
            };
            for bit in bits {
                let changed = flipped(value.clone(), column, bit);
                // Bytes that are no text stand in a text column as text all the same.
                let is_text = matches!(value, Value::Text(_));
                let put = if is_text { "CAST(?1 AS TEXT)" } else { "?1" };
                let sql = format!("UPDATE {table} SET {column} = {put} WHERE seq = ?2");
                // A number that another row has cannot be taken, even by a forger.
                if file.execute(&sql, (&changed, seq)).is_err() {
                    assert_eq!(column, "seq");
                    continue;
                }
                let told = verified(&store, Some(head)).await;
                let key = if column == "seq" { changed.clone() } else { Value::Integer(seq) };
                let back = format!("UPDATE {table} SET {column} = ?1 WHERE seq = ?2");
                assert_eq!(file.execute(&back, (&value, key)).unwrap(), 1);
                let named =
                    told.expect_err(&format!("{table}.{column} of {seq}: {changed:?}")).seq.cast_signed();
                let moved = column == "seq" && (named < expected || changed == Value::Integer(named));
                assert!(
                    named == expected || moved,
                    "{table}.{column} of {seq}: {named} was named, not {expected}"
                );
                changes += 1;
            }
        }
    }
    assert!(verified(&store, Some(head)).await.is_ok(), "all is as it was");
    assert!(changes > 1500, "{changes}");
}

/// Rows taken out, exchanged or put in, whatever else is mended so that it looks well.
#[tokio::test]
async fn t_audit_rows_that_were_removed_exchanged_or_put_in_are_named() {
    const COLUMNS: &str = "at, kind, user, client, agent, resource, scopes, reason, count, request, trace, method, \
         name, decision, rule, latency, ending, mac, hash";
    let missing = |seq| Bad { seq, wrong: Wrong::Missing };
    let hash = |seq| Bad { seq, wrong: Wrong::Hash };
    for (name, sql, bad) in [
        ("one is removed", "DELETE FROM audit WHERE seq = 5".to_owned(), missing(5)),
        ("the first is removed", "DELETE FROM audit WHERE seq = 1".to_owned(), missing(1)),
        (
            "one is removed and the rest moved up",
            "DELETE FROM audit WHERE seq = 5; DELETE FROM audit_personal WHERE seq = 5;
             UPDATE audit SET seq = seq - 1 WHERE seq > 5; UPDATE audit_personal SET seq = seq - 1 WHERE seq > 5"
                .to_owned(),
            hash(5),
        ),
        (
            "two are exchanged",
            "UPDATE audit SET seq = -1 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6;
             UPDATE audit SET seq = 6 WHERE seq = -1"
                .to_owned(),
            hash(5),
        ),
        (
            "one is put in at the end",
            format!("INSERT INTO audit (seq, {COLUMNS}) SELECT 13, {COLUMNS} FROM audit WHERE seq = 12"),
            hash(13),
        ),
        (
            "a person is exchanged",
            "UPDATE audit_personal SET seq = -1 WHERE seq = 5; UPDATE audit_personal SET seq = 5 WHERE seq = 6"
                .to_owned(),
            Bad { seq: 5, wrong: Wrong::Person },
        ),
        ("the end is cut off", "DELETE FROM audit WHERE seq > 10".to_owned(), Bad { seq: 11, wrong: Wrong::Truncated }),
        (
            "more is cut off than a checkpoint knows",
            "DELETE FROM audit WHERE seq > 7".to_owned(),
            Bad { seq: 8, wrong: Wrong::CheckpointOfNothing },
        ),
        (
            "the beginning is cut off, and said to be old",
            "DELETE FROM audit WHERE seq <= 3;
             UPDATE audit_chain SET (seq, hash) = (3, x'00')"
                .to_owned(),
            Bad { seq: 3, wrong: Wrong::Start },
        ),
    ] {
        let (_directory, path, head, file) = forgeable().await;
        file.execute_batch(&sql).unwrap();
        drop(file);
        let store = open(&path);
        assert_eq!(verified(&store, Some(head)).await, Err(bad), "{name}");
    }
}

/// How large rows are, and what one costs: `cargo test -p portcullis-store w19_a_row -- --nocapture` prints it.
#[tokio::test]
async fn w19_a_row_of_a_call_takes_less_than_a_kilobyte() {
    const ROWS: u64 = 20_000;
    let (_directory, path) = place();
    let store = open(&path);
    for n in 0..ROWS / 1000 {
        store.commit(vec![], calls(n * 1000..(n + 1) * 1000)).await.unwrap();
    }
    let page = store.audit(AuditQuery { agent: Some(grant_id(1)), most: 50, ..AuditQuery::default() }).await;
    assert_eq!(page.unwrap().len(), 50);
    drop(store);
    let bytes = fs::metadata(&path).unwrap().len() / ROWS;
    eprintln!("{bytes} bytes for each row of a call, indexes included");
    assert!((200..1000).contains(&bytes), "{bytes}");
}
