//! The server under test and what it stands on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http_body_util::BodyExt as _;
use portcullis_fetch::{Fetcher, Loopback};
use portcullis_gateway::door::DoorLayer;
use portcullis_guard::{Agent, Clock as _};
use portcullis_jose::master::MasterKey;
use portcullis_mcp::ToolTable;
use portcullis_policy::{Confirm, Policy};
use portcullis_rules::catalog::{Catalog, Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::event::Event;
use portcullis_rules::tools::NewTools;
use portcullis_server::admin::Command;
use portcullis_server::{App, Parts, Settings};
use portcullis_store::{Sqlite, Store, memory, sqlite};
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::{Scope, Scopes};
use portcullis_wire::time::UnixTime;
use serde_json::Value;

use crate::ask::{Answer, Ask};
use crate::behind::{self, Behind};
use crate::browser::Browser;
use crate::canary::{self, Canaries};
use crate::client::{HonestClient, LOOPBACK};
use crate::clock::HandClock;
use crate::entropy::Seeded;
use crate::net::Net;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// When every world begins, in seconds.
const BEGINNING: i64 = 1_800_000_000;

/// What the MCP server behind a guard got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The path.
    pub path: String,
    /// Whether a credential came through.
    pub has_credential: bool,
    /// The agent's subject.
    pub subject: String,
    /// The agent's client.
    pub client: String,
    /// The agent's scopes.
    pub scopes: String,
    /// The body.
    pub body: String,
}

/// Something around the store.
type Wrap = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store>>;
type Change = Box<dyn FnOnce(&mut Settings)>;

/// A world in the making.
#[derive(Default)]
pub struct Builder {
    issuer: Option<String>,
    is_single: bool,
    in_memory: bool,
    door: Option<NewTools>,
    directory: Option<Arc<tempfile::TempDir>>,
    wrap: Option<Wrap>,
    changes: Vec<Change>,
}

impl Builder {
    /// An issuer other than the free loopback port. Requests still go there, under this name.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// With `/mcp` alone.
    #[must_use]
    pub fn one_resource(mut self) -> Self {
        self.is_single = true;
        self
    }

    /// On the reference model, not SQLite.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// With the whole door before each resource, and an MCP server behind it: `delete_note` waits for its person.
    #[must_use]
    pub fn door(mut self, new: NewTools) -> Self {
        self.door = Some(new);
        self
    }

    /// Over the files of a world that has ended.
    #[must_use]
    pub fn over(mut self, directory: Arc<tempfile::TempDir>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// With something around the store.
    #[must_use]
    pub fn store(mut self, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + 'static) -> Self {
        self.wrap = Some(Box::new(wrap));
        self
    }

    /// With other settings.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Starts it.
    pub async fn start(self) -> World {
        World::build(self).await
    }
}

/// A running server and everything around it. Dropping it ends the server and looks through the log.
pub struct World {
    /// The server.
    pub app: Arc<App>,
    /// Its clock.
    pub clock: Arc<HandClock>,
    /// Its records.
    pub store: Arc<dyn Store>,
    /// The way to it.
    pub net: Net,
    /// The resource at `/mcp`.
    pub notes: String,
    /// The resource at `/other`.
    pub other: String,
    /// Where its files lie.
    pub directory: Arc<tempfile::TempDir>,
    /// The MCP server, where it stands behind a door.
    pub behind: Behind,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: tokio::task::JoinHandle<()>,
}

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

fn catalog(issuer: &Issuer, is_single: bool) -> Catalog {
    let scope = |name: &str, title: &str, effect, default| ScopeEntry {
        scope: Scope::parse(name).unwrap(),
        title: title.to_owned(),
        effect,
        tools: Vec::new(),
        default,
        people: portcullis_rules::groups::People::Everyone,
    };
    let entry = |path: &str, name: &str, scopes| ResourceEntry {
        resource: Resource::parse(&issuer.join(path)).unwrap(),
        name: name.to_owned(),
        scopes,
        rs256: false,
        people: portcullis_rules::groups::People::Everyone,
    };
    let mut entries = vec![entry(
        "/mcp",
        "Notes",
        vec![
            scope("notes:read", "Read your notes", Effect::Reads, true),
            scope("notes:write", "Write and change notes", Effect::Changes, false),
            scope("notes:admin", "Do everything with notes", Effect::Deletes, false),
        ],
    )];
    if !is_single {
        let uses = vec![scope("other:use", "Use the other server", Effect::Reads, true)];
        entries.push(entry("/other", "Other", uses));
    }
    Catalog::new(entries).unwrap()
}

impl World {
    /// A server with all defaults, two resources, and SQLite.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with something else.
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn build(builder: Builder) -> Self {
        canary::listen();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = builder.issuer.unwrap_or_else(|| format!("http://{address}"));
        let issuer = Issuer::parse(&issuer).unwrap();
        let mut settings = Settings::new(issuer.clone(), catalog(&issuer, builder.is_single));
        builder.changes.into_iter().for_each(|change| change(&mut settings));
        let directory = builder.directory.unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let store: Arc<dyn Store> = if builder.in_memory {
            Arc::new(memory())
        } else {
            Arc::new(
                Sqlite::open(&directory.path().join("portcullis.db"), sqlite::Options::new(crate::salts()))
                    .unwrap(),
            )
        };
        let store = match builder.wrap {
            Some(wrap) => wrap(store),
            None => store,
        };
        let clock = Arc::new(HandClock::at(UnixTime::from_seconds(BEGINNING)));
        let catalog = settings.catalog.clone();
        let fetcher = Fetcher::new(portcullis_fetch::Settings {
            loopback: match settings.insecure_cimd_loopback {
                true => Loopback::AllowPlainAndTls,
                false => Loopback::Refuse,
            },
            ..portcullis_fetch::Settings::default()
        })
        .unwrap();
        let app = App::start(Parts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(Seeded::new(1)),
            master: MasterKey::new([7; 32]),
            fetcher,
            settings,
        })
        .await
        .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let behind = Behind::new(Arc::clone(&seen));
        let mut router = app.router();
        for entry in catalog.entries() {
            let tools = ToolTable::default()
                .tool("write_note", &scopes("notes:write"))
                .implies(&Scope::parse("notes:admin").unwrap(), &scopes("notes:read notes:write"));
            let guard = app.guard(&entry.resource, tools.clone()).unwrap();
            if let Some(new) = builder.door {
                let ports = app.ports(&entry.resource, new).await.unwrap();
                let policy = Policy::new(tools).confirm("delete_note", Confirm::Person);
                let door =
                    DoorLayer::new(guard, &entry.default_scopes(), &policy, ports, app.door_settings());
                let serve = any(behind::serve).with_state(behind.clone());
                router = router.route(&entry.resource.path(), serve.layer(door));
                continue;
            }
            let echo = any(echo).with_state(Arc::clone(&seen));
            router = router.route(&entry.resource.path(), echo.layer(guard.require(&entry.default_scopes())));
        }
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move {
            let _ended = axum::serve(listener, service).await;
        });
        let canaries = Arc::new(Canaries::default());
        canaries.learn(PASSWORD);
        Self {
            app,
            clock,
            store,
            notes: issuer.join("/mcp"),
            other: issuer.join("/other"),
            net: Net { address, authority: issuer.authority(), issuer: issuer.to_string(), canaries },
            directory,
            behind,
            seen,
            serving,
        }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.net.issuer()
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// What time it is, in seconds.
    pub fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// Sends a request.
    pub async fn send(&self, ask: Ask) -> Answer {
        self.net.send(ask).await
    }

    /// `GET`.
    pub async fn get(&self, target: &str) -> Answer {
        self.net.get(target).await
    }

    /// Administers, which must work.
    pub async fn administer(&self, command: Command) -> Vec<Value> {
        self.app.administer(command).await.unwrap()
    }

    /// Makes an account with everybody's password.
    pub async fn person(&self, name: &str) {
        self.administer(Command::UserAdd {
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
            admin: false,
        })
        .await;
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser {
        Browser::new(self.net.clone())
    }

    /// An account, and a browser in which it is signed in.
    pub async fn signed_in(&self, name: &str) -> Browser {
        self.person(name).await;
        let mut browser = self.browser();
        browser.sign_in(name, PASSWORD).await;
        browser
    }

    /// A client on this computer that found `/mcp` and registered.
    pub async fn client(&self) -> HonestClient {
        self.client_at("/mcp", LOOPBACK).await
    }

    /// A client that found another path, and is answered elsewhere.
    pub async fn client_at(&self, path: &str, redirect: &str) -> HonestClient {
        HonestClient::arrive(self.net.clone(), path, redirect).await
    }

    /// Enters a client by hand; the row holds `client_id` and, if it has one, `client_secret`.
    pub async fn enter(&self, command: Command) -> Value {
        let row = self.administer(command).await.remove(0);
        if let Some(secret) = row["client_secret"].as_str() {
            self.net.canaries.learn(secret);
        }
        row
    }

    /// A machine with a secret: its id and secret.
    pub async fn machine(&self, scope: &str) -> (String, String) {
        let row = self.enter(new_machine(scope, None)).await;
        (row["client_id"].as_str().unwrap().to_owned(), row["client_secret"].as_str().unwrap().to_owned())
    }

    /// A machine with a key: its id.
    pub async fn machine_with_keys(&self, scope: &str, jwks: String) -> String {
        self.enter(new_machine(scope, Some(jwks))).await["client_id"].as_str().unwrap().to_owned()
    }

    /// A resource server that may introspect tokens for `resource`: its id and secret.
    pub async fn introspector(&self, resource: &str) -> (String, String) {
        let command = Command::ClientAdd {
            name: "resource server".to_owned(),
            scope: None,
            resource: None,
            jwks: None,
            redirect_uris: Vec::new(),
            introspects: Some(resource.to_owned()),
        };
        let row = self.enter(command).await;
        (row["client_id"].as_str().unwrap().to_owned(), row["client_secret"].as_str().unwrap().to_owned())
    }

    /// The audit trail, newest first.
    pub async fn events(&self) -> Vec<Event> {
        self.store.events(1000).await.unwrap()
    }

    /// What the MCP servers got so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The state of an agent, by its id, as `agents list --all` shows it.
    pub async fn state(&self, agent: &str) -> String {
        let rows = self.administer(Command::AgentList { all: true }).await;
        let row = rows.iter().find(|row| row["id"] == agent).unwrap_or_else(|| panic!("no agent {agent}"));
        row["state"].as_str().unwrap().to_owned()
    }
}

fn new_machine(scope: &str, jwks: Option<String>) -> Command {
    Command::ClientAdd {
        name: "nightly job".to_owned(),
        scope: Some(scope.to_owned()),
        resource: None,
        jwks,
        redirect_uris: Vec::new(),
        introspects: None,
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
        if !std::thread::panicking() {
            self.net.canaries.check_logs();
        }
    }
}

async fn echo(State(seen): State<Arc<Mutex<Vec<Seen>>>>, agent: Agent, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let it = Seen {
        path: parts.uri.path().to_owned(),
        has_credential: parts.headers.contains_key("authorization"),
        subject: agent.subject.clone(),
        client: agent.client.to_string(),
        scopes: agent.scopes.to_string(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    seen.lock().unwrap().push(it);
    let reply = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    Response::builder().header("content-type", "application/json").body(reply.into()).unwrap()
}
