//! Identity providers, who belongs to them, and who is on the way to one.

use std::collections::BTreeSet;

use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider, ProviderLink, ProviderState};
use portcullis_rules::model::{Cut, CutTarget, User};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::UserId;
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, Result};

use super::read::{all, one, user};
use super::rows::{self, Fields, unsigned};
use super::write::{Held, Stop, change, cut, exactly_one, is, of_user};
use crate::contract::ArrivalAsk;

const COLUMNS: &str = "issuer, name, state, configured, since";

fn provider(f: &mut Fields<'_>) -> Result<Provider> {
    Ok(Provider {
        issuer: f.next()?,
        name: f.next()?,
        state: f.read(ProviderState::parse)?,
        configured: f.next()?,
        since: f.time()?,
    })
}

fn handed(f: &mut Fields<'_>) -> Result<Handoff> {
    Ok(Handoff { digest: f.digest()?, sealed: f.next()?, until: f.time()? })
}

pub(super) fn list(c: &Connection) -> Result<Vec<Provider>> {
    all(c, &format!("SELECT {COLUMNS} FROM providers ORDER BY issuer"), [], provider)
}

fn of_issuer(c: &Connection, issuer: &str) -> Result<Option<Provider>> {
    one(c, &format!("SELECT {COLUMNS} FROM providers WHERE issuer = ?1"), [issuer], provider)
}

pub(super) fn is_on(c: &Connection, issuer: &str) -> Result<bool> {
    is(c, "SELECT 1 FROM providers WHERE issuer = ?1 AND state = 'on'", [issuer])
}

fn linked(c: &Connection, issuer: &str, subject: &str) -> Result<Option<User>> {
    let sql = format!("SELECT {} FROM users WHERE issuer = ?1 AND subject = ?2", rows::USER);
    one(c, &sql, (issuer, subject), rows::user)
}

pub(super) fn link_facts(c: &Connection, id: UserId, to: &ProviderLink) -> Result<LinkFacts> {
    Ok(LinkFacts {
        user: user(c, id)?,
        linked: linked(c, &to.issuer, &to.subject)?,
        provider: of_issuer(c, &to.issuer)?,
    })
}

pub(super) fn handoff(c: &Connection, digest: &Digest) -> Result<Option<Handoff>> {
    one(c, "SELECT digest, sealed, until FROM handoffs WHERE digest = ?1", [digest.as_bytes()], handed)
}

pub(super) fn arrival_facts(c: &Connection, ask: &ArrivalAsk) -> Result<ArrivalFacts> {
    let by_email = match &ask.email {
        Some(email) => {
            let sql = format!("SELECT {} FROM users WHERE email = ?1 ORDER BY id LIMIT 2", rows::USER);
            all(c, &sql, [email], rows::user)?
        }
        None => Vec::new(),
    };
    let mut taken = BTreeSet::new();
    for key in &ask.names {
        if is(c, "SELECT 1 FROM users WHERE key = ?1", [key])? {
            taken.insert(key.clone());
        }
    }
    Ok(ArrivalFacts {
        provider: of_issuer(c, &ask.issuer)?,
        linked: linked(c, &ask.issuer, &ask.subject)?,
        by_email,
        taken,
        handoff: match &ask.handoff {
            Some(digest) => is(
                c,
                "SELECT 1 FROM handoffs WHERE digest = ?1 AND until > ?2",
                (digest.as_bytes(), ask.at.millis()),
            )?,
            None => false,
        },
    })
}

pub(super) fn put(c: &Connection, provider: &Provider, was: Option<ProviderState>) -> Held {
    let given = (
        &provider.issuer,
        &provider.name,
        provider.state.as_str(),
        provider.configured,
        provider.since.millis(),
    );
    match was {
        None => exactly_one(
            c,
            "INSERT INTO providers (issuer, name, state, configured, since) VALUES (?1, ?2, ?3, ?4, ?5)",
            given,
        ),
        Some(was) => {
            if !is(
                c,
                "SELECT 1 FROM providers WHERE issuer = ?1 AND state = ?2",
                (&provider.issuer, was.as_str()),
            )? {
                return Err(Stop::Conflict);
            }
            exactly_one(
                c,
                "UPDATE providers SET name = ?2, state = ?3, configured = ?4, since = ?5 WHERE issuer = ?1",
                given,
            )
        }
    }
}

pub(super) fn cut_people_of(c: &Connection, issuer: &str, at: UnixTime, cuts: &mut Vec<Cut>) -> Held {
    change(c, "DELETE FROM sessions WHERE user IN (SELECT id FROM users WHERE issuer = ?1)", [issuer])?;
    let people: Vec<i64> =
        all(c, "SELECT id FROM users WHERE issuer = ?1 ORDER BY id", [issuer], |f| f.next())?;
    for id in people {
        cut(c, CutTarget::Person(UserId::from_number(unsigned(id))), at, cuts)?;
    }
    Ok(())
}

pub(super) fn set_link(
    c: &Connection,
    user: UserId,
    from: Option<&ProviderLink>,
    to: Option<&ProviderLink>,
) -> Held {
    exactly_one(
        c,
        "UPDATE users SET issuer = ?4, subject = ?5 WHERE id = ?1 AND issuer IS ?2 AND subject IS ?3",
        (
            of_user(&user),
            from.map(|link| &link.issuer),
            from.map(|link| &link.subject),
            to.map(|link| &link.issuer),
            to.map(|link| &link.subject),
        ),
    )
}

/// Who is over, and who left first where there are too many, makes room.
pub(super) fn put_handoff(c: &Connection, handoff: &Handoff) -> Held {
    exactly_one(
        c,
        "INSERT INTO handoffs (digest, sealed, until) VALUES (?1, ?2, ?3)",
        (handoff.digest.as_bytes(), &handoff.sealed, handoff.until.millis()),
    )?;
    let count: i64 = c.prepare_cached("SELECT count(*) FROM handoffs")?.query_row([], |row| row.get(0))?;
    let most = i64::try_from(limit::HANDOFFS).unwrap_or(i64::MAX);
    if count > most {
        change(
            c,
            "DELETE FROM handoffs WHERE row IN (SELECT row FROM handoffs ORDER BY until, row LIMIT ?1)",
            [count - most],
        )?;
    }
    Ok(())
}

pub(super) fn take_handoff(c: &Connection, digest: &Digest) -> Held {
    exactly_one(c, "DELETE FROM handoffs WHERE digest = ?1", [digest.as_bytes()])
}
