//! Records into rows.

use portcullis_rules::model::{
    Client, Code, Grant, GrantState, KeyRecord, PasswordHash, Session, Subject, User, account_key,
};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::ClientId;
use portcullis_wire::register::ClientMetadata;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use rusqlite::{Connection, Error, params};

use super::rows::signed;
use super::words;
use super::write::{Held, exactly_one, of_grant, of_session, of_user};

pub(super) fn put_client(c: &Connection, client: &Client) -> Held {
    let metadata = serde_json::to_string(&client.metadata)
        .map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    exactly_one(
        c,
        "INSERT INTO clients \
         (id, origin, metadata, secret, ceiling, introspects, enabled, created_at, expires_at, management) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
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
            client.management.as_ref().map(Digest::as_bytes),
        ],
    )
}

pub(super) fn update_client(c: &Connection, id: &ClientId, metadata: &ClientMetadata) -> Held {
    let metadata =
        serde_json::to_string(metadata).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    exactly_one(c, "UPDATE clients SET metadata = ?2 WHERE id = ?1", (id.as_str(), metadata))
}

pub(super) fn add_user(c: &Connection, user: &User) -> Held {
    exactly_one(
        c,
        "INSERT INTO users (id, key, name, password, admin, enabled, created_at, member_of, email, issuer, subject, \
         proven_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        (
            of_user(&user.id),
            account_key(&user.name),
            &user.name,
            user.password.as_ref().map_or("", PasswordHash::expose),
            user.admin,
            !user.switched_off,
            user.created_at.millis(),
            words::groups(&user.groups),
            &user.email,
            user.provider.as_ref().map(|link| &link.issuer),
            user.provider.as_ref().map(|link| &link.subject),
            user.proven_until.map(UnixTime::millis),
        ),
    )
}

pub(super) fn open_session(c: &Connection, session: &Session) -> Held {
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

pub(super) fn add_code(c: &Connection, code: &Code) -> Held {
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

pub(super) fn add_grant(c: &Connection, grant: &Grant) -> Held {
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
         expires_at, suspended, ended, replaces, tip, previous, previous_sealed, previous_until, \
         wanted, personal) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
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
            words::wanted(&grant.wanted),
            grant.personal.as_ref().map(Digest::as_bytes),
        ],
    )
}

pub(super) fn add_key(c: &Connection, key: &KeyRecord) -> Held {
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
