//! Questions: each function runs inside one read transaction.

use portcullis_rules::facts::{
    AgentQuery, AgentRow, BrowserFacts, CodeFacts, GrantFacts, MachineFacts, PersonalFacts, SetupFacts,
};
use portcullis_rules::model::{
    Client, Code, Cut, Grant, GrantState, KeyRecord, Origin, Session, SetupLink, Subject, User,
};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Params, Result, params_from_iter};

use super::rows::{self, Fields, signed};
use super::words;
use crate::contract::BrowserAsk;

type Reader<T> = fn(&mut Fields<'_>) -> Result<T>;

/// The one row, if it is there. The statement is finished when this returns, so that it holds no snapshot open.
pub(super) fn one<T>(c: &Connection, sql: &str, given: impl Params, reader: Reader<T>) -> Result<Option<T>> {
    c.prepare_cached(sql)?.query_row(given, |row| reader(&mut Fields::of(row))).optional()
}

pub(super) fn all<T>(c: &Connection, sql: &str, given: impl Params, reader: Reader<T>) -> Result<Vec<T>> {
    c.prepare_cached(sql)?.query_map(given, |row| reader(&mut Fields::of(row)))?.collect()
}

/// How many rows, as SQLite counts them.
pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

macro_rules! select {
    ($columns:expr, $rest:literal) => {
        &format!("SELECT {} {}", $columns, $rest)
    };
}

pub(super) fn client(c: &Connection, id: &ClientId) -> Result<Option<Client>> {
    one(c, select!(rows::CLIENT, "FROM clients WHERE id = ?1"), [id.as_str()], rows::client)
}

pub(super) fn user(c: &Connection, id: UserId) -> Result<Option<User>> {
    one(c, select!(rows::USER, "FROM users WHERE id = ?1"), [signed(id.number())], rows::user)
}

pub(super) fn user_by_key(c: &Connection, key: &str) -> Result<Option<User>> {
    one(c, select!(rows::USER, "FROM users WHERE key = ?1"), [key], rows::user)
}

fn session(c: &Connection, id: SessionId) -> Result<Option<Session>> {
    one(c, select!(rows::SESSION, "FROM sessions WHERE id = ?1"), [signed(id.number())], rows::session)
}

fn code(c: &Connection, id: CodeId) -> Result<Option<Code>> {
    one(c, select!(rows::CODE, "FROM codes WHERE id = ?1"), [signed(id.number())], rows::code)
}

fn grant(c: &Connection, id: GrantId) -> Result<Option<Grant>> {
    one(c, select!(rows::GRANT, "FROM grants WHERE id = ?1"), [signed(id.number())], rows::grant)
}

fn link(c: &Connection, number: u64) -> Result<Option<SetupLink>> {
    one(c, select!(rows::LINK, "FROM setup_links WHERE number = ?1"), [signed(number)], rows::link)
}

/// Whether a value that may be used once was used; nothing given was not.
pub(super) fn was_spent(c: &Connection, digest: Option<&Digest>) -> Result<bool> {
    let Some(digest) = digest else { return Ok(false) };
    c.prepare_cached("SELECT 1 FROM spent WHERE digest = ?1")?.exists([digest.as_bytes()])
}

fn has_users(c: &Connection) -> Result<bool> {
    c.prepare_cached("SELECT 1 FROM users LIMIT 1")?.exists([])
}

fn has_local_users(c: &Connection) -> Result<bool> {
    c.prepare_cached("SELECT 1 FROM users WHERE password <> '' LIMIT 1")?.exists([])
}

pub(super) fn counter(c: &Connection) -> Result<u64> {
    let value: i64 = c.prepare_cached("SELECT value FROM counter")?.query_row([], |row| row.get(0))?;
    Ok(value.cast_unsigned())
}

/// Looks up what is named.
fn named<A, T>(what: Option<A>, find: impl FnOnce(A) -> Result<Option<T>>) -> Result<Option<T>> {
    what.map_or(Ok(None), find)
}

pub(super) fn browser_facts(c: &Connection, ask: &BrowserAsk) -> Result<BrowserFacts> {
    let session = named(ask.session.as_ref(), |(id, digest)| {
        Ok(session(c, *id)?.filter(|session| session.digest.matches(digest)))
    })?;
    let session = named(session, |session| Ok(user(c, session.user)?.map(|user| (session, user))))?;
    let grants = match (&ask.client, &session) {
        (Some(client), Some((_, user))) => all(
            c,
            select!(
                rows::GRANT,
                "FROM grants WHERE user = ?1 AND client = ?2 AND ended IS NULL AND suspended = 0 ORDER BY id"
            ),
            (signed(user.id.number()), client.as_str()),
            rows::grant,
        )?,
        _ => Vec::new(),
    };
    Ok(BrowserFacts {
        client: named(ask.client.as_ref(), |id| client(c, id))?,
        session,
        grants,
        spent: was_spent(c, ask.ticket.as_ref())?,
        has_users: has_users(c)?,
    })
}

pub(super) fn code_facts(
    c: &Connection,
    id: CodeId,
    by: &ClientId,
    assertion: Option<&Digest>,
) -> Result<CodeFacts> {
    let code = code(c, id)?;
    Ok(CodeFacts {
        user: named(code.as_ref(), |code| user(c, code.user))?,
        is_alive: named(code.as_ref().and_then(|code| code.spent), |id| grant(c, id))?
            .is_some_and(|grant| grant.state == GrantState::Live),
        code,
        client: client(c, by)?,
        spent: was_spent(c, assertion)?,
        rev: counter(c)?,
    })
}

pub(super) fn grant_facts(
    c: &Connection,
    id: GrantId,
    by: Option<&ClientId>,
    assertion: Option<&Digest>,
) -> Result<GrantFacts> {
    let grant = grant(c, id)?;
    let person = grant.as_ref().and_then(|grant| match grant.subject {
        Subject::Person(id) => Some(id),
        Subject::Machine => None,
    });
    Ok(GrantFacts {
        grant,
        client: named(by, |id| client(c, id))?,
        user: named(person, |id| user(c, id))?,
        spent: was_spent(c, assertion)?,
        rev: counter(c)?,
    })
}

pub(super) fn machine_facts(
    c: &Connection,
    by: &ClientId,
    resource: &Resource,
    assertion: Option<&Digest>,
) -> Result<MachineFacts> {
    let grant = one(
        c,
        select!(
            rows::GRANT,
            "FROM grants WHERE client = ?1 AND resource = ?2 AND user IS NULL AND ended IS NULL"
        ),
        (by.as_str(), resource.as_str()),
        rows::grant,
    )?;
    Ok(MachineFacts { client: client(c, by)?, grant, spent: was_spent(c, assertion)?, rev: counter(c)? })
}

pub(super) fn personal_facts(c: &Connection, id: UserId, at: UnixTime) -> Result<PersonalFacts> {
    let living: i64 = c
        .prepare_cached(
            "SELECT count(*) FROM grants WHERE user = ?1 AND personal IS NOT NULL AND ended IS NULL \
             AND expires_at > ?2",
        )?
        .query_row((signed(id.number()), at.millis()), |row| row.get(0))?;
    Ok(PersonalFacts {
        user: user(c, id)?,
        client: named(ClientId::parse(portcullis_rules::personal::CLIENT), |id| client(c, &id))?,
        living: usize::try_from(living).unwrap_or(usize::MAX),
    })
}

pub(super) fn setup_facts(c: &Connection, number: Option<u64>) -> Result<SetupFacts> {
    let link = named(number, |number| link(c, number))?;
    Ok(SetupFacts {
        user: named(link.as_ref().and_then(|link| link.reset), |id| user(c, id))?,
        link,
        has_local_users: has_local_users(c)?,
    })
}

pub(super) fn users(c: &Connection) -> Result<Vec<User>> {
    all(c, select!(rows::USER, "FROM users ORDER BY key"), [], rows::user)
}

pub(super) fn clients(c: &Connection, origin: Option<Origin>, most: usize) -> Result<Vec<Client>> {
    match origin {
        None => all(
            c,
            select!(rows::CLIENT, "FROM clients ORDER BY row DESC LIMIT ?1"),
            [limit(most)],
            rows::client,
        ),
        Some(origin) => all(
            c,
            select!(rows::CLIENT, "FROM clients WHERE origin = ?1 ORDER BY row DESC LIMIT ?2"),
            (words::origin(origin), limit(most)),
            rows::client,
        ),
    }
}

pub(super) fn agents(c: &Connection, query: &AgentQuery) -> Result<Vec<AgentRow>> {
    let mut sql = format!(
        "SELECT {}, {}, users.name FROM grants LEFT JOIN clients ON clients.id = grants.client \
         LEFT JOIN users ON users.id = grants.user WHERE 1",
        rows::GRANT,
        rows::CLIENT
    );
    let mut given = Vec::new();
    let mut only = |clause: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql.push_str(clause);
            given.push(value);
        }
    };
    only(" AND grants.id = ?", query.id.map(|id| signed(id.number()).into()));
    only(" AND grants.user = ?", query.user.map(|id| signed(id.number()).into()));
    only(" AND grants.client = ?", query.client.as_ref().map(|id| id.as_str().to_owned().into()));
    only(" AND grants.resource = ?", query.resource.as_ref().map(|r| r.as_str().to_owned().into()));
    if !query.ended {
        sql.push_str(" AND grants.ended IS NULL");
    }
    sql.push_str(" ORDER BY grants.id DESC LIMIT ?");
    given.push(limit(query.most).into());
    all(c, &sql, params_from_iter(given), rows::agent)
}

pub(super) fn keys(c: &Connection) -> Result<Vec<KeyRecord>> {
    all(c, select!(rows::KEY, "FROM keys ORDER BY created_at, kid"), [], rows::key)
}

pub(super) fn cuts(c: &Connection, since: UnixTime) -> Result<Vec<Cut>> {
    all(c, select!(rows::CUT, "FROM cuts WHERE at >= ?1 ORDER BY number"), [since.millis()], rows::cut)
}
