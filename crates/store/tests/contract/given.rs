//! Records to test with: small id spaces, so that chance meets collisions.

use std::collections::BTreeSet;

use portcullis_rules::approve::{Approval, ApprovalState, Shown};
use portcullis_rules::budget::Used;
use portcullis_rules::groups::Group;
use portcullis_rules::model::{
    Client, Code, Grant, GrantState, KeyRecord, KeyState, Origin, PasswordHash, Previous, Session, SetupLink,
    Subject, Tip, User,
};
use portcullis_rules::tools::Listed;
use portcullis_rules::want::Wanted;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::pkce::CodeChallenge;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::{ApplicationType, AuthMethod, ClientMetadata, GrantType};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{Scope, Scopes};
use portcullis_wire::time::UnixTime;

/// How many of each kind there are.
pub(crate) const FEW: u64 = 4;

/// The `n`th number of an id: the small, the large and the halves of the space.
fn number(n: u64) -> u64 {
    match n {
        0..=1 => n,
        2 => 1 << 63,
        3 => u64::MAX,
        n => n,
    }
}

pub(crate) fn grant_id(n: u64) -> GrantId {
    GrantId::from_number(number(n))
}

pub(crate) fn user_id(n: u64) -> UserId {
    UserId::from_number(number(n))
}

pub(crate) fn code_id(n: u64) -> CodeId {
    CodeId::from_number(number(n))
}

pub(crate) fn session_id(n: u64) -> SessionId {
    SessionId::from_number(number(n))
}

pub(crate) fn client_id(n: u64) -> ClientId {
    ClientId::parse(&if n == 1 { "https://client.example/id".to_owned() } else { format!("client-{n}") })
        .expect("a client id")
}

pub(crate) fn link_number(n: u64) -> u64 {
    number(n)
}

pub(crate) fn resource(n: u64) -> Resource {
    Resource::parse(&format!("https://host.example/mcp{n}")).expect("a resource")
}

pub(crate) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).expect("scopes")
}

/// A digest by name: `digest("session", 1)` is that of the first session's cookie.
pub(crate) fn digest(kind: &str, n: u64) -> Digest {
    Digest::of(format!("{kind} {n}").as_bytes())
}

/// Hours since the epoch.
pub(crate) fn hours(n: u64) -> UnixTime {
    UnixTime::from_seconds(i64::try_from(n).expect("few hours") * 3600)
}

pub(crate) fn client(n: u64) -> Client {
    Client {
        id: client_id(n),
        origin: match n {
            0 => Origin::Registered,
            1 => Origin::Document,
            2 => Origin::Preregistered,
            _ => Origin::Registered,
        },
        metadata: ClientMetadata {
            name: format!("Client “{n}”"),
            redirect_uris: vec![RedirectUri::from_row("http://127.0.0.1/callback".to_owned())],
            auth_method: AuthMethod::None,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            application_type: ApplicationType::Native,
            scope: scopes("mcp:tools"),
            jwks: None,
            jwks_uri: None,
            client_uri: None,
        },
        secret: (n == 2).then(|| digest("secret", n)),
        management: (n == 0).then(|| digest("registration", n)),
        ceiling: (n == 2).then(|| scopes("a b")),
        introspects: (n == 3).then(|| resource(0)),
        enabled: true,
        created_at: hours(n),
        expires_at: (n != 2).then(|| hours(24)),
    }
}

pub(crate) fn user(n: u64) -> User {
    let hash = PasswordHash::new(format!("$argon2id${n}"));
    User {
        admin: n == 0,
        groups: if n == 0 { groups(0) } else { BTreeSet::new() },
        ..User::new(user_id(n), format!("Person {n}"), Some(hash), hours(n))
    }
}

/// The groups of a person: none, or some that begin alike.
pub(crate) fn groups(n: u64) -> BTreeSet<Group> {
    let names: &[&str] = match n {
        0 => &["staff", "staff.a"],
        1 => &["staff.a"],
        _ => &[],
    };
    names.iter().map(|name| group(name)).collect()
}

pub(crate) fn group(name: &str) -> Group {
    Group::parse(name).expect("a group")
}

/// Lists of wanted scopes.
pub(crate) fn wanted(n: u64) -> Vec<Wanted> {
    let one =
        |scope: &str, denied| Wanted { scope: Scope::parse(scope).expect("a scope"), at: hours(n), denied };
    match n {
        0 => vec![],
        1 => vec![one("notes:delete", false)],
        _ => vec![one("a!b", true), one("x:y", false)],
    }
}

/// An open question: the first two are about the same call.
pub(crate) fn approval(n: u64) -> Approval {
    Approval {
        id: approval_id(n),
        grant: grant_id(0),
        user: user_id(0),
        resource: resource(0),
        tool: "delete “note”".to_owned(),
        call: digest("call", n / 2),
        shown: Shown { text: r#"{"id":7}"#.to_owned(), cut: n == 1 },
        state: ApprovalState::Open,
        created_at: hours(n),
        expires_at: hours(n + 2),
        decided_at: None,
    }
}

pub(crate) fn approval_id(n: u64) -> ApprovalId {
    ApprovalId::from_number(number(n))
}

/// A tool, in one of several versions.
pub(crate) fn tool(n: u64, version: u64) -> Listed {
    Listed {
        name: format!("tool-{n}"),
        digest: digest("definition", version),
        definition: format!("{{\"version\":{version}}}"),
    }
}

pub(crate) fn used(n: u64, used: u32) -> Used {
    Used { key: digest("budget", n), window_start: hours(24 * n), used }
}

pub(crate) fn session(n: u64, of: u64) -> Session {
    Session {
        id: session_id(n),
        digest: digest("session", n),
        user: user_id(of),
        created_at: hours(1),
        expires_at: hours(9),
    }
}

pub(crate) fn code(n: u64) -> Code {
    Code {
        id: code_id(n),
        digest: digest("code", n),
        client: client_id(0),
        user: user_id(0),
        redirect_uri: RedirectUri::from_row("http://127.0.0.1:4000/callback".to_owned()),
        challenge: CodeChallenge::from_row("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
        resource: resource(0),
        scopes: scopes("mcp:resources mcp:tools"),
        replaces: (n == 1).then(|| grant_id(0)),
        expires_at: hours(1),
        spent: None,
    }
}

/// A person's grant, with a family of refresh tokens.
pub(crate) fn grant(n: u64) -> Grant {
    Grant {
        id: grant_id(n),
        client: client_id(0),
        subject: Subject::Person(user_id(0)),
        resource: resource(0),
        scopes: scopes("mcp:tools"),
        redirect: Some(RedirectUri::from_row("http://127.0.0.1/callback".to_owned())),
        label: None,
        created_at: hours(1),
        last_used_at: hours(2),
        expires_at: Some(hours(1000)),
        state: GrantState::Live,
        replaces: (n == 1).then(|| grant_id(0)),
        tip: Some(Tip { current: digest("tip", 0), previous: None }),
        wanted: wanted(n),
        personal: (n == 3).then(|| digest("personal", n)),
    }
}

/// A machine's grant.
pub(crate) fn machine(n: u64) -> Grant {
    Grant {
        subject: Subject::Machine,
        redirect: None,
        expires_at: None,
        tip: None,
        replaces: None,
        ..grant(n)
    }
}

pub(crate) fn previous(n: u64, until: UnixTime) -> Previous {
    Previous { digest: digest("tip", n), sealed: vec![0, 1, 255], until }
}

pub(crate) fn link(n: u64) -> SetupLink {
    SetupLink {
        number: link_number(n),
        digest: digest("link", n),
        reset: (n == 1).then(|| user_id(0)),
        expires_at: hours(1),
    }
}

pub(crate) fn key(n: u64) -> KeyRecord {
    KeyRecord {
        kid: format!("kid-{n}"),
        alg: "ES256".to_owned(),
        sealed: vec![9; 40],
        state: KeyState::Next,
        created_at: hours(n),
        changed_at: hours(n),
    }
}

/// Salts that can be told apart: the digests of a counter.
pub(crate) fn salts() -> portcullis_store::Salts {
    let counted = std::sync::atomic::AtomicU64::new(0);
    portcullis_store::Salts::new(move || {
        let n = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *Digest::of(format!("salt {n}").as_bytes()).as_bytes()
    })
}
