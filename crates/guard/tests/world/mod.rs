//! A guarded echo, with a key of its own, a hand-moved clock and a switch for revocation.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum_core::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use portcullis_guard::{
    Agent, BoxFuture, Clock, Guard, GuardBuilder, Keys, OpaqueFault, OpaqueTokens, Revocations,
};
use portcullis_jose::claims::{AccessClaims, Audience};
use portcullis_jose::key::{Alg, KeySet, SigningKey};
use portcullis_mcp::ToolTable;
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::{Scope, Scopes};
use portcullis_wire::time::UnixTime;
use tower::ServiceExt as _;

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const RESOURCE: &str = "https://notes.example.com/mcp";
pub(crate) const NOW: i64 = 1_800_000_000;

/// Everything a guard asks, in one place that a test can move.
pub(crate) struct World {
    pub(crate) key: SigningKey,
    pub(crate) now: AtomicI64,
    pub(crate) keys: Mutex<Arc<KeySet>>,
    pub(crate) published: Mutex<Arc<KeySet>>,
    pub(crate) refreshes: AtomicU64,
    pub(crate) cut_after: AtomicU64,
    pub(crate) silent: AtomicBool,
    pub(crate) changed: Arc<tokio::sync::Notify>,
    /// How often a personal token was looked up.
    pub(crate) lookups: AtomicU64,
    /// What a look-up finds; none is a store that does not answer.
    pub(crate) personal: Mutex<Option<Result<AccessClaims, OpaqueFault>>>,
}

impl Clock for World {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.now.load(Ordering::SeqCst))
    }
}

impl Keys for World {
    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.lock().unwrap())
    }
    fn refresh(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.refreshes.fetch_add(1, Ordering::SeqCst);
            *self.keys.lock().unwrap() = Arc::clone(&self.published.lock().unwrap());
        })
    }
}

impl Revocations for World {
    fn is_cut(&self, claims: &AccessClaims, _: &str) -> bool {
        self.cut_after.load(Ordering::SeqCst) > claims.rev.unwrap_or(0)
    }
    fn is_current(&self) -> bool {
        !self.silent.load(Ordering::SeqCst)
    }
    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(Arc::clone(&self.changed).notified_owned())
    }
}

impl OpaqueTokens for World {
    fn is_one(&self, token: &str) -> bool {
        token.starts_with("pt_")
    }
    fn claims<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<AccessClaims, OpaqueFault>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.personal.lock().unwrap().clone();
        Box::pin(std::future::ready(found.unwrap_or(Err(OpaqueFault::Unavailable))))
    }
}

pub(crate) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

pub(crate) fn set(keys: &[&SigningKey]) -> Arc<KeySet> {
    Arc::new(KeySet::from_keys(keys.iter().map(|key| key.verifying_key().unwrap())).unwrap())
}

pub(crate) fn table() -> ToolTable {
    ToolTable::new(Scopes::none())
        .tool("delete_note", &scopes("notes:delete"))
        .tool("share_note", &scopes("notes:read notes:share"))
        .implies(&Scope::parse("mcp:admin").unwrap(), &scopes("mcp:tools notes:delete"))
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let key = SigningKey::generate(Alg::Es256).unwrap();
        let keys = set(&[&key]);
        Arc::new(Self {
            key,
            now: AtomicI64::new(NOW),
            keys: Mutex::new(Arc::clone(&keys)),
            published: Mutex::new(keys),
            refreshes: AtomicU64::new(0),
            cut_after: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            changed: Arc::default(),
            lookups: AtomicU64::new(0),
            personal: Mutex::new(None),
        })
    }

    pub(crate) fn builder(self: &Arc<Self>, resource: &str) -> GuardBuilder {
        let issuer = Issuer::parse(ISSUER).unwrap();
        let resource = Resource::parse(resource).unwrap();
        Guard::builder(
            issuer,
            resource,
            Arc::clone(self) as Arc<dyn Keys>,
            Arc::clone(self) as Arc<dyn Clock>,
        )
        .revocations(Arc::clone(self) as Arc<dyn Revocations>)
    }

    /// A guard that only requires `mcp:tools`.
    pub(crate) fn plain(self: &Arc<Self>) -> Guard {
        self.builder(RESOURCE).build()
    }

    /// A guard with a table of tools.
    pub(crate) fn tooled(self: &Arc<Self>) -> Guard {
        self.builder(RESOURCE).tools(table()).build()
    }

    pub(crate) fn claims(&self, scope: &str) -> AccessClaims {
        AccessClaims {
            iss: ISSUER.to_owned(),
            sub: "usr_0000000000001".to_owned(),
            aud: Audience::one(RESOURCE),
            client_id: "https://client.example/metadata.json".to_owned(),
            exp: NOW + 600,
            iat: NOW,
            nbf: None,
            jti: "token-1".to_owned(),
            scope: Some(scope.to_owned()),
            grant: Some("agt_000000000002a".to_owned()),
            rev: Some(1),
        }
    }

    pub(crate) fn sign(&self, claims: &AccessClaims) -> String {
        self.key.sign("at+jwt", claims).unwrap()
    }

    pub(crate) fn token(&self, scope: &str) -> String {
        self.sign(&self.claims(scope))
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn challenge(&self) -> Option<&str> {
        self.headers.get("www-authenticate").map(|value| value.to_str().unwrap())
    }
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request as a client sends it.
pub(crate) fn request(
    method: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri("/mcp");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", "notes.example.com");
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// Sends it through the guard to an echo, which tells what reached it.
pub(crate) async fn send(guard: &Guard, request: Request<Body>) -> Answer {
    let echo = tower::service_fn(|request: Request<Body>| async move {
        let (parts, body) = request.into_parts();
        let agent =
            parts.extensions.get::<Agent>().expect("invariant: nothing passes a guard without an agent");
        let credentials = parts.headers.get_all("authorization").iter().count();
        let response = Response::builder()
            .header("x-credentials", credentials)
            .header("x-subject", &agent.subject)
            .header("x-may-delete", agent.may("delete_note").to_string())
            .body(body)
            .unwrap();
        Ok::<_, Infallible>(response)
    });
    let layer = guard.require(&scopes("mcp:tools"));
    let service = tower_layer::Layer::layer(&layer, echo);
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// Posts a message with a token.
pub(crate) async fn post(guard: &Guard, token: &str, body: &str) -> Answer {
    send(guard, request("POST", Some(token), &[], body)).await
}
