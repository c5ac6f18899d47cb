//! Expectations and writes, each held by its own statement.

use portcullis_rules::event::Event;
use portcullis_rules::model::{
    Client, Code, Cut, CutTarget, Grant, GrantState, KeyRecord, Previous, Session, Subject, User, account_key,
};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId, SessionId, UserId};
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, Error, OptionalExtension as _, Params, ffi, params};

use super::rows::signed;
use super::words;

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

type Held<T = ()> = Result<T, Stop>;

/// Changes what is there; how many rows.
fn change(c: &Connection, sql: &str, given: impl Params) -> Held<usize> {
    Ok(c.prepare_cached(sql)?.execute(given)?)
}

/// Changes exactly one row, or conflicts.
fn exactly_one(c: &Connection, sql: &str, given: impl Params) -> Held {
    if change(c, sql, given)? == 1 { Ok(()) } else { Err(Stop::Conflict) }
}

/// Applies a whole verdict inside the caller's savepoint; the cuts it made.
pub(super) fn apply(c: &Connection, expects: &[Expect], writes: &[Write]) -> Held<Vec<Cut>> {
    for expect in expects {
        if !holds(c, expect)? {
            return Err(Stop::Conflict);
        }
    }
    let mut cuts = Vec::new();
    for write in writes {
        put(c, write, &mut cuts)?;
    }
    Ok(cuts)
}

fn is(c: &Connection, sql: &str, given: impl Params) -> Result<bool, Error> {
    c.prepare_cached(sql)?.exists(given)
}

fn of_grant(id: &GrantId) -> i64 {
    signed(id.number())
}

fn of_user(id: &UserId) -> i64 {
    signed(id.number())
}

fn of_session(id: &SessionId) -> i64 {
    signed(id.number())
}

fn holds(c: &Connection, expect: &Expect) -> Result<bool, Error> {
    match expect {
        Expect::GrantLive(id) => {
            is(c, "SELECT 1 FROM grants WHERE id = ?1 AND ended IS NULL AND suspended = 0", [of_grant(id)])
        }
        Expect::GrantScopes(id, scopes) => {
            is(c, "SELECT 1 FROM grants WHERE id = ?1 AND scopes = ?2", (of_grant(id), scopes.to_string()))
        }
        Expect::ClientEnabled(id) => {
            is(c, "SELECT 1 FROM clients WHERE id = ?1 AND enabled = 1", [id.as_str()])
        }
        Expect::UserEnabled(id) => is(c, "SELECT 1 FROM users WHERE id = ?1 AND enabled = 1", [of_user(id)]),
        Expect::PasswordIs(id, digest) => {
            let hash: Option<String> = c
                .prepare_cached("SELECT password FROM users WHERE id = ?1")?
                .query_row([of_user(id)], |row| row.get(0))
                .optional()?;
            Ok(hash.is_some_and(|hash| Digest::of(hash.as_bytes()).matches(digest)))
        }
        Expect::SessionLive(id) => is(c, "SELECT 1 FROM sessions WHERE id = ?1", [of_session(id)]),
        Expect::NoUsers => Ok(!is(c, "SELECT 1 FROM users LIMIT 1", [])?),
        Expect::TipIs(id, digest) => {
            is(c, "SELECT 1 FROM grants WHERE id = ?1 AND tip = ?2", (of_grant(id), digest.as_bytes()))
        }
    }
}

fn put(c: &Connection, write: &Write, cuts: &mut Vec<Cut>) -> Held {
    match write {
        Write::Spend { digest, until } => exactly_one(
            c,
            "INSERT INTO spent (digest, until) VALUES (?1, ?2)",
            (digest.as_bytes(), until.millis()),
        ),
        Write::PutClient(client) => put_client(c, client),
        // Of a number and nothing, `max` makes nothing: what is kept for ever stays so.
        Write::KeepClient { client, until } => exactly_one(
            c,
            "UPDATE clients SET expires_at = max(expires_at, ?2) WHERE id = ?1",
            (client.as_str(), until.millis()),
        ),
        Write::RemoveClient(id) => exactly_one(c, "DELETE FROM clients WHERE id = ?1", [id.as_str()]),
        Write::AddUser(user) => add_user(c, user),
        Write::SetPassword(id, password) => {
            exactly_one(c, "UPDATE users SET password = ?2 WHERE id = ?1", (of_user(id), password.expose()))
        }
        Write::SetUserEnabled(id, enabled) => {
            exactly_one(c, "UPDATE users SET enabled = ?2 WHERE id = ?1", (of_user(id), enabled))
        }
        Write::RemoveUser(id) => {
            exactly_one(c, "DELETE FROM users WHERE id = ?1", [of_user(id)])?;
            change(c, "DELETE FROM sessions WHERE user = ?1", [of_user(id)]).map(drop)
        }
        Write::OpenSession(session) => open_session(c, session),
        Write::EndSession(id) => change(c, "DELETE FROM sessions WHERE id = ?1", [of_session(id)]).map(drop),
        Write::EndSessionsOf(user, but) => change(
            c,
            "DELETE FROM sessions WHERE user = ?1 AND id IS NOT ?2",
            (of_user(user), but.as_ref().map(of_session)),
        )
        .map(drop),
        Write::AddCode(code) => add_code(c, code),
        Write::SpendCode(id, grant) => exactly_one(
            c,
            "UPDATE codes SET spent = ?2 WHERE id = ?1 AND spent IS NULL",
            (signed(id.number()), of_grant(grant)),
        ),
        Write::AddGrant(grant) => add_grant(c, grant),
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
            change(c, sql, (client.as_str(), reason.as_str()))?;
            cut(c, CutTarget::Client(client.clone()), *at, cuts)
        }
        Write::EndGrantsOfPerson(user, reason, at) => {
            let sql = "UPDATE grants SET ended = ?2, previous = NULL, previous_sealed = NULL, \
                       previous_until = NULL WHERE user = ?1 AND ended IS NULL";
            change(c, sql, (of_user(user), reason.as_str()))?;
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
        Write::AddKey(key) => add_key(c, key),
        Write::MoveKey { kid, from, to, at } => exactly_one(
            c,
            "UPDATE keys SET state = ?3, changed_at = ?4 WHERE kid = ?1 AND state = ?2",
            (kid, from.as_str(), to.as_str(), at.millis()),
        ),
        Write::Audit(event) => audit(c, event),
    }
}

fn put_client(c: &Connection, client: &Client) -> Held {
    let metadata = serde_json::to_string(&client.metadata)
        .map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    exactly_one(
        c,
        "INSERT INTO clients \
         (id, origin, metadata, secret, ceiling, introspects, enabled, created_at, expires_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, secret = excluded.secret, \
         ceiling = excluded.ceiling, introspects = excluded.introspects, \
         expires_at = max(expires_at, excluded.expires_at)",
        params![
            client.id.as_str(),
            words::origin(client.origin),
            metadata,
            client.secret.as_ref().map(Digest::as_bytes),
            client.ceiling.as_ref().map(Scopes::to_string),
            client.introspects.as_ref().map(|resource| resource.as_str()),
            client.enabled,
            client.created_at.millis(),
            client.expires_at.map(UnixTime::millis),
        ],
    )
}

fn add_user(c: &Connection, user: &User) -> Held {
    exactly_one(
        c,
        "INSERT INTO users (id, key, name, password, admin, enabled, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            of_user(&user.id),
            account_key(&user.name),
            &user.name,
            user.password.expose(),
            user.admin,
            user.enabled,
            user.created_at.millis(),
        ),
    )
}

fn open_session(c: &Connection, session: &Session) -> Held {
    exactly_one(
        c,
        "INSERT INTO sessions (id, digest, user, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            of_session(&session.id),
            session.digest.as_bytes(),
            of_user(&session.user),
            session.created_at.millis(),
            session.expires_at.millis(),
        ),
    )
}

fn add_code(c: &Connection, code: &Code) -> Held {
    exactly_one(
        c,
        "INSERT INTO codes (id, digest, client, user, redirect_uri, challenge, resource, scopes, replaces, \
         expires_at, spent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            signed(code.id.number()),
            code.digest.as_bytes(),
            code.client.as_str(),
            of_user(&code.user),
            code.redirect_uri.as_str(),
            code.challenge.as_str(),
            code.resource.as_str(),
            code.scopes.to_string(),
            code.replaces.as_ref().map(of_grant),
            code.expires_at.millis(),
            code.spent.as_ref().map(of_grant),
        ],
    )
}

fn add_grant(c: &Connection, grant: &Grant) -> Held {
    let user = match &grant.subject {
        Subject::Person(user) => Some(of_user(user)),
        Subject::Machine => None,
    };
    let ended = match grant.state {
        GrantState::Ended(reason) => Some(reason.as_str()),
        GrantState::Live | GrantState::Suspended => None,
    };
    let tip = grant.tip.as_ref();
    let previous = tip.and_then(|tip| tip.previous.as_ref());
    exactly_one(
        c,
        "INSERT INTO grants (id, client, user, resource, scopes, redirect, label, created_at, last_used_at, \
         expires_at, suspended, ended, replaces, tip, previous, previous_sealed, previous_until) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            of_grant(&grant.id),
            grant.client.as_str(),
            user,
            grant.resource.as_str(),
            grant.scopes.to_string(),
            grant.redirect.as_ref().map(|redirect| redirect.as_str()),
            grant.label,
            grant.created_at.millis(),
            grant.last_used_at.millis(),
            grant.expires_at.map(UnixTime::millis),
            grant.state == GrantState::Suspended,
            ended,
            grant.replaces.as_ref().map(of_grant),
            tip.map(|tip| tip.current.as_bytes()),
            previous.map(|previous| previous.digest.as_bytes()),
            previous.map(|previous| &previous.sealed),
            previous.map(|previous| previous.until.millis()),
        ],
    )
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

fn cut(c: &Connection, target: CutTarget, at: UnixTime, cuts: &mut Vec<Cut>) -> Held {
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

fn add_key(c: &Connection, key: &KeyRecord) -> Held {
    exactly_one(
        c,
        "INSERT INTO keys (kid, alg, sealed, state, created_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            &key.kid,
            &key.alg,
            &key.sealed,
            key.state.as_str(),
            key.created_at.millis(),
            key.changed_at.millis(),
        ),
    )
}

fn audit(c: &Connection, event: &Event) -> Held {
    exactly_one(
        c,
        "INSERT INTO events (at, kind, user, client, agent, resource, scopes, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            event.at.millis(),
            event.kind.as_str(),
            event.user.as_ref().map(of_user),
            event.client.as_ref().map(ClientId::as_str),
            event.grant.as_ref().map(of_grant),
            event.resource.as_ref().map(|resource| resource.as_str()),
            event.scopes.as_ref().map(Scopes::to_string),
            event.reason,
        ),
    )
}
