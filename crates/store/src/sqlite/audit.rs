//! The audit trail in rows: putting entries on the chain, asking for them, removing the oldest.

use portcullis_rules::audit::{
    AuditKeep, AuditQuery, AuditRow, Checkpoint, Entry, Head, NodeId, SideRow, hex,
};
use portcullis_rules::event::{Event, Personal};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::time::UnixTime;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params, params_from_iter};

use super::blocks::{self, BLOCK, Noted, place_of};
use super::rows::{signed, unsigned};
use super::write::{Held, exactly_one, of_grant, of_user};
use crate::audit::Salts;
use crate::contract::AUDIT_BATCH;

/// The columns of an entry, in the order of its fields; those of what is personal after them.
const COLUMNS: &str = "audit.seq, audit.at, audit.kind, audit.user, audit.client, audit.agent, audit.resource, \
     audit.scopes, audit.reason, audit.count, audit.request, audit.trace, audit.method, audit.name, \
     audit.decision, audit.rule, audit.latency, audit.ending, audit.mac, audit.hash, \
     person.salt, person.name, person.arguments, person.given";

const FROM: &str = "FROM audit LEFT JOIN audit_personal AS person ON person.seq = audit.seq";

/// Rows of the blocks something stands in, block by block.
const FROM_BLOCKS: &str = "FROM audit_blocks AS block CROSS JOIN audit \
     ON audit.seq BETWEEN block.block * 4096 AND block.block * 4096 + 4095 \
     LEFT JOIN audit_personal AS person ON person.seq = audit.seq";

const IN_BLOCKS: &str = "block.what = ? AND block.key = ? AND block.block BETWEEN ? AND ?";

/// The end of the chain within one transaction of the writer: read when the first entry is put on it.
#[derive(Debug)]
pub(super) struct Trail<'w> {
    salts: &'w Salts,
    noted: &'w mut Noted,
    head: Option<Head>,
}

impl<'w> Trail<'w> {
    pub(super) const fn new(salts: &'w Salts, noted: &'w mut Noted) -> Self {
        Self { salts, noted, head: None }
    }

    /// Where it stands now, to come back to when a verdict is undone.
    pub(super) const fn mark(&self) -> Option<Head> {
        self.head
    }

    pub(super) fn back_to(&mut self, mark: Option<Head>) {
        self.head = mark;
        self.noted.forget();
    }

    fn put(&mut self, c: &Connection, add: impl FnOnce(&mut Head, &Salts) -> AuditRow) -> Held {
        let mut end = match self.head {
            Some(head) => head,
            None => head(c)?,
        };
        let row = add(&mut end, self.salts);
        insert(c, &row)?;
        self.noted.note(c, &row)?;
        self.head = Some(end);
        Ok(())
    }

    /// Puts an event on the chain.
    pub(super) fn append(&mut self, c: &Connection, event: &Event) -> Held {
        self.put(c, |end, salts| end.append(event, || salts.draw()))
    }
}

fn insert(c: &Connection, row: &AuditRow) -> Held {
    let entry = &row.entry;
    exactly_one(
        c,
        "INSERT INTO audit (seq, at, kind, user, client, agent, resource, scopes, reason, count, request, trace, \
         method, name, decision, rule, latency, ending, mac, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        params![
            row.seq.cast_signed(),
            entry.at.millis(),
            entry.kind,
            entry.user.as_ref().map(of_user),
            entry.client,
            entry.agent.as_ref().map(of_grant),
            entry.resource,
            entry.scopes,
            entry.reason,
            entry.count,
            entry.request,
            entry.trace,
            entry.method,
            entry.name,
            entry.decision,
            entry.rule,
            entry.latency,
            entry.ending,
            row.mac.as_ref().map(Digest::as_bytes),
            row.hash.as_bytes(),
        ],
    )?;
    let Some(side) = &row.person else { return Ok(()) };
    exactly_one(
        c,
        "INSERT INTO audit_personal (seq, salt, name, arguments, given) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            row.seq.cast_signed(),
            side.salt.as_bytes(),
            &side.person.name,
            side.person.arguments.as_ref().map(Digest::as_bytes),
            &side.person.values,
        ),
    )
}

/// Names the chain, once, and puts on it what an older version kept without one. Part of bringing the schema up to date.
pub(super) fn begin(c: &Connection, salts: &Salts) -> Result<()> {
    let named = c.prepare("SELECT 1 FROM audit_chain")?.exists([])?;
    if !named {
        let head = Head::of_nothing(NodeId::fresh(&salts.draw()));
        c.execute(
            "INSERT INTO audit_chain (one, node, seq, hash) VALUES (1, ?1, 0, ?2)",
            (head.node.as_bytes(), head.hash.as_bytes()),
        )?;
    }
    if !c.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'events'")?.exists([])? {
        return Ok(());
    }
    let mut noted = Noted::default();
    let mut trail = Trail::new(salts, &mut noted);
    let mut old =
        c.prepare("SELECT at, kind, user, client, agent, resource, scopes, reason FROM events ORDER BY id")?;
    let mut rows = old.query([])?;
    while let Some(row) = rows.next()? {
        let entry = old_entry(row)?;
        trail.put(c, |end, _| end.append_entry(entry, None)).map_err(|stop| match stop {
            super::write::Stop::Fault(error) => error,
            super::write::Stop::Conflict => rusqlite::Error::StatementChangedRows(0),
        })?;
    }
    drop(rows);
    drop(old);
    c.execute_batch("DROP TABLE events")
}

fn old_entry(row: &Row<'_>) -> Result<Entry> {
    Ok(Entry {
        at: UnixTime::from_millis(row.get(0)?),
        kind: text(row, 1)?.unwrap_or_default(),
        user: number(row, 2)?.map(UserId::from_number),
        client: text(row, 3)?,
        agent: number(row, 4)?.map(GrantId::from_number),
        resource: text(row, 5)?,
        scopes: text(row, 6)?,
        reason: text(row, 7)?,
        count: None,
        request: None,
        trace: None,
        method: None,
        name: None,
        decision: None,
        rule: None,
        latency: None,
        ending: None,
    })
}

/// A text of a row. What is no text any more becomes one that was never written, so that it is seen to be changed.
fn text(row: &Row<'_>, at: usize) -> Result<Option<String>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => Some(
            std::str::from_utf8(bytes).map_or_else(|_| format!("\0{}", hex::spell(bytes)), str::to_owned),
        ),
        other => Some(format!("\0{other:?}")),
    })
}

fn number(row: &Row<'_>, at: usize) -> Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(unsigned))
}

/// A digest of a row; one of another length becomes one that was never written.
fn digest(row: &Row<'_>, at: usize) -> Result<Option<Digest>> {
    let bytes = row.get_ref(at)?.as_blob_or_null()?;
    Ok(bytes.map(|bytes| <[u8; 32]>::try_from(bytes).map_or_else(|_| Digest::of(bytes), Digest::from_bytes)))
}

fn some_digest(row: &Row<'_>, at: usize) -> Result<Digest> {
    Ok(digest(row, at)?.unwrap_or_else(|| Digest::of(b"absent")))
}

fn row(row: &Row<'_>) -> Result<AuditRow> {
    let entry = Entry {
        at: UnixTime::from_millis(row.get(1)?),
        kind: text(row, 2)?.unwrap_or_default(),
        user: number(row, 3)?.map(UserId::from_number),
        client: text(row, 4)?,
        agent: number(row, 5)?.map(GrantId::from_number),
        resource: text(row, 6)?,
        scopes: text(row, 7)?,
        reason: text(row, 8)?,
        count: row.get(9)?,
        request: text(row, 10)?,
        trace: text(row, 11)?,
        method: text(row, 12)?,
        name: text(row, 13)?,
        decision: text(row, 14)?,
        rule: text(row, 15)?,
        latency: row.get(16)?,
        ending: text(row, 17)?,
    };
    let person = match digest(row, 20)? {
        None => None,
        Some(salt) => Some(SideRow {
            salt,
            person: Personal { name: text(row, 21)?, arguments: digest(row, 22)?, values: text(row, 23)? },
        }),
    };
    let seq = row.get::<_, i64>(0)?.cast_unsigned();
    Ok(AuditRow { seq, entry, mac: digest(row, 18)?, person, hash: some_digest(row, 19)? })
}

/// After which entry the chain is kept.
pub(super) fn start(c: &Connection) -> Result<Head> {
    c.prepare_cached("SELECT node, seq, hash FROM audit_chain")?.query_row([], |row| {
        Ok(Head {
            node: NodeId::from_bytes(row.get(0)?),
            seq: row.get::<_, i64>(1)?.cast_unsigned(),
            hash: some_digest(row, 2)?,
        })
    })
}

/// How far the chain reaches.
pub(super) fn head(c: &Connection) -> Result<Head> {
    let start = start(c)?;
    let last = c
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), some_digest(row, 1)?)))
        .optional()?;
    Ok(match last {
        Some((seq, hash)) if seq >= start.seq => Head { seq, hash, ..start },
        _ => start,
    })
}

/// The rows asked for. A time is turned into numbers first, by its index, so that the rows come in their order without
/// being sorted.
pub(super) fn rows(c: &Connection, query: &AuditQuery) -> Result<Vec<AuditRow>> {
    let mut bounds = (start(c)?.seq.max(query.after_seq.unwrap_or(0)), query.before_seq);
    if query.since.is_some() || query.until.is_some() {
        let Some((first, last)) = numbers_between(c, query)? else { return Ok(Vec::new()) };
        bounds.0 = bounds.0.max(first.saturating_sub(1));
        bounds.1 = Some(bounds.1.map_or(last + 1, |before| before.min(last + 1)));
    }
    let (sql, given) = statement(query, bounds);
    c.prepare_cached(&sql)?.query_map(params_from_iter(given), row)?.collect()
}

fn numbers_between(c: &Connection, query: &AuditQuery) -> Result<Option<(u64, u64)>> {
    let since = query.since.map_or(i64::MIN, UnixTime::millis);
    let until = query.until.map_or(i64::MAX, UnixTime::millis);
    c.prepare_cached(BETWEEN)?.query_row((since, until), |row| {
        let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(first.zip(last).map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned())))
    })
}

const BETWEEN: &str =
    "SELECT min(seq), max(seq) FROM audit INDEXED BY audit_by_time WHERE at >= ?1 AND at < ?2";

/// The statement for a question, and what is put into it: rows after `bounds.0`, and before `bounds.1`.
fn statement(query: &AuditQuery, bounds: (u64, Option<u64>)) -> (String, Vec<Value>) {
    let number = |seq: u64| Value::Integer(i64::try_from(seq).unwrap_or(i64::MAX));
    let (mut sql, mut given, order) = match place_of(query) {
        None => (format!("SELECT {COLUMNS} {FROM} WHERE"), Vec::new(), "audit.seq"),
        Some((what, key)) => {
            let last = bounds.1.map_or(u64::MAX, |before| before.saturating_sub(1));
            let given = vec![
                Value::Integer(what),
                Value::Integer(key),
                number(bounds.0.saturating_add(1) / BLOCK),
                number(last / BLOCK),
            ];
            (format!("SELECT {COLUMNS} {FROM_BLOCKS} WHERE {IN_BLOCKS} AND"), given, "block.block, audit.seq")
        }
    };
    sql.push_str(" audit.seq > ?");
    given.push(number(bounds.0));
    let mut only = |clause: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql.push_str(clause);
            given.push(value);
        }
    };
    let word = |text: &str| Value::Text(text.to_owned());
    only(" AND audit.seq < ?", bounds.1.map(number));
    only(" AND audit.agent = ?", query.agent.map(|id| signed(id.number()).into()));
    only(" AND audit.user = ?", query.user.map(|id| signed(id.number()).into()));
    only(" AND audit.client = ?", query.client.as_ref().map(|id| word(ClientId::as_str(id))));
    only(" AND audit.resource = ?", query.resource.as_ref().map(|resource| word(resource.as_str())));
    only(" AND audit.name = ?", query.tool.as_deref().map(word));
    only(" AND audit.decision = ?", query.decision.as_deref().map(word));
    // The plus keeps the index by time out of it: the rows come by number.
    only(" AND +audit.at >= ?", query.since.map(|at| at.millis().into()));
    only(" AND +audit.at < ?", query.until.map(|at| at.millis().into()));
    if !query.kinds.is_empty() {
        let marks = vec!["?"; query.kinds.len()].join(", ");
        sql.push_str(&format!(" AND audit.kind IN ({marks})"));
        given.extend(query.kinds.iter().map(|kind| word(kind.as_str())));
    }
    if query.personal {
        sql.push_str(" AND person.salt IS NOT NULL");
    }
    let order = if query.newest_first { order.replace(',', " DESC,") + " DESC" } else { order.to_owned() };
    sql.push_str(&format!(" ORDER BY {order} LIMIT ?"));
    given.push(i64::try_from(query.most).unwrap_or(i64::MAX).into());
    (sql, given)
}

/// Checkpoints of `from` and later rows, in their order.
pub(super) fn checkpoints(c: &Connection, from: u64, most: usize) -> Result<Vec<Checkpoint>> {
    c.prepare_cached(
        "SELECT seq, hash, at, signature, heads FROM audit_checkpoints WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
    )?
    .query_map((i64::try_from(from).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX)), |row| {
        Ok(Checkpoint {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            hash: some_digest(row, 1)?,
            at: UnixTime::from_millis(row.get(2)?),
            signature: text(row, 3)?.unwrap_or_default(),
            heads: text(row, 4)?.unwrap_or_default(),
        })
    })?
    .collect()
}

/// Enters a checkpoint of a row that is there, with that hash.
pub(super) fn put_checkpoint(c: &Connection, checkpoint: &Checkpoint) -> Held {
    exactly_one(
        c,
        "INSERT INTO audit_checkpoints (seq, hash, at, signature, heads) SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE EXISTS (SELECT 1 FROM audit WHERE seq = ?1 AND hash = ?2)",
        (
            i64::try_from(checkpoint.seq).unwrap_or(i64::MAX),
            checkpoint.hash.as_bytes(),
            checkpoint.at.millis(),
            &checkpoint.signature,
            &checkpoint.heads,
        ),
    )
}

const ERASE: &str = "DELETE FROM audit_personal WHERE seq IN (SELECT audit.seq FROM audit_blocks AS block \
     CROSS JOIN audit ON audit.seq BETWEEN block.block * 4096 AND block.block * 4096 + 4095 \
     WHERE block.what = ?1 AND block.key = ?2 AND audit.user = ?2)";

/// Erases what is personal about a person's entries, and overwrites where it stood.
pub(super) fn erase(c: &Connection, user: UserId) -> Held {
    c.pragma_update(None, "secure_delete", true)?;
    let erased =
        c.prepare_cached(ERASE).and_then(|mut statement| statement.execute((blocks::PERSON, of_user(&user))));
    c.pragma_update(None, "secure_delete", false)?;
    erased?;
    Ok(())
}

/// Removes the oldest rows that need not be kept, in a bounded batch, as far as a checkpoint reaches; how many.
pub(super) fn sweep(c: &Connection, keep: &AuditKeep) -> Result<u64> {
    let (begun, end) = (start(c)?, head(c)?);
    let mut last = end.seq.saturating_sub(keep.most);
    if let Some(since) = keep.since {
        let stays: Option<i64> = c
            .prepare_cached("SELECT seq FROM audit WHERE seq > ?1 AND +at >= ?2 ORDER BY seq LIMIT 1")?
            .query_row((begun.seq.cast_signed(), since.millis()), |row| row.get(0))
            .optional()?;
        last = last.max(stays.map_or(end.seq, |seq| seq.cast_unsigned().saturating_sub(1)));
    }
    let sql = "UPDATE audit_chain SET (seq, hash) = (SELECT seq, hash FROM audit_checkpoints WHERE seq <= ?1 \
               AND hash = (SELECT hash FROM audit WHERE seq = audit_checkpoints.seq) ORDER BY seq DESC LIMIT 1) \
               WHERE EXISTS (SELECT 1 FROM audit_checkpoints WHERE seq <= ?1 AND seq > audit_chain.seq \
               AND hash = (SELECT hash FROM audit WHERE seq = audit_checkpoints.seq))";
    c.prepare_cached(sql)?.execute([last.cast_signed()])?;
    let start = start(c)?.seq.cast_signed();
    let batch = AUDIT_BATCH.cast_signed();
    let over: Option<i64> = c
        .prepare_cached("SELECT max(seq) FROM (SELECT seq FROM audit WHERE seq <= ?1 ORDER BY seq LIMIT ?2)")?
        .query_row((start, batch), |row| row.get(0))?;
    let change = |sql: &str, last: i64| c.prepare_cached(sql)?.execute([last]);
    change("DELETE FROM audit_checkpoints WHERE seq < ?1", over.unwrap_or(0))?;
    let Some(over) = over else { return Ok(0) };
    change("DELETE FROM audit_personal WHERE seq <= ?1", over)?;
    blocks::forget_until(c, over.cast_unsigned())?;
    Ok(change("DELETE FROM audit WHERE seq <= ?1", over)? as u64)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
