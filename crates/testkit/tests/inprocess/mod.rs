//! A whole server inside the test: its router is called without a socket, its clock is moved by hand, and its
//! store can be made to fail or to wait.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

pub mod browser;
pub mod machine;
pub mod message;
pub mod sluice;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::any;
use http_body_util::BodyExt as _;
use portcullis_fetch::Fetcher;
use portcullis_guard::{Agent, Clock};
use portcullis_jose::master::MasterKey;
use portcullis_jose::mint::{Mint, Session as SessionCookie};
use portcullis_mcp::ToolTable;
use portcullis_rules::catalog::{Catalog, Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::model::{PasswordHash, Session, User};
use portcullis_rules::verdict::Write;
use portcullis_server::admin::Command;
use portcullis_server::{App, Entropy, Parts, Settings};
use portcullis_store::sqlite::Options;
use portcullis_store::{Sqlite, Store, memory};
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{SessionId, UserId};
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::{Scope, Scopes};
use portcullis_wire::time::UnixTime;
use tower::ServiceExt as _;

pub use browser::Browser;
pub use message::{Answer, Ask};
pub use sluice::Sluice;

/// When every test begins, in milliseconds.
pub const BEGIN: i64 = 1_800_000_000_000;
pub const ISSUER: &str = "https://auth.example.com";
pub const HOST: &str = "auth.example.com";
pub const NOTES: &str = "https://auth.example.com/mcp";
pub const OTHER: &str = "https://auth.example.com/other";
pub const REDIRECT: &str = "https://client.example/cb";
pub const LOOPBACK: &str = "http://127.0.0.1:7777/cb";
pub const ALICE: &str = "alice";
pub const PASSWORD: &str = "canary-horse-battery-staple";
pub const VERIFIER: &str = "canary-verifier-dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Moved by hand.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The digests of a counter: the same in every run.
pub struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&Digest::of(&number.to_be_bytes()).as_bytes()[..chunk.len()]);
        }
    }
}

/// Where the records of a test lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
}

/// A server and everything around it.
pub struct Place {
    pub app: Arc<App>,
    pub clock: Arc<HandClock>,
    pub sluice: Arc<Sluice>,
    pub mint: Mint,
    /// Where the files are; gone with the place.
    pub directory: Option<tempfile::TempDir>,
    router: Router,
    numbers: AtomicU64,
}

const MASTER: [u8; 32] = [42; 32];

pub fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

pub fn challenge(verifier: &str) -> String {
    base64url::encode(Digest::of(verifier.as_bytes()).as_bytes())
}

pub fn catalog() -> Catalog {
    let scope = |name: &str, effect, default| ScopeEntry {
        scope: Scope::parse(name).unwrap(),
        title: format!("Use {name}"),
        effect,
        tools: Vec::new(),
        default,
        people: portcullis_rules::groups::People::Everyone,
    };
    let entry = |uri: &str, name: &str, scopes| ResourceEntry {
        resource: Resource::parse(uri).unwrap(),
        name: name.to_owned(),
        scopes,
        rs256: false,
        people: portcullis_rules::groups::People::Everyone,
    };
    Catalog::new(vec![
        entry(
            NOTES,
            "notes",
            vec![
                scope("notes:read", Effect::Reads, true),
                scope("notes:write", Effect::Changes, false),
                scope("notes:delete", Effect::Deletes, false),
            ],
        ),
        entry(OTHER, "other", vec![scope("other:use", Effect::Reads, true)]),
    ])
    .unwrap()
}

pub fn settings() -> Settings {
    let mut settings = Settings::new(Issuer::parse(ISSUER).unwrap(), catalog());
    settings.registration.burst = 10_000;
    settings
}

pub fn open(path: &std::path::Path, max_pages: Option<u32>) -> Arc<dyn Store> {
    let options = Options { max_pages, ..Options::new(portcullis_testkit::salts()) };
    Arc::new(Sqlite::open(&path.join("portcullis.db"), options).unwrap())
}

impl Place {
    /// A server on a store of `kind`, with the usual settings.
    pub async fn on(kind: Kind) -> Self {
        Self::with(kind, settings()).await
    }

    /// A server with other settings.
    pub async fn with(kind: Kind, settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = match kind {
            Kind::Memory => Arc::new(memory()),
            Kind::Sqlite => open(directory.path(), None),
        };
        Self::over(store, Some(directory), settings, BEGIN, 0).await
    }

    /// A server over a store that is there. `seed` begins the counted entropy.
    pub async fn over(
        store: Arc<dyn Store>,
        directory: Option<tempfile::TempDir>,
        settings: Settings,
        millis: i64,
        seed: u64,
    ) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(millis)));
        let sluice = Arc::new(Sluice::new(store));
        let parts = Parts {
            store: Arc::clone(&sluice) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(Counted(AtomicU64::new(seed))),
            master: MasterKey::new(MASTER),
            fetcher: Fetcher::new(portcullis_fetch::Settings::default()).unwrap(),
            settings,
        };
        let app = App::start(parts).await.unwrap();
        let mut router = app.router();
        for (resource, path, needs) in [(NOTES, "/mcp", "notes:read"), (OTHER, "/other", "other:use")] {
            let tools = ToolTable::new(Scopes::none())
                .tool("write_note", &scopes("notes:write"))
                .tool("delete_note", &scopes("notes:delete"));
            let guard = app.guard(&Resource::parse(resource).unwrap(), tools).unwrap();
            router = router.route(path, any(echo).layer(guard.require(&scopes(needs))));
        }
        Self {
            app,
            clock,
            sluice,
            mint: Mint::new(&MasterKey::new(MASTER)),
            directory,
            router,
            numbers: AtomicU64::new(seed + 1_000),
        }
    }

    /// Ends this server and starts another on the same files, a moment later. Nothing in memory survives.
    pub async fn restart(self) -> Self {
        let Self { app, clock, sluice, directory, router, numbers, mint: _ } = self;
        let (now, seed) = (clock.now(), numbers.load(Ordering::SeqCst) + 1_000_000);
        drop((app, router));
        assert_eq!(Arc::strong_count(&sluice), 1, "the old server is gone");
        drop(sluice);
        let store = open(directory.as_ref().unwrap().path(), None);
        Self::over(store, directory, settings(), now.millis() + 1, seed).await
    }

    pub fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub async fn send(&self, ask: Ask) -> Answer {
        let mut request = ask.request();
        let peer = SocketAddr::new(ask.peer, 40_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send(Ask::get(target)).await
    }

    pub async fn post(&self, target: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Ask::post(target).form(form)).await
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/token", form).await
    }

    pub async fn call(&self, path: &str, access: &str) -> Answer {
        self.send(Ask::tool(path, "read_note").bearer(access)).await
    }

    pub async fn administer(&self, command: Command) -> Vec<serde_json::Value> {
        self.app.administer(command).await.unwrap()
    }

    /// An account with the password [`PASSWORD`].
    pub async fn account(&self, name: &str) -> UserId {
        let command = Command::UserAdd { name: name.to_owned(), password: PASSWORD.to_owned(), admin: false };
        self.administer(command).await;
        self.sluice.user_by_key(name.to_owned()).await.unwrap().unwrap().id
    }

    /// An account that can only be acted for by [`Place::signed_in`]: no hash is computed.
    pub async fn quick_account(&self, name: &str) -> UserId {
        let id = UserId::from_number(self.numbers.fetch_add(1, Ordering::SeqCst));
        let hash = PasswordHash::new("no hash".to_owned());
        let user = User::new(id, name.to_owned(), Some(hash), self.now());
        self.sluice.commit(Vec::new(), vec![Write::AddUser(user)]).await.unwrap();
        id
    }

    /// A browser in which `user` is signed in.
    pub async fn signed_in(&self, user: UserId) -> Browser<'_> {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let random = *Digest::of(format!("session {number}").as_bytes()).as_bytes();
        let cookie = self.mint.mint::<SessionCookie>(number, random);
        let session = Session {
            id: SessionId::from_number(number),
            digest: cookie.digest(),
            user,
            created_at: self.now(),
            expires_at: self.now() + Duration::from_secs(8 * 60 * 60),
        };
        self.sluice.commit(Vec::new(), vec![Write::OpenSession(session)]).await.unwrap();
        let mut browser = Browser::new(self);
        browser.jar.insert("__Host-portcullis-session".to_owned(), cookie.expose().to_owned());
        browser
    }

    /// A public client that registered itself.
    pub async fn client(&self, redirect: &str) -> String {
        let answer = self
            .send(Ask::post("/register").json(&serde_json::json!({
                "redirect_uris": [redirect], "token_endpoint_auth_method": "none", "client_name": "Notebook",
            })))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// Redeems a code and returns what was answered with 200.
    pub async fn redeem(&self, client: &str, code: &str) -> Tokens {
        let answer = self.token(&exchange(client, code)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Tokens::of(&answer)
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(&refresh(client, token)).await
    }

    /// From nothing to an agent of a quick account: the whole flow, with consent.
    pub async fn agent(&self, user: UserId, client: &str, scope: &str) -> Tokens {
        let code = self.signed_in(user).await.code(&authorization(client, REDIRECT, scope)).await;
        self.redeem(client, &code).await
    }
}

/// What `/token` gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
}

impl Tokens {
    pub fn of(answer: &Answer) -> Self {
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), scope: text("scope") }
    }

    /// The grant behind the access token, by its claims.
    pub fn grant(&self) -> String {
        claims(&self.access)["grant"].as_str().unwrap().to_owned()
    }
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> serde_json::Value {
    serde_json::from_slice(&base64url::decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The fields of a form.
pub type Fields<'a> = Vec<(&'a str, &'a str)>;

pub fn exchange<'a>(client: &'a str, code: &'a str) -> Fields<'a> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("code_verifier", VERIFIER),
    ]
}

pub fn refresh<'a>(client: &'a str, token: &'a str) -> Fields<'a> {
    vec![("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]
}

/// The parameters of a good authorization request at the notes resource.
pub fn authorization(client: &str, redirect: &str, scope: &str) -> Vec<(String, String)> {
    [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("scope", scope),
        ("state", "canary-state-xyz"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
        ("resource", NOTES),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Puts one parameter in the place of another of its name; an empty value removes it.
pub fn with(mut query: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    query.retain(|(known, _)| known != name);
    if !value.is_empty() {
        query.push((name.to_owned(), value.to_owned()));
    }
    query
}

pub fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A source that none of the tests' honest people use.
pub fn stranger(n: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, n])
}

async fn echo(agent: Agent, request: axum::extract::Request) -> axum::response::Response {
    let credentials = request.headers().get_all("authorization").iter().count();
    axum::response::Response::builder()
        .header("x-credentials", credentials)
        .header("x-subject", agent.subject.as_str())
        .body(axum::body::Body::from(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))
        .unwrap()
}

/// A text without what is new in every answer: cookies and tickets, which are long runs of base64url.
pub fn ticket_less(text: &str) -> String {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .filter(|word| word.len() < 60)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a `Host` names this very computer.
pub fn is_loopback_name(host: &str) -> bool {
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.starts_with(name))
}
