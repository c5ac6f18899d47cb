//! The tool book, and what was used of durable windows.

use portcullis_rules::budget::Used;
use portcullis_rules::facts::ToolBook;
use portcullis_rules::tools::{Accepted, Listed, Tool};
use portcullis_wire::digest::Digest;
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::read::all;
use super::rows::{Fields, resource};
use super::write::{Held, change, exactly_one};

const TOOL: &str =
    "resource, name, digest, definition, accepted, accepted_definition, accepted_at, seen_at, gone_at";

fn tool(f: &mut Fields<'_>) -> Result<Tool> {
    Ok(Tool {
        resource: f.read(resource)?,
        name: f.next()?,
        digest: f.digest()?,
        definition: f.next()?,
        accepted: match (f.maybe_digest()?, f.next::<Option<String>>()?, f.maybe_time()?) {
            (Some(digest), Some(definition), Some(at)) => Some(Accepted { digest, definition, at }),
            _ => None,
        },
        seen_at: f.time()?,
        gone_at: f.maybe_time()?,
    })
}

pub(super) fn book(c: &Connection, of: &Resource) -> Result<ToolBook> {
    let begun_at: Option<i64> = c
        .prepare_cached("SELECT begun_at FROM books WHERE resource = ?1")?
        .query_row([of.as_str()], |row| row.get(0))
        .optional()?;
    let sql = format!("SELECT {TOOL} FROM tools WHERE resource = ?1 ORDER BY name");
    Ok(ToolBook { begun_at: begun_at.map(UnixTime::from_millis), tools: all(c, &sql, [of.as_str()], tool)? })
}

pub(super) fn begin(c: &Connection, of: &Resource, at: UnixTime) -> Held {
    exactly_one(c, "INSERT INTO books (resource, begun_at) VALUES (?1, ?2)", (of.as_str(), at.millis()))
}

pub(super) fn see(c: &Connection, of: &Resource, tool: &Listed, accept: bool, at: UnixTime) -> Held {
    let digest = tool.digest.as_bytes();
    exactly_one(
        c,
        "INSERT INTO tools (resource, name, digest, definition, accepted, accepted_definition, accepted_at, \
         seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (resource, name) DO UPDATE SET \
         seen_at = iif(digest = excluded.digest, seen_at, excluded.seen_at), digest = excluded.digest, \
         definition = excluded.definition, gone_at = NULL, accepted = coalesce(excluded.accepted, accepted), \
         accepted_definition = coalesce(excluded.accepted_definition, accepted_definition), \
         accepted_at = coalesce(excluded.accepted_at, accepted_at)",
        (
            of.as_str(),
            &tool.name,
            digest,
            &tool.definition,
            accept.then_some(digest),
            accept.then_some(&tool.definition),
            accept.then_some(at.millis()),
            at.millis(),
        ),
    )
}

pub(super) fn accept(c: &Connection, of: &Resource, name: &str, digest: &Digest, at: UnixTime) -> Held {
    exactly_one(
        c,
        "UPDATE tools SET accepted = digest, accepted_definition = definition, accepted_at = ?4 \
         WHERE resource = ?1 AND name = ?2 AND digest = ?3",
        (of.as_str(), name, digest.as_bytes(), at.millis()),
    )
}

pub(super) fn lose(c: &Connection, of: &Resource, name: &str, at: UnixTime) -> Held {
    change(
        c,
        "UPDATE tools SET gone_at = ?3 WHERE resource = ?1 AND name = ?2 AND gone_at IS NULL",
        (of.as_str(), name, at.millis()),
    )
    .map(drop)
}

pub(super) fn forget(c: &Connection, of: &Resource, name: &str) -> Held {
    change(c, "DELETE FROM tools WHERE resource = ?1 AND name = ?2", (of.as_str(), name)).map(drop)
}

fn used(f: &mut Fields<'_>) -> Result<Used> {
    let key = f.digest()?;
    let window_start = f.time()?;
    Ok(Used { key, window_start, used: u32::try_from(f.next::<i64>()?).unwrap_or(u32::MAX) })
}

pub(super) fn uses(c: &Connection, since: UnixTime) -> Result<Vec<Used>> {
    let sql = "SELECT key, window_start, used FROM uses WHERE window_start >= ?1 ORDER BY window_start, key";
    all(c, sql, [since.millis()], used)
}

pub(super) fn add_uses(c: &Connection, uses: &[Used]) -> Held {
    for one in uses {
        exactly_one(
            c,
            "INSERT INTO uses (key, window_start, used) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key, window_start) DO UPDATE SET used = min(used + excluded.used, 4294967295)",
            (one.key.as_bytes(), one.window_start.millis(), one.used),
        )?;
    }
    Ok(())
}
