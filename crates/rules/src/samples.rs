//! Sample records for this room's own tests.

use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::pkce::CodeChallenge;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::{ApplicationType, AuthMethod, ClientMetadata, GrantType};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::authorize::Asked;
use crate::model::{Client, Code, Grant, GrantState, Origin, PasswordHash, Session, Subject, Tip, User};

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn resource() -> Resource {
    Resource::parse("https://h.example/mcp").unwrap()
}

fn challenge() -> CodeChallenge {
    CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap()
}

pub(crate) fn public_client() -> Client {
    Client {
        id: ClientId::parse("client").unwrap(),
        origin: Origin::Registered,
        metadata: ClientMetadata {
            name: "Sample".to_owned(),
            redirect_uris: vec![RedirectUri::from_row("http://127.0.0.1/cb".to_owned())],
            auth_method: AuthMethod::None,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            application_type: ApplicationType::Native,
            scope: Scopes::none(),
            jwks: None,
            jwks_uri: None,
            client_uri: None,
        },
        secret: None,
        management: None,
        ceiling: None,
        introspects: None,
        enabled: true,
        created_at: NOW,
        expires_at: Some(NOW + Duration::from_secs(86_400)),
    }
}

pub(crate) fn machine_client() -> Client {
    let public = public_client();
    Client {
        id: ClientId::parse("machine").unwrap(),
        origin: Origin::Preregistered,
        metadata: ClientMetadata {
            auth_method: AuthMethod::ClientSecretBasic,
            grant_types: vec![GrantType::ClientCredentials],
            redirect_uris: vec![],
            ..public.metadata
        },
        secret: Some(Digest::of(b"secret")),
        ceiling: Some(Scopes::parse("read").unwrap()),
        expires_at: None,
        ..public
    }
}

pub(crate) fn user() -> User {
    let hash = PasswordHash::new("$argon2id$sample".to_owned());
    User::new(UserId::from_number(11), "Alex".to_owned(), Some(hash), NOW)
}

pub(crate) fn session() -> Session {
    Session {
        id: SessionId::from_number(2),
        digest: Digest::of(b"session"),
        user: user().id,
        created_at: NOW,
        expires_at: NOW + Duration::from_secs(3600),
    }
}

pub(crate) fn asked() -> Asked {
    Asked {
        client: public_client().id,
        redirect_uri: RedirectUri::from_row("http://127.0.0.1:7/cb".to_owned()),
        state: Some("state".to_owned()),
        challenge: challenge(),
        resource: resource(),
        scopes: Scopes::parse("read").unwrap(),
    }
}

pub(crate) fn code() -> Code {
    Code {
        id: CodeId::from_number(3),
        digest: Digest::of(b"code"),
        client: public_client().id,
        user: user().id,
        redirect_uri: asked().redirect_uri,
        challenge: challenge(),
        resource: resource(),
        scopes: Scopes::parse("read").unwrap(),
        replaces: None,
        expires_at: NOW + Duration::from_secs(60),
        spent: None,
    }
}

pub(crate) fn grant() -> Grant {
    Grant {
        id: GrantId::from_number(21),
        client: public_client().id,
        subject: Subject::Person(user().id),
        resource: resource(),
        scopes: Scopes::parse("read write").unwrap(),
        redirect: Some(RedirectUri::from_row("http://127.0.0.1/cb".to_owned())),
        label: None,
        created_at: NOW,
        last_used_at: NOW,
        expires_at: Some(NOW + Duration::from_secs(365 * 86_400)),
        state: GrantState::Live,
        replaces: None,
        tip: Some(Tip { current: Digest::of(b"tip"), previous: None }),
        wanted: vec![],
        personal: None,
    }
}
