//! A door whose guard, ports and server can be moved by a test, and what a client sees of it.

mod ports;
mod server;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum_core::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use portcullis_gateway::door::{Door, DoorSettings};
use portcullis_guard::{BoxFuture, Clock, Guard, Keys, Revocations, StaticKeys};
use portcullis_jose::claims::{AccessClaims, Audience};
use portcullis_jose::key::{Alg, KeySet, SigningKey};
use portcullis_mcp::ToolTable;
use portcullis_policy::{Confirm, Policy};
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) use self::ports::Fake;
pub(crate) use self::server::{Seen, Server, events, json_answer};

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const RESOURCE: &str = "https://notes.example.com/mcp";
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

/// Time and cuts.
pub(crate) struct Sky {
    pub(crate) now: AtomicI64,
    pub(crate) cut_after: AtomicU64,
    changed: Arc<tokio::sync::Notify>,
}

impl Sky {
    pub(crate) fn cut(&self) {
        self.cut_after.store(9, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

impl Clock for Sky {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.now.load(Ordering::SeqCst))
    }
}

impl Revocations for Sky {
    fn is_cut(&self, claims: &AccessClaims, _: &str) -> bool {
        self.cut_after.load(Ordering::SeqCst) > claims.rev.unwrap_or(0)
    }
    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(Arc::clone(&self.changed).notified_owned())
    }
}

pub(crate) struct World {
    key: SigningKey,
    pub(crate) sky: Arc<Sky>,
    pub(crate) fake: Arc<Fake>,
    pub(crate) server: Server,
    pub(crate) door: Door<Server>,
    guard: Guard,
}

/// The table most tests use: `delete_note` needs a scope of its own, `wipe` a person's word, `post` the client's.
pub(crate) fn policy() -> Policy {
    let table = ToolTable::new(Scopes::none())
        .tool("delete_note", &scopes("notes:delete"))
        .method("resources/read", &scopes("mcp:resources"));
    Policy::new(table).confirm("wipe", Confirm::Person).confirm("post", Confirm::Client)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&policy(), |settings| settings)
    }

    pub(crate) fn with(policy: &Policy, settings: impl FnOnce(DoorSettings) -> DoorSettings) -> Self {
        let key = SigningKey::generate(Alg::Es256).unwrap();
        let keys = Arc::new(StaticKeys::new(KeySet::from_keys([key.verifying_key().unwrap()]).unwrap()));
        let sky = Arc::new(Sky { now: NOW.into(), cut_after: 0.into(), changed: Arc::default() });
        let (issuer, resource) = (Issuer::parse(ISSUER).unwrap(), Resource::parse(RESOURCE).unwrap());
        let clock = Arc::clone(&sky) as Arc<dyn Clock>;
        let guard = Guard::builder(issuer, resource, keys as Arc<dyn Keys>, Arc::clone(&clock))
            .revocations(Arc::clone(&sky) as Arc<dyn Revocations>)
            .build();
        let (fake, server) = (Fake::new(), Server::default());
        let settings = settings(DoorSettings::new(clock));
        let door =
            Door::new(guard.clone(), &scopes("mcp:tools"), policy, fake.ports(), settings, server.clone());
        Self { key, sky, fake, server, door, guard }
    }

    /// A door of its own to another server.
    pub(crate) fn door_to<S>(&self, inner: S) -> Door<S> {
        let settings = DoorSettings::new(Arc::clone(&self.sky) as Arc<dyn Clock>);
        Door::new(self.guard.clone(), &scopes("mcp:tools"), &policy(), self.fake.ports(), settings, inner)
    }

    pub(crate) fn token(&self, agent: &str, scope: &str) -> String {
        let number = agent.bytes().fold(7_u64, |sum, b| sum.wrapping_mul(131).wrapping_add(b.into()));
        let grant = portcullis_wire::id::GrantId::from_number(number).to_string();
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            // Behind an @ stands the grant: `ann@2` is another install of Ann's, or the same with a new grant.
            sub: format!("usr_{}", agent.split('@').next().unwrap_or_default()),
            aud: Audience::one(RESOURCE),
            client_id: "https://client.example/metadata.json".to_owned(),
            exp: NOW + 600,
            iat: NOW,
            nbf: None,
            jti: format!("token-{agent}"),
            scope: Some(scope.to_owned()),
            grant: Some(grant),
            rev: Some(1),
        };
        self.key.sign("at+jwt", &claims).unwrap()
    }

    /// A client of `agent` that holds the base scope, in the stateless era.
    pub(crate) fn client(&self, agent: &str) -> Client<'_> {
        self.client_with(agent, "mcp:tools")
    }

    pub(crate) fn client_with(&self, agent: &str, scope: &str) -> Client<'_> {
        let token = self.token(agent, scope);
        Client { world: self, token, declared: json!({}), is_stateless: true, headers: Vec::new() }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.door.clone().oneshot(request).await.unwrap()
    }
}

/// What a client is and sends.
#[derive(Clone)]
pub(crate) struct Client<'w> {
    world: &'w World,
    pub(crate) token: String,
    pub(crate) declared: Value,
    pub(crate) is_stateless: bool,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Client<'_> {
    pub(crate) fn declares(mut self, capabilities: Value) -> Self {
        self.declared = capabilities;
        self
    }

    /// Of the era before.
    pub(crate) fn stateful(mut self) -> Self {
        self.is_stateless = false;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn request(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "notes.example.com")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }

    /// A request with an id, as this client's era writes it.
    pub(crate) fn message(&self, method: &str, mut params: Value) -> Request<Body> {
        if !self.is_stateless {
            let body = json!({"jsonrpc":"2.0","id":1,"method":method,"params":params});
            return self.request("POST", &[("mcp-protocol-version", "2025-11-25")], &body.to_string());
        }
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": self.declared});
        let name =
            ["name", "uri", "taskId"].iter().find_map(|name| params[*name].as_str()).map(str::to_owned);
        let body = json!({"jsonrpc":"2.0","id":1,"method":method,"params":params}).to_string();
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        self.request("POST", &headers, &body)
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Answer {
        Answer::of(self.world.send(self.message(method, params)).await).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    pub(crate) async fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        Answer::of(self.world.send(self.request(method, headers, body)).await).await
    }

    /// Begins a session, and speaks within it from then on.
    pub(crate) async fn begin(mut self) -> Self {
        self.is_stateless = false;
        let params = json!({"protocolVersion":"2025-11-25","capabilities":self.declared,"clientInfo":{"name":"t","version":"1"}});
        let answer = self.ask("initialize", params).await;
        let session = answer.header("mcp-session-id").unwrap().to_owned();
        self.headers.push(("mcp-session-id", session));
        self
    }

    pub(crate) fn session(&self) -> &str {
        &self.headers.iter().find(|(name, _)| *name == "mcp-session-id").unwrap().1
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text()))
    }
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
    /// The code of the JSON-RPC error.
    pub(crate) fn error(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {}", self.text()))
    }
    /// What a tool said.
    pub(crate) fn said(&self) -> String {
        let result = &self.json()["result"];
        result["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("nothing said: {}", self.text()))
            .to_owned()
    }
    pub(crate) fn is_error(&self) -> bool {
        self.json()["result"]["isError"] == true
    }
}

/// Fixed answers, one behind the other, whatever is asked.
pub(crate) fn script(world: &World, answers: Vec<Response<Body>>) {
    let answers = Mutex::new(answers.into_iter());
    world.server.answers(move |_| answers.lock().unwrap().next().expect("the script is over"));
}
