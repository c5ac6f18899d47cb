//! Writes, each held by its own statement.

use portcullis_rules::model::{Cut, CutTarget, EndReason, Previous};
use portcullis_rules::verdict::{ClientsOf, Expect, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{GrantId, SessionId, UserId};
use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, Error, Params, ffi};

use super::audit::{self, Trail};
use super::rows::signed;
use super::{approvals, enter, expect, providers, tools, words};

/// Why a verdict was not applied.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something was not as expected.
    Conflict,
    /// SQLite could not.
    Fault(Error),
}

impl From<Error> for Stop {
    /// A number, digest or spelling that is taken is an expectation that does not hold; all else is a fault.
    fn from(error: Error) -> Self {
        let taken =
            [ffi::SQLITE_CONSTRAINT_PRIMARYKEY, ffi::SQLITE_CONSTRAINT_ROWID, ffi::SQLITE_CONSTRAINT_UNIQUE];
        match &error {
            Error::SqliteFailure(cause, _) if taken.contains(&cause.extended_code) => Self::Conflict,
            _ => Self::Fault(error),
        }
    }
}

pub(super) type Held<T = ()> = Result<T, Stop>;

/// Changes what is there; how many rows.
pub(super) fn change(c: &Connection, sql: &str, given: impl Params) -> Held<usize> {
    Ok(c.prepare_cached(sql)?.execute(given)?)
}

/// Changes exactly one row, or conflicts.
pub(super) fn exactly_one(c: &Connection, sql: &str, given: impl Params) -> Held {
    if change(c, sql, given)? == 1 { Ok(()) } else { Err(Stop::Conflict) }
}

/// Applies a whole verdict inside the caller's savepoint; the cuts it made.
pub(super) fn apply(
    c: &Connection,
    expects: &[Expect],
    writes: &[Write],
    trail: &mut Trail<'_>,
) -> Held<Vec<Cut>> {
    for relied_on in expects {
        if !expect::holds(c, relied_on)? {
            return Err(Stop::Conflict);
        }
    }
    let mut cuts = Vec::new();
    for write in writes {
        match write {
            Write::Audit(event) => trail.append(c, event)?,
            write => put(c, write, &mut cuts)?,
        }
    }
    Ok(cuts)
}

pub(super) fn is(c: &Connection, sql: &str, given: impl Params) -> Result<bool, Error> {
    c.prepare_cached(sql)?.exists(given)
}

pub(super) fn of_grant(id: &GrantId) -> i64 {
    signed(id.number())
}

pub(super) fn of_user(id: &UserId) -> i64 {
    signed(id.number())
}

pub(super) fn of_session(id: &SessionId) -> i64 {
    signed(id.number())
}

fn put(c: &Connection, write: &Write, cuts: &mut Vec<Cut>) -> Held {
    match write {
        Write::Spend { digest, until } => exactly_one(
            c,
            "INSERT INTO spent (digest, until) VALUES (?1, ?2)",
            (digest.as_bytes(), until.millis()),
        ),
        Write::PutClient(client) => enter::put_client(c, client),
        // Of a number and nothing, `max` makes nothing: what is kept for ever stays so.
        Write::KeepClient { client, until } => exactly_one(
            c,
            "UPDATE clients SET expires_at = max(expires_at, ?2) WHERE id = ?1",
            (client.as_str(), until.millis()),
        ),
        Write::SetClientEnabled(id, enabled) => {
            exactly_one(c, "UPDATE clients SET enabled = ?2 WHERE id = ?1", (id.as_str(), enabled))
        }
        Write::RemoveClient(id) => exactly_one(c, "DELETE FROM clients WHERE id = ?1", [id.as_str()]),
        Write::AddUser(user) => enter::add_user(c, user),
        Write::SetPassword(id, password) => {
            exactly_one(c, "UPDATE users SET password = ?2 WHERE id = ?1", (of_user(id), password.expose()))
        }
        Write::SetUserEnabled(id, enabled) => {
            exactly_one(c, "UPDATE users SET enabled = ?2 WHERE id = ?1", (of_user(id), enabled))
        }
        Write::SetEmail { user, from, to } => exactly_one(
            c,
            "UPDATE users SET email = ?3 WHERE id = ?1 AND email IS ?2",
            (of_user(user), from, to),
        ),
        Write::SetLink { user, from, to } => providers::set_link(c, *user, from.as_ref(), to.as_ref()),
        Write::SetProven(id, until) => exactly_one(
            c,
            "UPDATE users SET proven_until = ?2 WHERE id = ?1",
            (of_user(id), until.map(UnixTime::millis)),
        ),
        Write::PutProvider { provider, was } => providers::put(c, provider, *was),
        Write::CutPeopleOf(issuer, at) => providers::cut_people_of(c, issuer, *at, cuts),
        Write::PutHandoff(handoff) => providers::put_handoff(c, handoff),
        Write::TakeHandoff(digest) => providers::take_handoff(c, digest),
        Write::RemoveUser(id) => {
            exactly_one(c, "DELETE FROM users WHERE id = ?1", [of_user(id)])?;
            change(c, "DELETE FROM sessions WHERE user = ?1", [of_user(id)])?;
            change(c, "DELETE FROM approvals WHERE user = ?1", [of_user(id)]).map(drop)
        }
        Write::OpenSession(session) => enter::open_session(c, session),
        Write::EndSession(id) => change(c, "DELETE FROM sessions WHERE id = ?1", [of_session(id)]).map(drop),
        Write::EndSessionsOf(user, but) => change(
            c,
            "DELETE FROM sessions WHERE user = ?1 AND id IS NOT ?2",
            (of_user(user), but.as_ref().map(of_session)),
        )
        .map(drop),
        Write::AddCode(code) => enter::add_code(c, code),
        Write::SpendCode(id, grant) => exactly_one(
            c,
            "UPDATE codes SET spent = ?2 WHERE id = ?1 AND spent IS NULL",
            (signed(id.number()), of_grant(grant)),
        ),
        Write::AddGrant(grant) => enter::add_grant(c, grant),
        Write::Advance { grant, from, to, previous, at } => {
            advance(c, *grant, from, to, previous.as_ref(), *at)
        }
        Write::EndGrant { grant, reason, at } => {
            let sql = "UPDATE grants SET ended = ?2, previous = NULL, previous_sealed = NULL, \
                       previous_until = NULL WHERE id = ?1 AND ended IS NULL";
            if change(c, sql, (of_grant(grant), reason.as_str()))? > 0 {
                cut(c, CutTarget::Grant(*grant), *at, cuts)?;
            }
            Ok(())
        }
        Write::EndGrantsOfClient(client, reason, at) => {
            let sql = "UPDATE grants SET ended = ?2, previous = NULL, previous_sealed = NULL, \
                       previous_until = NULL WHERE client = ?1 AND ended IS NULL";
            let ended = change(c, sql, (client.as_str(), reason.as_str()))?;
            let sql = "DELETE FROM codes WHERE client = ?1 AND spent IS NULL AND expires_at > ?2";
            let codes = change(c, sql, (client.as_str(), at.millis()))?;
            // Every token is of a grant, and one that ended before was cut off then: with nothing ended now, nothing of
            // the client lives.
            if ended > 0 || codes > 0 {
                cut(c, CutTarget::Client(client.clone()), *at, cuts)?;
            }
            Ok(())
        }
        Write::CutOffClients(clients, reason, at) => cut_off(c, clients, *reason, *at, cuts),
        Write::EndGrantsOfPerson(user, reason, at) => {
            let sql = "UPDATE grants SET ended = ?2, previous = NULL, previous_sealed = NULL, \
                       previous_until = NULL WHERE user = ?1 AND ended IS NULL";
            change(c, sql, (of_user(user), reason.as_str()))?;
            let sql = "DELETE FROM codes WHERE user = ?1 AND spent IS NULL AND expires_at > ?2";
            change(c, sql, (of_user(user), at.millis()))?;
            cut(c, CutTarget::Person(*user), *at, cuts)
        }
        Write::SuspendGrant(id, at) => suspend(c, *id, *at, cuts),
        Write::RestoreGrant(id) => exactly_one(
            c,
            "UPDATE grants SET suspended = 0 WHERE id = ?1 AND suspended = 1 AND ended IS NULL",
            [of_grant(id)],
        ),
        Write::SetGrantScopes(id, scopes) => exactly_one(
            c,
            "UPDATE grants SET scopes = ?2 WHERE id = ?1 AND ended IS NULL AND suspended = 0",
            (of_grant(id), scopes.to_string()),
        ),
        Write::LabelGrant(id, label) => {
            exactly_one(c, "UPDATE grants SET label = ?2 WHERE id = ?1", (of_grant(id), label))
        }
        Write::TouchGrant(id, at) => change(
            c,
            "UPDATE grants SET last_used_at = max(last_used_at, ?2), replaces = NULL WHERE id = ?1",
            (of_grant(id), at.millis()),
        )
        .map(drop),
        Write::Replaced(id) => {
            change(c, "UPDATE grants SET replaces = NULL WHERE id = ?1", [of_grant(id)]).map(drop)
        }
        Write::Cut(target, at) => cut(c, target.clone(), *at, cuts),
        Write::PutSetupLink(link) => {
            change(c, "DELETE FROM setup_links", [])?;
            exactly_one(
                c,
                "INSERT INTO setup_links (number, digest, reset, expires_at) VALUES (?1, ?2, ?3, ?4)",
                (
                    signed(link.number),
                    link.digest.as_bytes(),
                    link.reset.as_ref().map(of_user),
                    link.expires_at.millis(),
                ),
            )
        }
        Write::SpendSetupLink(number) => {
            exactly_one(c, "DELETE FROM setup_links WHERE number = ?1", [signed(*number)])
        }
        Write::AddKey(key) => enter::add_key(c, key),
        Write::MoveKey { kid, from, to, at } => exactly_one(
            c,
            "UPDATE keys SET state = ?3, changed_at = ?4 WHERE kid = ?1 AND state = ?2",
            (kid, from.as_str(), to.as_str(), at.millis()),
        ),
        Write::SetGroups { user, from, to } => exactly_one(
            c,
            "UPDATE users SET member_of = ?3 WHERE id = ?1 AND member_of = ?2",
            (of_user(user), words::groups(from), words::groups(to)),
        ),
        Write::SetWanted { grant, from, to } => exactly_one(
            c,
            "UPDATE grants SET wanted = ?3 WHERE id = ?1 AND wanted = ?2",
            (of_grant(grant), words::wanted(from), words::wanted(to)),
        ),
        Write::UpdateClient(id, metadata) => enter::update_client(c, id, metadata),
        Write::AddApproval(approval) => approvals::add(c, approval),
        Write::DecideApproval { id, to, at, expires_at } => approvals::decide(c, *id, *to, *at, *expires_at),
        Write::SpendApproval(id) => approvals::spend(c, *id),
        Write::BeginBook(resource, at) => tools::begin(c, resource, *at),
        Write::SeeTool { resource, tool, accept, at } => tools::see(c, resource, tool, *accept, *at),
        Write::AcceptTool { resource, name, digest, at } => tools::accept(c, resource, name, digest, *at),
        Write::LoseTool(resource, name, at) => tools::lose(c, resource, name, *at),
        Write::ForgetTool(resource, name) => tools::forget(c, resource, name),
        Write::AddUses(uses) => tools::add_uses(c, uses),
        Write::Checkpoint(checkpoint) => audit::put_checkpoint(c, checkpoint),
        Write::ErasePerson(user) => audit::erase(c, *user),
        // Put on the chain by `apply`.
        Write::Audit(_) => Ok(()),
    }
}

fn advance(
    c: &Connection,
    grant: GrantId,
    from: &Digest,
    to: &Digest,
    previous: Option<&Previous>,
    at: UnixTime,
) -> Held {
    exactly_one(
        c,
        "UPDATE grants SET tip = ?3, previous = ?4, previous_sealed = ?5, previous_until = ?6, \
         last_used_at = max(last_used_at, ?7) \
         WHERE id = ?1 AND tip = ?2 AND ended IS NULL AND suspended = 0",
        (
            of_grant(&grant),
            from.as_bytes(),
            to.as_bytes(),
            previous.map(|previous| previous.digest.as_bytes()),
            previous.map(|previous| &previous.sealed),
            previous.map(|previous| previous.until.millis()),
            at.millis(),
        ),
    )
}

/// A person's grant is ended, never suspended; to be asked for it is a conflict rather than a silent nothing.
fn suspend(c: &Connection, id: GrantId, at: UnixTime, cuts: &mut Vec<Cut>) -> Held {
    let sql = "UPDATE grants SET suspended = 1 \
               WHERE id = ?1 AND user IS NULL AND ended IS NULL AND suspended = 0";
    if change(c, sql, [of_grant(&id)])? > 0 {
        return cut(c, CutTarget::Grant(id), at, cuts);
    }
    if is(c, "SELECT 1 FROM grants WHERE id = ?1 AND user IS NOT NULL", [of_grant(&id)])? {
        return Err(Stop::Conflict);
    }
    Ok(())
}

/// Each beginning is compared as text, so that no character of a host means anything else.
fn cut_off(
    c: &Connection,
    clients: &ClientsOf,
    reason: EndReason,
    at: UnixTime,
    cuts: &mut Vec<Cut>,
) -> Held {
    let whole = match clients {
        ClientsOf::One(id) => vec![id.as_str().to_owned()],
        ClientsOf::Domain(_) => Vec::new(),
    };
    let exact = whole.iter().map(|id| ("client = ?1", id));
    let beginnings = clients.beginnings();
    let begins = beginnings.iter().map(|text| ("substr(client, 1, length(?1)) = ?1", text));
    for (which, text) in exact.chain(begins) {
        let ended = "previous = NULL, previous_sealed = NULL, previous_until = NULL";
        let sql = format!(
            "UPDATE grants SET ended = ?2, {ended} WHERE {which} AND ended IS NULL AND user IS NOT NULL"
        );
        change(c, &sql, (text, reason.as_str()))?;
        let sql = format!("UPDATE grants SET suspended = 1 WHERE {which} AND ended IS NULL AND user IS NULL");
        change(c, &sql, [text])?;
        let sql = format!("DELETE FROM codes WHERE {which} AND spent IS NULL AND expires_at > ?2");
        change(c, &sql, (text, at.millis()))?;
    }
    cut(c, clients.target(), at, cuts)
}

pub(super) fn cut(c: &Connection, target: CutTarget, at: UnixTime, cuts: &mut Vec<Cut>) -> Held {
    let number: i64 = c
        .prepare_cached("UPDATE counter SET value = value + 1 RETURNING value")?
        .query_row([], |row| row.get(0))?;
    let (kind, which) = words::target(&target);
    exactly_one(
        c,
        "INSERT INTO cuts (number, kind, target, at) VALUES (?1, ?2, ?3, ?4)",
        (number, kind, which, at.millis()),
    )?;
    cuts.push(Cut { number: number.cast_unsigned(), target, at });
    Ok(())
}
