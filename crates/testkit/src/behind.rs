//! The MCP server behind a door: three tools, a list that can change, and a tool whose answer never ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use portcullis_guard::Agent;
use serde_json::{Value, json};

use crate::world::Seen;

/// What the server behind a door lists, and what it got.
#[derive(Clone, Debug)]
pub struct Behind {
    /// The tools it lists.
    pub tools: Arc<Mutex<Vec<Value>>>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

/// A tool in a list.
fn tool(name: &str) -> Value {
    json!({ "name": name, "description": "first", "inputSchema": { "type": "object" } })
}

impl Behind {
    pub(crate) fn new(seen: Arc<Mutex<Vec<Seen>>>) -> Self {
        let tools = ["read_note", "write_note", "delete_note", "watch"].map(tool).to_vec();
        Self { tools: Arc::new(Mutex::new(tools)), seen }
    }

    /// From now on it describes a tool otherwise; one that it did not have is new.
    pub fn describe(&self, name: &str, description: &str) {
        let mut tools = self.tools.lock().unwrap();
        tools.retain(|tool| tool["name"] != name);
        let mut changed = tool(name);
        changed["description"] = json!(description);
        tools.push(changed);
    }
}

/// A stream that says one thing and stays open.
struct Endless(Option<Bytes>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |first| Poll::Ready(Some(Ok(Frame::data(first)))))
    }
}

/// Answers one message.
pub(crate) async fn serve(State(behind): State<Behind>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let agent = parts.extensions.get::<Agent>();
    let subject = agent.map_or_else(String::new, |agent| agent.subject.clone());
    if let Some(agent) = agent {
        behind.seen.lock().unwrap().push(Seen {
            path: parts.uri.path().to_owned(),
            has_credential: parts.headers.contains_key("authorization"),
            subject: subject.clone(),
            client: agent.client.to_string(),
            scopes: agent.scopes.to_string(),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
    }
    // Another task gets its turn, so that requests cross.
    tokio::task::yield_now().await;
    let result = match message["method"].as_str() {
        Some("tools/list") => json!({ "tools": *behind.tools.lock().unwrap() }),
        Some("tools/call") if message["params"]["name"] == "watch" => {
            let body = Body::new(Endless(Some(Bytes::from_static(b": here\n\n"))));
            return Response::builder().header("content-type", "text/event-stream").body(body).unwrap();
        }
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": subject }],
            "echo": message["params"]["arguments"] }),
        _ if message.get("id").is_none() => {
            return Response::builder().status(202).body(Body::empty()).unwrap();
        }
        _ => json!({}),
    };
    let reply = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    Response::builder().header("content-type", "application/json").body(reply.to_string().into()).unwrap()
}
