//! Rows into records.

use portcullis_rules::facts::AgentRow;
use portcullis_rules::federation::ProviderLink;
use portcullis_rules::model::{
    Client, Code, Cut, EndReason, Grant, GrantState, KeyRecord, KeyState, PasswordHash, Previous, Session,
    SetupLink, Subject, Tip, User,
};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::pkce::CodeChallenge;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{Scope, Scopes};
use portcullis_wire::time::UnixTime;
use rusqlite::types::{FromSql, Type, ValueRef};
use rusqlite::{Result, Row};

use super::words;

pub(super) const CLIENT: &str = "clients.id, clients.origin, clients.metadata, clients.secret, clients.ceiling, \
     clients.introspects, clients.enabled, clients.created_at, clients.expires_at, clients.management";
pub(super) const USER: &str = "users.id, users.name, users.password, users.admin, users.enabled, users.created_at, users.member_of, \
     users.email, users.issuer, users.subject, users.proven_until, (users.issuer IS NULL OR EXISTS \
     (SELECT 1 FROM providers WHERE providers.issuer = users.issuer AND providers.state = 'on'))";
pub(super) const SESSION: &str =
    "sessions.id, sessions.digest, sessions.user, sessions.created_at, sessions.expires_at";
pub(super) const CODE: &str =
    "id, digest, client, user, redirect_uri, challenge, resource, scopes, replaces, expires_at, spent";
pub(super) const GRANT: &str = "grants.id, grants.client, grants.user, grants.resource, grants.scopes, \
     grants.redirect, grants.label, grants.created_at, grants.last_used_at, grants.expires_at, \
     grants.suspended, grants.ended, grants.replaces, grants.tip, grants.previous, grants.previous_sealed, \
     grants.previous_until, grants.wanted, grants.personal";
pub(super) const LINK: &str = "number, digest, reset, expires_at";
pub(super) const KEY: &str = "kid, alg, sealed, state, created_at, changed_at";
pub(super) const CUT: &str = "number, kind, target, at";

/// How a number of 64 bits stands in a signed column: with its top bit flipped, order is kept.
pub(super) const fn signed(number: u64) -> i64 {
    (number ^ 1 << 63).cast_signed()
}

/// The number that [`signed`] made this of.
pub(super) const fn unsigned(stored: i64) -> u64 {
    stored.cast_unsigned() ^ 1 << 63
}

/// The columns of a row, one after another.
pub(super) struct Fields<'r> {
    row: &'r Row<'r>,
    at: usize,
}

impl<'r> Fields<'r> {
    pub(super) fn of(row: &'r Row<'r>) -> Self {
        Self { row, at: 0 }
    }

    /// Whether the next column holds nothing.
    pub(super) fn is_null(&self) -> Result<bool> {
        Ok(self.row.get_ref(self.at)? == ValueRef::Null)
    }

    fn skip(&mut self, columns: usize) {
        self.at += columns;
    }

    pub(super) fn next<T: FromSql>(&mut self) -> Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    /// A text that must read back; what it holds is not repeated in the error.
    pub(super) fn read<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        self.maybe(parse)?.ok_or_else(|| self.unreadable())
    }

    pub(super) fn maybe<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        self.at += 1;
        match self.row.get_ref(self.at - 1)?.as_str_or_null()? {
            None => Ok(None),
            Some(text) => parse(text).map(Some).ok_or_else(|| self.unreadable()),
        }
    }

    fn unreadable(&self) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(
            self.at - 1,
            Type::Text,
            "the row does not read back".into(),
        )
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        self.next().map(unsigned)
    }

    pub(super) fn maybe_number(&mut self) -> Result<Option<u64>> {
        Ok(self.next::<Option<i64>>()?.map(unsigned))
    }

    pub(super) fn time(&mut self) -> Result<UnixTime> {
        self.next().map(UnixTime::from_millis)
    }

    pub(super) fn maybe_time(&mut self) -> Result<Option<UnixTime>> {
        Ok(self.next::<Option<i64>>()?.map(UnixTime::from_millis))
    }

    pub(super) fn digest(&mut self) -> Result<Digest> {
        self.next().map(Digest::from_bytes)
    }

    pub(super) fn maybe_digest(&mut self) -> Result<Option<Digest>> {
        Ok(self.next::<Option<[u8; 32]>>()?.map(Digest::from_bytes))
    }
}

/// Scopes as they were written, however many: a limit on requests is none on rows.
fn scopes(text: &str) -> Option<Scopes> {
    text.split_terminator(' ').map(|word| Scope::parse(word).ok()).collect()
}

pub(super) fn resource(text: &str) -> Option<Resource> {
    Resource::parse(text).ok()
}

fn redirect(text: &str) -> Option<RedirectUri> {
    Some(RedirectUri::from_row(text.to_owned()))
}

pub(super) fn client(f: &mut Fields<'_>) -> Result<Client> {
    Ok(Client {
        id: f.read(ClientId::parse)?,
        origin: f.read(words::read_origin)?,
        metadata: f.read(|text| serde_json::from_str(text).ok())?,
        secret: f.maybe_digest()?,
        ceiling: f.maybe(scopes)?,
        introspects: f.maybe(resource)?,
        enabled: f.next()?,
        created_at: f.time()?,
        expires_at: f.maybe_time()?,
        management: f.maybe_digest()?,
    })
}

pub(super) fn user(f: &mut Fields<'_>) -> Result<User> {
    let id = UserId::from_number(f.number()?);
    let name = f.next()?;
    let password = Some(f.next::<String>()?).filter(|hash| !hash.is_empty()).map(PasswordHash::new);
    let admin = f.next()?;
    let switched_on: bool = f.next()?;
    Ok(User {
        created_at: f.time()?,
        groups: f.read(words::read_groups)?,
        email: f.next()?,
        provider: match (f.next()?, f.next()?) {
            (Some(issuer), Some(subject)) => Some(ProviderLink { issuer, subject }),
            _ => None,
        },
        proven_until: f.maybe_time()?,
        enabled: f.next::<bool>()? && switched_on,
        switched_off: !switched_on,
        id,
        name,
        password,
        admin,
    })
}

pub(super) fn session(f: &mut Fields<'_>) -> Result<Session> {
    Ok(Session {
        id: SessionId::from_number(f.number()?),
        digest: f.digest()?,
        user: UserId::from_number(f.number()?),
        created_at: f.time()?,
        expires_at: f.time()?,
    })
}

pub(super) fn code(f: &mut Fields<'_>) -> Result<Code> {
    Ok(Code {
        id: CodeId::from_number(f.number()?),
        digest: f.digest()?,
        client: f.read(ClientId::parse)?,
        user: UserId::from_number(f.number()?),
        redirect_uri: f.read(redirect)?,
        challenge: f.read(|text| Some(CodeChallenge::from_row(text.to_owned())))?,
        resource: f.read(resource)?,
        scopes: f.read(scopes)?,
        replaces: f.maybe_number()?.map(GrantId::from_number),
        expires_at: f.time()?,
        spent: f.maybe_number()?.map(GrantId::from_number),
    })
}

pub(super) fn grant(f: &mut Fields<'_>) -> Result<Grant> {
    Ok(Grant {
        id: GrantId::from_number(f.number()?),
        client: f.read(ClientId::parse)?,
        subject: f
            .maybe_number()?
            .map_or(Subject::Machine, |user| Subject::Person(UserId::from_number(user))),
        resource: f.read(resource)?,
        scopes: f.read(scopes)?,
        redirect: f.maybe(redirect)?,
        label: f.next()?,
        created_at: f.time()?,
        last_used_at: f.time()?,
        expires_at: f.maybe_time()?,
        state: {
            let suspended: bool = f.next()?;
            match f.maybe(EndReason::parse)? {
                Some(reason) => GrantState::Ended(reason),
                None if suspended => GrantState::Suspended,
                None => GrantState::Live,
            }
        },
        replaces: f.maybe_number()?.map(GrantId::from_number),
        tip: tip(f)?,
        wanted: f.read(words::read_wanted)?,
        personal: f.maybe_digest()?,
    })
}

fn tip(f: &mut Fields<'_>) -> Result<Option<Tip>> {
    let current = f.maybe_digest()?;
    let previous = match (f.maybe_digest()?, f.next::<Option<Vec<u8>>>()?, f.maybe_time()?) {
        (Some(digest), Some(sealed), Some(until)) => Some(Previous { digest, sealed, until }),
        _ => None,
    };
    Ok(current.map(|current| Tip { current, previous }))
}

pub(super) fn link(f: &mut Fields<'_>) -> Result<SetupLink> {
    Ok(SetupLink {
        number: f.number()?,
        digest: f.digest()?,
        reset: f.maybe_number()?.map(UserId::from_number),
        expires_at: f.time()?,
    })
}

pub(super) fn key(f: &mut Fields<'_>) -> Result<KeyRecord> {
    Ok(KeyRecord {
        kid: f.next()?,
        alg: f.next()?,
        sealed: f.next()?,
        state: f.read(KeyState::parse)?,
        created_at: f.time()?,
        changed_at: f.time()?,
    })
}

pub(super) fn cut(f: &mut Fields<'_>) -> Result<Cut> {
    let number = f.next::<i64>()?.cast_unsigned();
    let kind: String = f.next()?;
    Ok(Cut { number, target: f.read(|which| words::read_target(&kind, which))?, at: f.time()? })
}

/// A grant, its client if it is still there, and the name of its person.
pub(super) fn agent(f: &mut Fields<'_>) -> Result<AgentRow> {
    let grant = grant(f)?;
    let client = if f.is_null()? {
        f.skip(CLIENT.split(',').count());
        None
    } else {
        Some(client(f)?)
    };
    Ok(AgentRow { grant, client, user_name: f.next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_in_signed_columns() {
        let numbers = [0, 1, 42, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX];
        assert!(numbers.is_sorted_by_key(|number| signed(*number)));
        assert!(numbers.into_iter().all(|number| unsigned(signed(number)) == number));
    }
}
