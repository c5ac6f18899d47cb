//! The server under load, in a process of its own: the endpoints over SQLite, a bare route, and that route guarded.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use portcullis::{Agent, SystemClock, SystemEntropy, ToolTable};
use portcullis_fetch::Fetcher;
use portcullis_guard::{Clock as _, Guard, StaticKeys};
use portcullis_jose::claims::{AccessClaims, Audience};
use portcullis_jose::jws::{self, Profile};
use portcullis_jose::key::{Alg, KeySet, SigningKey};
use portcullis_jose::master::MasterKey;
use portcullis_jose::mint::Mint;
use portcullis_rules::catalog::{Catalog, Effect, ResourceEntry, ScopeEntry};
use portcullis_server::{App, Entropy as _, Parts, RegistrationSettings, Settings};
use portcullis_store::{Salts, Sqlite, Store, sqlite};
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::{Scope, Scopes};

use crate::clock::now;
use crate::plant::{Planted, SCOPE, plant};
use crate::process::{Loaded, SERVER_CORE, pinned};
use crate::{Outcome, doors};

/// The word that makes this program the server under load.
pub(crate) const WORD: &str = "site";
/// Refresh tokens that the load is told: each is an agent of its own.
pub(crate) const TOLD: usize = 448;
/// Verifications timed alone.
const VERIFICATIONS: u32 = 300;
const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}],"isError":false}}"#;

/// What the server says of itself when it is ready.
#[derive(serde::Serialize, serde::Deserialize)]
struct Ready {
    address: String,
    planted: Planted,
    first: Vec<String>,
    verification_us: f64,
}

/// A running server under load; it ends when dropped.
pub(crate) struct Site {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    /// What stands in its database.
    pub(crate) planted: Planted,
    /// Tokens the guard of `/first` has never seen.
    pub(crate) first: Vec<String>,
    /// What verifying one ES256 signature costs there, in µs.
    pub(crate) verification_us: f64,
}

impl Site {
    /// Starts one with this many codes, grants and unseen tokens, its database in `dir`.
    /// With an upstream it has routes in front of that as well.
    pub(crate) fn start(
        dir: &Path,
        (codes, grants, first): (usize, usize, usize),
        upstream: Option<&str>,
    ) -> Outcome<Self> {
        let mut command = pinned(&std::env::current_exe()?, SERVER_CORE);
        command.arg(WORD).arg(dir).args([codes, grants, first].map(|count| count.to_string()));
        command.args(upstream);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let ready: Ready =
            serde_json::from_str(&line).map_err(|_| "the server under load did not come up")?;
        let Ready { address, planted, first, verification_us } = ready;
        Ok(Self { child, address, planted, first, verification_us })
    }
}

impl Loaded for Site {
    fn address(&self) -> &str {
        &self.address
    }

    fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the server: `DIR CODES GRANTS FIRST [UPSTREAM]`.
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    let [dir, codes, grants, first, upstream @ ..] = words else {
        return Err("site DIR CODES GRANTS FIRST [UPSTREAM]".into());
    };
    let counts = (codes.parse()?, grants.parse()?, first.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(serve(Path::new(dir), counts, upstream.first().map(String::as_str)))
}

fn salts() -> Salts {
    Salts::new(|| {
        let mut salt = [0; 32];
        SystemEntropy.fill(&mut salt);
        salt
    })
}

async fn serve(
    dir: &Path,
    (codes, grants, first): (usize, usize, usize),
    upstream: Option<&str>,
) -> Outcome<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let issuer = Issuer::parse(&format!("http://{address}"))?;
    let resource = Resource::parse(&format!("http://{address}/mcp"))?;
    let mut master = [0; 32];
    SystemEntropy.fill(&mut master);
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.join("bench.db"), sqlite::Options::new(salts()))?);
    let mint = Mint::new(&MasterKey::new(master));
    let told = TOLD;
    let planted = plant(&*store, &mint, &SystemEntropy, &resource, (codes, grants, told)).await?;
    let mut settings = Settings::new(issuer.clone(), catalog(&resource)?);
    settings.registration = RegistrationSettings { allowed: true, burst: 1_000_000, per_second: 1_000_000 };
    let app = App::start(Parts {
        store,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        master: MasterKey::new(master),
        fetcher: Fetcher::new(Default::default())?,
        settings,
    })
    .await?;
    let scopes = Scopes::parse(SCOPE)?;
    let guard = app.guard(&resource, ToolTable::new(scopes.clone())).ok_or("no guard")?;
    let key = SigningKey::generate(Alg::Es256)?;
    let keys = KeySet::from_keys([key.verifying_key()?])?;
    let first = sign(&key, &issuer, &resource, first)?;
    let verification_us = verification(&keys, &first)?;
    let strange =
        Guard::builder(issuer, resource.clone(), Arc::new(StaticKeys::new(keys)), Arc::new(SystemClock))
            .build();
    let mut routes = Router::new();
    if let Some(upstream) = upstream {
        routes = doors::routes(routes, &app, &resource, upstream).await?;
    }
    let routes = routes
        .route("/bare", post(async |_: Bytes| json()))
        .route("/mcp", post(async |_: Agent, _: Bytes| json()).layer(guard.require(&scopes)))
        .route("/first", post(async |_: Agent, _: Bytes| json()).layer(strange.require(&scopes)))
        .merge(app.router());
    let ready = serde_json::to_string(&Ready { address, planted, first, verification_us })?;
    writeln!(std::io::stdout(), "{ready}")?;
    tokio::spawn(Arc::clone(&app).chores());
    axum::serve(listener.tap_io(prompt), routes.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// Has a connection send at once what is to be sent, as those of the real binary do.
pub(crate) fn prompt(connection: &mut tokio::net::TcpStream) {
    let _ = connection.set_nodelay(true); // one that has gone away will show it
}

fn json() -> ([(&'static str, &'static str); 1], &'static str) {
    ([("content-type", "application/json")], ANSWER)
}

fn catalog(resource: &Resource) -> Outcome<Catalog> {
    let scope = ScopeEntry {
        scope: Scope::parse(SCOPE)?,
        title: "Use every tool".to_owned(),
        effect: Effect::Reads,
        tools: Vec::new(),
        default: true,
        people: portcullis_rules::groups::People::Everyone,
    };
    let entry = ResourceEntry {
        resource: resource.clone(),
        name: "Bench".to_owned(),
        scopes: vec![scope],
        rs256: false,
        people: portcullis_rules::groups::People::Everyone,
    };
    Ok(Catalog::new(vec![entry]).map_err(|why| format!("{why:?}"))?)
}

/// Tokens as the server makes them, signed with another key, each its own.
fn sign(key: &SigningKey, issuer: &Issuer, resource: &Resource, count: usize) -> Outcome<Vec<String>> {
    const LIFE: Duration = Duration::from_secs(3600);
    let iat = SystemClock.now();
    let claims = |number: usize| AccessClaims {
        iss: issuer.as_str().to_owned(),
        sub: "usr_1".to_owned(),
        aud: Audience::one(resource.as_str()),
        client_id: "bench-agent".to_owned(),
        exp: (iat + LIFE).seconds(),
        iat: iat.seconds(),
        nbf: None,
        jti: format!("first-{number}"),
        scope: Some(SCOPE.to_owned()),
        grant: Some("agt_1".to_owned()),
        rev: Some(0),
    };
    (0..count).map(|number| Ok(key.sign("at+jwt", &claims(number))?)).collect()
}

/// What one verification costs by itself, in µs.
fn verification(keys: &KeySet, tokens: &[String]) -> Outcome<f64> {
    let profile = Profile { typ: &["at+jwt"], algs: &[Alg::Es256] };
    let Some(token) = tokens.first() else { return Ok(0.0) };
    let begun = now();
    for _ in 0..VERIFICATIONS {
        jws::verify::<AccessClaims>(token, &profile, keys)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(VERIFICATIONS))
}
