//! Forgetting, in bounded batches, in the writer's own turn.

use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, Params, Result};

use portcullis_rules::budget::LONGEST_WINDOW;
use portcullis_rules::tools::GONE_FOR;

use crate::contract::{APPROVAL_MEMORY, CODE_MEMORY, SWEEP_BATCH, Swept};

/// How many grants one sweep looks through for sealed successors. There is no index for them: it would be paid
/// for at every rotation.
const WINDOW: i64 = 4 * BATCH;

/// [`SWEEP_BATCH`], as SQLite counts.
const BATCH: i64 = SWEEP_BATCH.cast_signed();

/// What may be forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) now: UnixTime,
    pub(super) oldest_cut: UnixTime,
    pub(super) most_unused_clients: u64,
}

/// Where the next sweep goes on looking through the grants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(i64);

impl Default for Place {
    fn default() -> Self {
        Self(i64::MIN)
    }
}

fn change(c: &Connection, sql: &str, given: impl Params) -> Result<u64> {
    Ok(c.prepare_cached(sql)?.execute(given)? as u64)
}

pub(super) fn sweep(c: &Connection, limits: &Limits, place: &mut Place) -> Result<Swept> {
    let now = limits.now.millis();
    let spent = change(
        c,
        "DELETE FROM spent WHERE digest IN \
         (SELECT digest FROM spent WHERE until < ?1 ORDER BY until LIMIT ?2)",
        (now, BATCH),
    )?;
    // Codes are numbered as they are made and live equally long, so the oldest are first to go: no index.
    let codes = change(
        c,
        "DELETE FROM codes WHERE expires_at < ?1 AND id IN (SELECT id FROM codes ORDER BY id LIMIT ?2)",
        ((limits.now - CODE_MEMORY).millis(), BATCH),
    )?;
    let sessions = change(
        c,
        "DELETE FROM sessions WHERE id IN \
         (SELECT id FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        (now, BATCH),
    )?;
    let cuts = change(
        c,
        "DELETE FROM cuts WHERE number IN (SELECT number FROM cuts WHERE at < ?1 ORDER BY number LIMIT ?2)",
        (limits.oldest_cut.millis(), BATCH),
    )?;
    let approvals = change(
        c,
        "DELETE FROM approvals WHERE id IN \
         (SELECT id FROM approvals WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        ((limits.now - APPROVAL_MEMORY).millis(), BATCH),
    )?;
    let tools = change(
        c,
        "DELETE FROM tools WHERE row IN (SELECT row FROM tools WHERE gone_at < ?1 ORDER BY gone_at LIMIT ?2)",
        ((limits.now - GONE_FOR).millis(), BATCH),
    )?;
    let uses = change(
        c,
        "DELETE FROM uses WHERE (key, window_start) IN (SELECT key, window_start FROM uses \
         WHERE window_start < ?1 ORDER BY window_start LIMIT ?2)",
        ((limits.now - LONGEST_WINDOW).millis(), BATCH),
    )?;
    let handoffs = change(
        c,
        "DELETE FROM handoffs WHERE row IN (SELECT row FROM handoffs WHERE until < ?1 ORDER BY until LIMIT ?2)",
        (now, BATCH),
    )?;
    Ok(Swept {
        spent,
        codes,
        sessions,
        clients: clients(c, limits)?,
        cuts,
        sealed: sealed(c, now, place)?,
        approvals,
        tools,
        uses,
        handoffs,
    })
}

/// Those nobody uses: past their time, and beyond the cap, the oldest first.
fn clients(c: &Connection, limits: &Limits) -> Result<u64> {
    let expired = change(
        c,
        "DELETE FROM clients WHERE row IN (SELECT row FROM clients \
         WHERE expires_at < ?1 AND origin <> 'preregistered' \
         AND NOT EXISTS (SELECT 1 FROM grants WHERE client = clients.id AND ended IS NULL) LIMIT ?2)",
        (limits.now.millis(), BATCH),
    )?;
    // As long as all clients together are within the cap, which is cheap to count, nobody need be judged.
    let total: i64 = c.prepare_cached("SELECT count(*) FROM clients")?.query_row([], |row| row.get(0))?;
    if total.cast_unsigned() <= limits.most_unused_clients {
        return Ok(expired);
    }
    let unused: i64 = c
        .prepare_cached(
            "SELECT count(*) FROM clients WHERE origin <> 'preregistered' \
             AND NOT EXISTS (SELECT 1 FROM grants WHERE client = clients.id AND ended IS NULL)",
        )?
        .query_row([], |row| row.get(0))?;
    let excess = unused.cast_unsigned().saturating_sub(limits.most_unused_clients);
    let oldest = change(
        c,
        "DELETE FROM clients WHERE row IN (SELECT row FROM clients WHERE origin <> 'preregistered' \
         AND NOT EXISTS (SELECT 1 FROM grants WHERE client = clients.id AND ended IS NULL) \
         ORDER BY row LIMIT ?1)",
        [excess.min(SWEEP_BATCH.saturating_sub(expired)).cast_signed()],
    )?;
    Ok(expired + oldest)
}

fn sealed(c: &Connection, now: i64, place: &mut Place) -> Result<u64> {
    let (last, seen): (Option<i64>, i64) = c
        .prepare_cached(
            "SELECT max(id), count(*) FROM (SELECT id FROM grants WHERE id >= ?1 ORDER BY id LIMIT ?2)",
        )?
        .query_row((place.0, WINDOW), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(last) = last else {
        *place = Place::default();
        return Ok(0);
    };
    let erased = change(
        c,
        "UPDATE grants SET previous = NULL, previous_sealed = NULL, previous_until = NULL WHERE id IN \
         (SELECT id FROM grants WHERE id BETWEEN ?1 AND ?2 AND previous_until < ?3 LIMIT ?4)",
        (place.0, last, now, BATCH),
    )?;
    if erased < SWEEP_BATCH {
        *place = if seen < WINDOW { Place::default() } else { Place(last.saturating_add(1)) };
    }
    Ok(erased)
}
