//! Opening the file: its mode, its pragmas, its schema.

use std::fs::OpenOptions;
use std::path::Path;

use portcullis_wire::digest::Digest;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior};

use super::{Options, audit};
use crate::contract::StoreError;

/// A log of this many pages is folded into the file: small, so that no commit waits long for it.
const AUTOCHECKPOINT_PAGES: u32 = 250;

/// Memory for pages, per connection, in KiB.
const CACHE_KIB: i64 = 3 * 1024;

/// Prepared statements kept per connection; fewer than are in use would mean preparing each time.
const STATEMENTS: usize = 128;

/// Marks the file as ours (SQLite's `application_id`): "PCLS".
const APPLICATION: i32 = 0x5043_4c53;

/// Steps of the schema, in order: number, name, statements. A step is never changed once it was published.
const MIGRATIONS: &[(u32, &str, &str)] = &[
    (1, "0001_first", include_str!("../../migrations/0001_first.sql")),
    (2, "0002_audit", include_str!("../../migrations/0002_audit.sql")),
    (3, "0003_records", include_str!("../../migrations/0003_records.sql")),
    (4, "0004_providers", include_str!("../../migrations/0004_providers.sql")),
];

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made, read or written.
    #[error("the database file cannot be opened")]
    File(#[source] std::io::Error),
    /// A newer version wrote it.
    #[error(
        "the database has schema {found}, and this version knows {known} at most: a newer version wrote it, and only that or a newer one can open it"
    )]
    TooNew {
        /// The schema of the file.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// A step of its schema is not the one that was published.
    #[error("step {0} of the database's schema is not the one this version knows")]
    Altered(u32),
    /// It belongs to another program.
    #[error("the file is the database of another program")]
    Foreign,
    /// SQLite refused.
    #[error("SQLite cannot open the database")]
    Sqlite(#[from] rusqlite::Error),
}

/// What an error of SQLite means to the caller.
pub(super) fn fault(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Broken(error.to_string()),
    }
}

/// Makes the file, readable by its owner alone, before SQLite would make it readable to more. SQLite gives the
/// log and the index beside it the same mode.
fn make(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop).map_err(OpenError::File)
}

fn common(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "trusted_schema", false)
}

/// The one connection that writes.
pub(super) fn writer(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    make(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    common(&connection, options)?;
    let found: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found != APPLICATION && (found != 0 || tables > 0) {
        return Err(OpenError::Foreign);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    if let Some(most) = options.max_pages {
        connection.pragma_update(None, "max_page_count", most)?;
    }
    migrate(&mut connection, options)?;
    Ok(connection)
}

/// One of the connections that read.
pub(super) fn reader(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection, options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Brings the schema up to date, all steps or none, and refuses one it does not know.
fn migrate(connection: &mut Connection, options: &Options) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (
             version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT",
    )?;
    let found: u32 =
        transaction
            .query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.last().map_or(0, |(version, _, _)| *version);
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    for (version, name, statements) in MIGRATIONS {
        let checksum = *Digest::of(statements.as_bytes()).as_bytes();
        let applied: Option<[u8; 32]> = transaction
            .query_row("SELECT checksum FROM schema_version WHERE version = ?1", [version], |row| row.get(0))
            .optional()?;
        match applied {
            Some(applied) if applied == checksum => {}
            Some(_) => return Err(OpenError::Altered(*version)),
            None => {
                transaction.execute_batch(statements)?;
                transaction.execute(
                    "INSERT INTO schema_version (version, name, checksum) VALUES (?1, ?2, ?3)",
                    (version, name, checksum),
                )?;
            }
        }
    }
    audit::begin(&transaction, &options.salts)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis_wire::id::{ClientId, GrantId, UserId};

    use super::*;
    use crate::audit::Salts;
    use crate::sqlite::read;

    /// Rows that the first published schema holds read back, with nothing of what came later.
    #[test]
    fn a_database_of_the_first_schema_is_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("portcullis.db");
        let (version, name, statements) = MIGRATIONS[0];
        let file = Connection::open(&path).unwrap();
        file.pragma_update(None, "application_id", APPLICATION).unwrap();
        file.execute_batch(
            "CREATE TABLE schema_version (
                 version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT",
        )
        .unwrap();
        file.execute_batch(statements).unwrap();
        let checksum = *Digest::of(statements.as_bytes()).as_bytes();
        file.execute("INSERT INTO schema_version VALUES (?1, ?2, ?3)", (version, name, checksum)).unwrap();
        let metadata = r#"{"name":"a","redirect_uris":[],"auth_method":"none","grant_types":[],"application_type":"native","scope":"","jwks":null,"jwks_uri":null,"client_uri":null}"#;
        file.execute(
            "INSERT INTO clients VALUES (1, 'a', 'registered', ?1, NULL, NULL, NULL, 1, 0, NULL)",
            [metadata],
        )
        .unwrap();
        file.execute_batch(
            "INSERT INTO users VALUES (5, 'alex', 'Alex', 'x', 0, 1, 0);
             INSERT INTO grants (id, client, user, resource, scopes, created_at, last_used_at)
             VALUES (7, 'a', 5, 'https://h.example/mcp', 'read', 0, 0);",
        )
        .unwrap();
        drop(file);
        let open = writer(&path, &Options::new(Salts::new(|| [7; 32]))).unwrap();
        let number = |stored: i64| super::super::rows::unsigned(stored);
        let user = read::user(&open, UserId::from_number(number(5))).unwrap().unwrap();
        assert!(user.groups.is_empty() && user.name == "Alex");
        assert!(user.enabled && user.provider.is_none() && user.email.is_none() && user.password.is_some());
        let client = read::client(&open, &ClientId::parse("a").unwrap()).unwrap().unwrap();
        assert_eq!((client.management, client.metadata.name.as_str()), (None, "a"));
        let facts = read::grant_facts(&open, GrantId::from_number(number(7)), None, None).unwrap();
        let grant = facts.grant.unwrap();
        assert!(grant.wanted.is_empty() && grant.personal.is_none());
        assert_eq!(grant.scopes.to_string(), "read");
    }
}
