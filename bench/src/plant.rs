//! Records that stand in the database before the load begins: the writes that the endpoints would have made.

use std::time::Duration;

use portcullis::SystemClock;
use portcullis_guard::Clock as _;
use portcullis_jose::mint::{Code as CodeKind, Mint, Refresh, Secret};
use portcullis_rules::model::{Client, Code, Grant, GrantState, Origin, PasswordHash, Subject, Tip, User};
use portcullis_rules::verdict::Write;
use portcullis_server::Entropy;
use portcullis_store::Store;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, CodeId, GrantId, UserId};
use portcullis_wire::pkce::CodeVerifier;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::{ApplicationType, AuthMethod, ClientMetadata, GrantType};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;

use crate::Outcome;

/// The verifier of every planted code (RFC 7636, appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The public client.
pub(crate) const AGENT: &str = "bench-agent";
/// The machine.
pub(crate) const MACHINE: &str = "bench-machine";
/// The server that introspects.
pub(crate) const READER: &str = "bench-reader";
/// The scope of everything.
pub(crate) const SCOPE: &str = "mcp:tools";

/// Records written in one commit.
const BATCH: usize = 500;
const REDIRECT: &str = "https://client.example/callback";
const PERSON: UserId = UserId::from_number(1);
/// Planted codes live this long; the load may take a while to come to them.
const CODE_LIFE: Duration = Duration::from_secs(3600);

/// What the load needs to know of what was planted.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Planted {
    /// The machine's secret.
    pub(crate) machine_secret: String,
    /// The introspecting server's secret.
    pub(crate) reader_secret: String,
    /// Codes, unredeemed.
    pub(crate) codes: Vec<String>,
    /// Refresh tokens, one a grant, for as many grants as are asked for.
    pub(crate) refresh: Vec<String>,
}

/// Plants clients, a person, codes and grants; of the grants' refresh tokens the first `told` are told.
pub(crate) async fn plant(
    store: &dyn Store,
    mint: &Mint,
    entropy: &dyn Entropy,
    resource: &Resource,
    counts: (usize, usize, usize),
) -> Outcome<Planted> {
    let (codes, grants, told) = counts;
    let ground = Ground { resource: resource.clone(), scopes: Scopes::parse(SCOPE)? };
    let random = || {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        bytes
    };
    let machine = mint.mint::<Secret>(1, random());
    let reader = mint.mint::<Secret>(2, random());
    let mut writes = vec![
        Write::AddUser(ground.person()),
        Write::PutClient(ground.agent()?),
        Write::PutClient(ground.machine(MACHINE, machine.digest(), None)?),
        Write::PutClient(ground.machine(READER, reader.digest(), Some(resource.clone()))?),
    ];
    let mut planted = Planted {
        machine_secret: machine.expose().to_owned(),
        reader_secret: reader.expose().to_owned(),
        ..Planted::default()
    };
    for number in 1..=codes as u64 {
        let code = mint.mint::<CodeKind>(number, random());
        writes.push(Write::AddCode(ground.code(CodeId::from_number(number), code.digest())?));
        planted.codes.push(code.expose().to_owned());
        flush(store, &mut writes, BATCH).await?;
    }
    for number in 1..=grants as u64 {
        let refresh = mint.mint::<Refresh>(number, random());
        writes.push(Write::AddGrant(ground.grant(GrantId::from_number(number), refresh.digest())?));
        if planted.refresh.len() < told {
            planted.refresh.push(refresh.expose().to_owned());
        }
        flush(store, &mut writes, BATCH).await?;
    }
    flush(store, &mut writes, 0).await?;
    Ok(planted)
}

async fn flush(store: &dyn Store, writes: &mut Vec<Write>, above: usize) -> Outcome<()> {
    if writes.len() > above {
        let commit = store.commit(Vec::new(), std::mem::take(writes)).await;
        commit.map_err(|why| format!("planting failed: {why:?}"))?;
    }
    Ok(())
}

struct Ground {
    resource: Resource,
    scopes: Scopes,
}

impl Ground {
    fn person(&self) -> User {
        let hash = PasswordHash::new("$argon2id$nobody-signs-in-here".to_owned());
        User::new(PERSON, "alex".to_owned(), Some(hash), SystemClock.now())
    }

    fn agent(&self) -> Outcome<Client> {
        Ok(Client {
            id: ClientId::parse(AGENT).ok_or("id")?,
            origin: Origin::Registered,
            metadata: ClientMetadata {
                name: "Bench".to_owned(),
                redirect_uris: vec![RedirectUri::parse(REDIRECT, &[])?],
                auth_method: AuthMethod::None,
                grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
                application_type: ApplicationType::Web,
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
            created_at: SystemClock.now(),
            expires_at: None,
        })
    }

    fn machine(&self, id: &str, secret: Digest, introspects: Option<Resource>) -> Outcome<Client> {
        let agent = self.agent()?;
        Ok(Client {
            id: ClientId::parse(id).ok_or("id")?,
            origin: Origin::Preregistered,
            metadata: ClientMetadata {
                auth_method: AuthMethod::ClientSecretBasic,
                grant_types: vec![GrantType::ClientCredentials],
                redirect_uris: Vec::new(),
                ..agent.metadata
            },
            secret: Some(secret),
            management: None,
            ceiling: introspects.is_none().then(|| self.scopes.clone()),
            introspects,
            ..agent
        })
    }

    fn code(&self, id: CodeId, digest: Digest) -> Outcome<Code> {
        Ok(Code {
            id,
            digest,
            client: ClientId::parse(AGENT).ok_or("id")?,
            user: PERSON,
            redirect_uri: RedirectUri::parse(REDIRECT, &[])?,
            challenge: CodeVerifier::parse(VERIFIER).ok_or("verifier")?.challenge(),
            resource: self.resource.clone(),
            scopes: self.scopes.clone(),
            replaces: None,
            expires_at: SystemClock.now() + CODE_LIFE,
            spent: None,
        })
    }

    fn grant(&self, id: GrantId, refresh: Digest) -> Outcome<Grant> {
        let now = SystemClock.now();
        Ok(Grant {
            id,
            client: ClientId::parse(AGENT).ok_or("id")?,
            subject: Subject::Person(PERSON),
            resource: self.resource.clone(),
            scopes: self.scopes.clone(),
            redirect: RedirectUri::parse(REDIRECT, &[]).ok(),
            label: None,
            created_at: now,
            last_used_at: now,
            expires_at: Some(now + Duration::from_secs(365 * 24 * 3600)),
            state: GrantState::Live,
            replaces: None,
            tip: Some(Tip { current: refresh, previous: None }),
            wanted: Vec::new(),
            personal: None,
        })
    }
}
