//! An MCP server that is a function.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum_core::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use portcullis_gateway::RequestId;
use portcullis_gateway::door::{AgentKey, Internal};
use portcullis_guard::Agent;
use serde_json::{Value, json};
use tower_service::Service;

/// What reached the server.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) subject: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) id: Option<Value>,
    /// It is the door's own.
    pub(crate) is_internal: bool,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    pub(crate) fn asks(&self, method: &str) -> bool {
        self.json()["method"] == method
    }
}

type Answers = Arc<dyn Fn(&Seen) -> Response<Body> + Send + Sync>;

/// Answers as it is told, and remembers what it saw.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    /// What it lists, and whether it knows the stateless era.
    pub(crate) tools: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<Option<Answers>>>,
    internal: Arc<Mutex<Option<Answers>>>,
}

impl Default for Server {
    fn default() -> Self {
        let tools = ["read_note", "delete_note", "wipe", "post"]
            .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}));
        Self {
            seen: Arc::default(),
            tools: Arc::new(Mutex::new(tools.to_vec())),
            answers: Arc::default(),
            internal: Arc::default(),
        }
    }
}

/// An answer in JSON.
pub(crate) fn json_answer(body: &Value) -> Response<Body> {
    Response::builder().header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

/// An answer as a stream, all at once.
pub(crate) fn events(body: &str) -> Response<Body> {
    Response::builder().header("content-type", "text/event-stream").body(Body::from(body.to_owned())).unwrap()
}

impl Server {
    /// From now on the callers of tools and of all else are answered so; the lists of tools are not.
    pub(crate) fn answers(&self, answers: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) {
        *self.answers.lock().unwrap() = Some(Arc::new(answers));
    }

    /// From now on the door's own questions are answered so.
    pub(crate) fn internal(&self, answers: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) {
        *self.internal.lock().unwrap() = Some(Arc::new(answers));
    }

    /// What callers sent, without what the door asked for itself.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| !seen.is_internal).cloned().collect()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("something was seen")
    }

    fn answer(&self, seen: &Seen) -> Response<Body> {
        let message = seen.json();
        let own = if seen.is_internal { &self.internal } else { &self.answers };
        let own = own.lock().unwrap().clone();
        if let Some(answers) = own {
            return answers(seen);
        }
        let result =
            |result: Value| json_answer(&json!({"jsonrpc":"2.0","id":message["id"],"result":result}));
        match message["method"].as_str() {
            Some("tools/list") => result(json!({"resultType":"complete","ttlMs":1000,"cacheScope":"public",
                "tools": *self.tools.lock().unwrap()})),
            Some("initialize") => {
                let name = format!("upstream-{}", seen.subject.as_deref().unwrap_or("door"));
                let answer = json!({"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}});
                let mut response = result(answer);
                response.headers_mut().insert("mcp-session-id", name.parse().unwrap());
                response
            }
            Some("tools/call") => {
                let said =
                    format!("{} for {}", message["params"]["name"], seen.subject.as_deref().unwrap_or("?"));
                result(json!({"resultType":"complete","content":[{"type":"text","text":said}],
                    "echo": message["params"]["arguments"]}))
            }
            Some(method) if message.get("id").is_some() => {
                result(json!({"resultType":"complete","method":method}))
            }
            _ => Response::builder().status(202).body(Body::empty()).unwrap(),
        }
    }
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let seen = Seen {
                method: parts.method,
                headers: parts.headers,
                body,
                subject: parts.extensions.get::<Agent>().map(|agent| agent.subject.clone()),
                key: parts.extensions.get::<AgentKey>().map(|key| key.0.to_string()),
                id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
                is_internal: parts.extensions.get::<Internal>().is_some(),
            };
            server.seen.lock().unwrap().push(seen.clone());
            // Another task gets its turn, so that requests cross.
            tokio::task::yield_now().await;
            Ok(server.answer(&seen))
        })
    }
}
