//! The door's own look at the server's tools: once before the first call, so that there is something to hold later
//! lists against, and again when the server says that they changed.

use std::sync::atomic::{AtomicBool, Ordering};

use axum_core::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use portcullis_mcp::answer::{Answer, elements};
use portcullis_mcp::sse::{Events, Piece};
use portcullis_mcp::{METHOD, PROTOCOL_VERSION, SESSION_ID};
use portcullis_wire::limit;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bounds::{ANSWER_BODY, EVENT, LISTING, LISTING_PAGES, LISTING_PAUSE};
use super::core::Core;
use super::down::Media;
use super::refusal::METHOD_NOT_FOUND;
use super::upstream::Upstream;
use super::who::Internal;

const STATELESS: &str = "2026-07-28";
const STATEFUL: &str = "2025-11-25";

/// Looks, one at a time.
#[derive(Default)]
pub(crate) struct Lister {
    is_stale: AtomicBool,
    /// Not before this moment again.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

impl Lister {
    /// The server said that its tools changed.
    pub(crate) fn changed(&self) {
        self.is_stale.store(true, Ordering::Release);
    }

    /// Looks, if nothing whole was ever seen or something changed. Failing is no fault of the caller's.
    pub(crate) async fn look(&self, core: &Core, upstream: &mut Upstream, asked: &Parts) {
        if !self.is_due(core) {
            return;
        }
        let mut turn = self.turn.lock().await;
        let now = tokio::time::sleep(std::time::Duration::ZERO).deadline();
        if !self.is_due(core) || turn.is_some_and(|not_before| now < not_before) {
            return;
        }
        self.is_stale.store(false, Ordering::Release);
        let mut unseen = Unseen { is_stale: &self.is_stale, is_kept: false };
        // Counts for a caller that leaves meanwhile, too.
        *turn = Some(now + LISTING_PAUSE);
        let mut visit =
            Look { upstream, uri: asked.uri.clone(), host: asked.headers.get(HOST).cloned(), id: 0 };
        let listed = tokio::time::timeout(LISTING, visit.tools()).await;
        unseen.is_kept = match listed {
            Ok(Some(tools)) => core.ports.tools.listed(&tools, true).await.is_ok(),
            _ => false,
        };
        *turn = Some(tokio::time::sleep(LISTING_PAUSE).deadline());
    }

    fn is_due(&self, core: &Core) -> bool {
        self.is_stale.load(Ordering::Acquire) || !core.ports.tools.known().is_complete()
    }
}

/// What there is to look at, until it is kept: a look ends with its caller, who may leave in the middle.
struct Unseen<'a> {
    is_stale: &'a AtomicBool,
    is_kept: bool,
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.is_stale.store(true, Ordering::Release);
        }
    }
}

/// One look.
struct Look<'a> {
    upstream: &'a mut Upstream,
    uri: Uri,
    host: Option<HeaderValue>,
    id: u64,
}

/// What the server said to a request of ours.
enum Said {
    /// A result, as text.
    Result(String),
    /// An error of this code.
    Error(i64),
}

impl Look<'_> {
    /// All tools, in whichever era the server speaks.
    async fn tools(&mut self) -> Option<Vec<(String, Value)>> {
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(STATELESS));
        headers.insert(METHOD, HeaderValue::from_static("tools/list"));
        if let Some(tools) = self.pages(&headers, true).await {
            return Some(tools);
        }
        let params =
            json!({ "protocolVersion": STATEFUL, "capabilities": capabilities(), "clientInfo": about() });
        let (response, said) = self.ask(&HeaderMap::new(), "initialize", params).await?;
        let Said::Result(result) = said else { return None };
        let version = Answer::parse(&result)?.top.object("result")?.text("protocolVersion")?;
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_str(&version).ok()?);
        if let Some(session) = response.get(&SESSION_ID) {
            headers.insert(SESSION_ID, session.clone());
        }
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        drop(self.send(Method::POST, &headers, ready.to_string().into()).await);
        let tools = self.pages(&headers, false).await;
        if headers.contains_key(&SESSION_ID) {
            drop(self.send(Method::DELETE, &headers, Bytes::new()).await);
        }
        tools
    }

    async fn pages(&mut self, headers: &HeaderMap, is_stateless: bool) -> Option<Vec<(String, Value)>> {
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..LISTING_PAGES {
            let mut params = serde_json::Map::new();
            if is_stateless {
                params.insert("_meta".to_owned(), envelope());
            }
            if let Some(cursor) = cursor.take() {
                params.insert("cursor".to_owned(), Value::from(cursor));
            }
            let text = match self.ask(headers, "tools/list", Value::Object(params)).await?.1 {
                Said::Result(text) => text,
                // A server of this era that has no tools.
                Said::Error(METHOD_NOT_FOUND) if !is_stateless => return Some(tools),
                Said::Error(_) => return None,
            };
            let answer = Answer::parse(&text)?;
            let result = answer.top.object("result")?;
            for entry in elements(result.source("tools")?)? {
                let tool = portcullis_wire::json::parse(entry.as_bytes(), limit::MESSAGE_DEPTH).ok();
                if let Some(tool) = tool
                    && let Some(name) = tool.get("name").and_then(Value::as_str).map(str::to_owned)
                {
                    tools.push((name, tool));
                }
            }
            cursor = result.text("nextCursor");
            if cursor.is_none() || tools.len() > limit::TOOLS {
                return Some(tools);
            }
        }
        None
    }

    async fn ask(&mut self, headers: &HeaderMap, method: &str, params: Value) -> Option<(HeaderMap, Said)> {
        self.id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        let response = self.send(Method::POST, headers, message.to_string().into()).await?;
        let (parts, body) = response.into_parts();
        let text = match Media::of(&parts.headers) {
            Media::Json => {
                let body = Limited::new(body, ANSWER_BODY).collect().await.ok()?;
                String::from_utf8(body.to_bytes().into()).ok()?
            }
            Media::Events => answer_in(body).await?,
            Media::Other => return None,
        };
        let answer = Answer::parse(&text)?;
        let error =
            answer.top.object("error").map(|error| error.raw("code").and_then(|code| code.parse().ok()));
        let said = match error {
            Some(code) => Said::Error(code.unwrap_or_default()),
            None => Said::Result(text),
        };
        Some((parts.headers, said))
    }

    async fn send(&mut self, method: Method, headers: &HeaderMap, body: Bytes) -> Option<Response<Body>> {
        let mut request = Request::new(Body::from(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        let all = request.headers_mut();
        all.extend(headers.clone());
        all.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if !body.is_empty() {
            all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            all.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if let Some(host) = &self.host {
            all.insert(HOST, host.clone());
        }
        request.extensions_mut().insert(Internal);
        self.upstream.ask(request).await.ok()
    }
}

/// The first answer in a stream.
async fn answer_in(mut body: Body) -> Option<String> {
    let mut events = Events::new(EVENT);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            events.push(data);
        }
        while let Some(piece) = events.next_piece().ok()? {
            let Piece::Event(event) = piece else { continue };
            if let Some(data) = event.data()
                && Answer::parse(&data).is_some_and(|answer| answer.outcome().is_some())
            {
                return Some(data.into_owned());
            }
        }
    }
    None
}

fn about() -> Value {
    json!({ "name": "portcullis", "version": env!("CARGO_PKG_VERSION") })
}

/// All there is: servers list more tools to clients that can do more. Nothing of it is used.
fn capabilities() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "roots": {}, "sampling": {} })
}

fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": about(),
        "io.modelcontextprotocol/clientCapabilities": capabilities(),
    })
}
