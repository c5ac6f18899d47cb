//! Questions to people.

use portcullis_rules::approve::{Approval, ApprovalState, Shown};
use portcullis_rules::facts::{ApprovalQuery, ApprovalRow, AskFacts};
use portcullis_rules::model::Subject;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, GrantId, UserId};
use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, Result, params};

use super::read::{self, all, limit, one};
use super::rows::{Fields, resource, signed};
use super::write::{Held, change, exactly_one, of_grant, of_user};

const COLUMNS: &str =
    "id, agent, user, resource, tool, call, shown, cut, state, created_at, expires_at, decided_at";

fn approval(f: &mut Fields<'_>) -> Result<Approval> {
    Ok(Approval {
        id: ApprovalId::from_number(f.number()?),
        grant: GrantId::from_number(f.number()?),
        user: UserId::from_number(f.number()?),
        resource: f.read(resource)?,
        tool: f.next()?,
        call: f.digest()?,
        shown: Shown { text: f.next()?, cut: f.next()? },
        state: f.read(ApprovalState::parse)?,
        created_at: f.time()?,
        expires_at: f.time()?,
        decided_at: f.maybe_time()?,
    })
}

pub(super) fn add(c: &Connection, approval: &Approval) -> Held {
    change(
        c,
        "DELETE FROM approvals WHERE agent = ?1 AND call = ?2 AND state = 'open' AND expires_at <= ?3",
        (of_grant(&approval.grant), approval.call.as_bytes(), approval.created_at.millis()),
    )?;
    exactly_one(
        c,
        "INSERT INTO approvals (id, agent, user, resource, tool, call, shown, cut, state, created_at, \
         expires_at, decided_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            signed(approval.id.number()),
            of_grant(&approval.grant),
            of_user(&approval.user),
            approval.resource.as_str(),
            approval.tool,
            approval.call.as_bytes(),
            approval.shown.text,
            approval.shown.cut,
            approval.state.as_str(),
            approval.created_at.millis(),
            approval.expires_at.millis(),
            approval.decided_at.map(UnixTime::millis),
        ],
    )
}

pub(super) fn decide(
    c: &Connection,
    id: ApprovalId,
    to: ApprovalState,
    at: UnixTime,
    expires_at: UnixTime,
) -> Held {
    exactly_one(
        c,
        "UPDATE approvals SET state = ?2, decided_at = ?3, expires_at = ?4 \
         WHERE id = ?1 AND state = 'open' AND expires_at > ?3",
        (signed(id.number()), to.as_str(), at.millis(), expires_at.millis()),
    )
}

pub(super) fn spend(c: &Connection, id: ApprovalId) -> Held {
    exactly_one(
        c,
        "UPDATE approvals SET state = 'spent' WHERE id = ?1 AND state = 'approved'",
        [signed(id.number())],
    )
}

/// How many of an agent's questions are open.
pub(super) fn open(c: &Connection, grant: GrantId, at: UnixTime) -> Result<usize> {
    let count: i64 = c
        .prepare_cached(
            "SELECT count(*) FROM approvals WHERE agent = ?1 AND state = 'open' AND expires_at > ?2",
        )?
        .query_row((of_grant(&grant), at.millis()), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn ask_facts(c: &Connection, grant: GrantId, call: &Digest, at: UnixTime) -> Result<AskFacts> {
    let sql = format!(
        "SELECT {COLUMNS} FROM approvals WHERE agent = ?1 AND call = ?2 AND state <> 'spent' ORDER BY id DESC"
    );
    let facts = read::grant_facts(c, grant, None, None)?;
    Ok(AskFacts {
        grant: facts.grant,
        user: facts.user,
        approvals: all(c, &sql, (of_grant(&grant), call.as_bytes()), approval)?,
        open: open(c, grant, at)?,
    })
}

fn with_others(c: &Connection, approval: Approval) -> Result<ApprovalRow> {
    let facts = read::grant_facts(c, approval.grant, None, None)?;
    let client = match &facts.grant {
        Some(grant) => read::client(c, &grant.client)?,
        None => None,
    };
    let own = facts.grant.as_ref().is_some_and(|grant| grant.subject == Subject::Person(approval.user));
    let user = if own { facts.user } else { read::user(c, approval.user)? };
    Ok(ApprovalRow { approval: Some(approval), grant: facts.grant, client, user })
}

pub(super) fn row(c: &Connection, id: ApprovalId) -> Result<ApprovalRow> {
    let sql = format!("SELECT {COLUMNS} FROM approvals WHERE id = ?1");
    match one(c, &sql, [signed(id.number())], approval)? {
        Some(approval) => with_others(c, approval),
        None => Ok(ApprovalRow::default()),
    }
}

pub(super) fn list(c: &Connection, query: &ApprovalQuery) -> Result<Vec<ApprovalRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM approvals WHERE (?1 IS NULL OR user = ?1) AND (?2 IS NULL OR agent = ?2) \
         AND (?3 IS NULL OR (state = 'open' AND expires_at > ?3)) ORDER BY id DESC LIMIT ?4"
    );
    let given = (
        query.user.as_ref().map(of_user),
        query.grant.as_ref().map(of_grant),
        query.open_at.map(UnixTime::millis),
        limit(query.most),
    );
    all(c, &sql, given, approval)?.into_iter().map(|approval| with_others(c, approval)).collect()
}
