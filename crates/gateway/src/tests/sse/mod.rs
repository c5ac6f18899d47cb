//! Servers of the transport of 2024-11-05, as callers of Streamable HTTP see them.

mod ends;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tower_service::Service as _;
use url::Url;

use super::upstream::{answering, echo};
use super::{own_error, text};
use crate::{Credential, GatewaySettings, LegacySse, RelayBody, RequestId, SseSettings};

type Writer = Sender<Bytes, Infallible>;

/// A server of the old transport whose every word is the test's.
struct Old {
    url: Url,
    opened: UnboundedReceiver<(Parts, Writer)>,
    posted: UnboundedReceiver<(Parts, Value)>,
}

async fn old(endpoint: &'static str) -> Old {
    old_taking(endpoint, StatusCode::ACCEPTED).await
}

/// Messages are answered by `status`.
async fn old_taking(endpoint: &'static str, status: StatusCode) -> Old {
    let (open, opened) = mpsc::unbounded_channel();
    let (hand, posted) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let (open, hand) = (open.clone(), hand.clone());
        async move {
            let (parts, body) = request.into_parts();
            let (mut writer, stream) = Channel::<Bytes, Infallible>::new(4);
            if parts.method == Method::GET {
                writer.send_data(format!("event: endpoint\ndata: {endpoint}\n\n").into()).await.unwrap();
                open.send((parts, writer)).ok();
                return Response::builder().header("content-type", "text/event-stream").body(stream).unwrap();
            }
            let body = body.collect().await.unwrap().to_bytes();
            hand.send((parts, serde_json::from_slice(&body).unwrap())).ok();
            Response::builder().status(status).body(stream).unwrap()
        }
    })
    .await;
    Old { url, opened, posted }
}

async fn say(writer: &mut Writer, message: Value) {
    writer.send_data(format!("event: message\ndata: {message}\n\n").into()).await.unwrap();
}

/// One digit, sixteen times.
fn counted() -> SseSettings {
    let number = AtomicU8::new(0);
    SseSettings::new(Arc::new(move || [number.fetch_add(1, Ordering::SeqCst) + 1; 16]))
}

fn proxy(url: &Url, settings: SseSettings) -> LegacySse {
    let credential = Credential::bearer("of-the-gateway").ok();
    LegacySse::new(url, GatewaySettings { credential, ..GatewaySettings::default() }, settings).unwrap()
}

fn asking(message: &Value, session: Option<&str>) -> Request<Full<Bytes>> {
    let request = Request::post("/mcp").header("authorization", "Bearer of-the-caller");
    let mut request = request.body(Full::from(message.to_string())).unwrap();
    if let Some(id) = message.get("id") {
        request.extensions_mut().insert(RequestId(id.clone()));
    }
    if let Some(session) = session {
        request.headers_mut().insert("mcp-session-id", HeaderValue::from_str(session).unwrap());
    }
    request
}

fn without_body(method: Method, session: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).header("mcp-session-id", session).body(Full::default()).unwrap()
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } })
}

fn call(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": "echo", "_meta": { "progressToken": "p" } } })
}

fn result(id: u64, said: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": { "said": said } })
}

async fn json_of(response: Response<RelayBody>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

async fn next(body: &mut RelayBody) -> Option<String> {
    let data = body.frame().await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// Opens a session: its id, and the stream on which the server answers it.
async fn session(proxy: &LegacySse, old: &mut Old) -> (String, Writer) {
    let opening = tokio::spawn(proxy.clone().call(asking(&initialize(), None)));
    let (_, mut writer) = old.opened.recv().await.unwrap();
    old.posted.recv().await.unwrap();
    say(&mut writer, result(0, "welcome")).await;
    let response = opening.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    (response.headers()["mcp-session-id"].to_str().unwrap().to_owned(), writer)
}

#[tokio::test]
async fn w02_w09_a_session_from_its_first_message_to_its_end() {
    let mut old = old("/messages?s=1").await;
    let mut proxy = proxy(&old.url, counted());
    let opening = tokio::spawn(proxy.call(asking(&initialize(), None)));
    let (asked, mut writer) = old.opened.recv().await.unwrap();
    assert_eq!(asked.uri, "/mcp");
    assert_eq!(asked.headers["accept"], "text/event-stream");
    assert_eq!(asked.headers["authorization"], "Bearer of-the-gateway");
    let (posted, message) = old.posted.recv().await.unwrap();
    assert_eq!(posted.uri, "/messages?s=1");
    assert_eq!(posted.headers["authorization"], "Bearer of-the-gateway");
    assert_eq!(posted.headers["content-type"], "application/json");
    assert_eq!(message, initialize());
    say(&mut writer, result(0, "welcome")).await;
    let response = opening.await.unwrap().unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let id = "01".repeat(16);
    assert_eq!(response.headers()["mcp-session-id"], id);
    assert_eq!(json_of(response).await, result(0, "welcome"));

    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let response = proxy.call(asking(&ready, Some(&id))).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let (posted, message) = old.posted.recv().await.unwrap();
    assert!(!posted.headers.contains_key("mcp-session-id"), "it is ours");
    assert_eq!(message, ready);

    let mut listening = proxy.call(without_body(Method::GET, &id)).await.unwrap();
    assert_eq!(listening.headers()["content-type"], "text/event-stream");
    assert_eq!(listening.headers()["x-accel-buffering"], "no");
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    say(&mut writer, changed.clone()).await;
    assert_eq!(next(listening.body_mut()).await.unwrap(), event(&changed));
    writer.send_data(Bytes::from(": ping\n\n")).await.unwrap();
    assert_eq!(next(listening.body_mut()).await.unwrap(), ":\n\n");

    let calling = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
    assert_eq!(old.posted.recv().await.unwrap().1, call(1));
    say(&mut writer, result(1, "done")).await;
    assert_eq!(json_of(calling.await.unwrap().unwrap()).await, result(1, "done"));

    let response = proxy.call(without_body(Method::DELETE, &id)).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(next(listening.body_mut()).await, None);
    while writer.send_data(Bytes::from(":\n\n")).await.is_ok() {}
    for request in
        [asking(&call(2), Some(&id)), without_body(Method::GET, &id), without_body(Method::DELETE, &id)]
    {
        assert_eq!(proxy.call(request).await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn w07_what_belongs_to_a_request_comes_on_its_own_stream_before_its_answer() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, counted());
    let (id, mut writer) = session(&proxy, &mut old).await;
    let progress =
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": "p" } });
    let question = json!({ "jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {} });
    for with_listener in [false, true] {
        let mut listening = match with_listener {
            true => Some(proxy.call(without_body(Method::GET, &id)).await.unwrap().into_body()),
            false => None,
        };
        let calling = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
        old.posted.recv().await.unwrap();
        say(&mut writer, progress.clone()).await;
        let response = calling.await.unwrap().unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body();
        assert_eq!(next(&mut body).await.unwrap(), event(&progress));
        say(&mut writer, question.clone()).await;
        let asked = match &mut listening {
            Some(listening) => next(listening).await,
            None => next(&mut body).await,
        };
        assert_eq!(asked.unwrap(), event(&question));
        let answer = json!({ "jsonrpc": "2.0", "id": "q", "result": {} });
        assert_eq!(proxy.call(asking(&answer, Some(&id))).await.unwrap().status(), StatusCode::ACCEPTED);
        assert_eq!(old.posted.recv().await.unwrap().1, answer);
        say(&mut writer, result(1, "done")).await;
        assert_eq!(next(&mut body).await.unwrap(), event(&result(1, "done")));
        assert_eq!(next(&mut body).await, None);
    }
}

#[tokio::test]
async fn what_is_said_before_anybody_listens_is_kept() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, counted());
    let (id, mut writer) = session(&proxy, &mut old).await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message" });
    say(&mut writer, note.clone()).await;
    let mut listening = proxy.call(without_body(Method::GET, &id)).await.unwrap().into_body();
    assert_eq!(next(&mut listening).await.unwrap(), event(&note));
}

#[tokio::test]
async fn t_ssrf_an_endpoint_elsewhere_is_refused() {
    let (elsewhere, mut seen) = echo().await;
    let named: &'static str = Box::leak(elsewhere.to_string().into_boxed_str());
    for endpoint in [named, "//evil.example/messages", "http://169.254.169.254/"] {
        let old = old(endpoint).await;
        let mut proxy = proxy(&old.url, counted());
        let response = proxy.call(asking(&initialize(), None)).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{endpoint}");
        assert_eq!(own_error(response).await, "upstream_redirected", "{endpoint}");
    }
    assert!(seen.try_recv().is_err(), "no message and no credential went there");
}

#[tokio::test]
async fn later_revisions_are_told_which_ones_are_served() {
    let mut old = old("/messages").await;
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let discover =
        json!({ "jsonrpc": "2.0", "id": "d", "method": "server/discover", "params": { "_meta": meta } });
    let mut request = asking(&discover, None);
    for (name, value) in [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let response = proxy(&old.url, counted()).call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = json_of(response).await;
    assert_eq!(body["id"], "d");
    assert_eq!(body["error"]["code"], -32602, "not -32022, at which clients that could fall back give up");
    assert_eq!(body["error"]["data"]["supported"], json!(["2025-03-26", "2025-06-18", "2025-11-25"]));
    assert_eq!(body["error"]["data"]["requested"], "2026-07-28");
    assert!(old.opened.try_recv().is_err());
}

#[tokio::test]
async fn t_handle_sessions_serve_their_own_holder_only() {
    let mut old = old("/messages").await;
    let holder = |extensions: &http::Extensions| extensions.get::<Arc<str>>().cloned();
    let settings = SseSettings { holder: Some(Arc::new(holder)), ..counted() };
    let mut proxy = proxy(&old.url, settings);
    let of = |mut request: Request<Full<Bytes>>, name: &str| {
        request.extensions_mut().insert(Arc::<str>::from(name));
        request
    };
    let opening = tokio::spawn(proxy.call(of(asking(&initialize(), None), "ann")));
    let (_, mut writer) = old.opened.recv().await.unwrap();
    old.posted.recv().await.unwrap();
    say(&mut writer, result(0, "welcome")).await;
    let id = opening.await.unwrap().unwrap().headers()["mcp-session-id"].to_str().unwrap().to_owned();
    for request in
        [asking(&call(1), Some(&id)), without_body(Method::GET, &id), without_body(Method::DELETE, &id)]
    {
        let mut bare = request.clone();
        *bare.extensions_mut() = http::Extensions::new();
        for request in [of(request, "eve"), bare] {
            assert_eq!(proxy.call(request).await.unwrap().status(), StatusCode::NOT_FOUND);
        }
    }
    assert!(old.posted.try_recv().is_err());
    let mut listening = proxy.call(of(without_body(Method::GET, &id), "ann")).await.unwrap();
    assert_eq!(listening.status(), StatusCode::OK);
    assert_eq!((proxy.end_sessions_of("eve"), proxy.end_sessions_of("ann")), (0, 1), "when ann is cut off");
    assert_eq!(next(listening.body_mut()).await, None);
    while writer.send_data(Bytes::from(":\n\n")).await.is_ok() {}
}

#[tokio::test]
async fn requests_that_fit_no_session_are_refused() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, counted());
    let (id, _writer) = session(&proxy, &mut old).await;
    let waiting = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
    old.posted.recv().await.unwrap();
    let mut twice = asking(&call(2), Some(&id));
    twice.headers_mut().append("mcp-session-id", HeaderValue::from_static("another"));
    for (name, request, status, code) in [
        ("no session", asking(&call(1), None), 400, -32600),
        ("unknown", asking(&call(1), Some("0000")), 404, -32001),
        ("two", twice, 404, -32001),
        ("id in use", asking(&call(1), Some(&id)), 400, -32600),
        ("batch", asking(&json!([call(2)]), Some(&id)), 400, -32600),
        ("no message", asking(&json!({}), Some(&id)), 400, -32600),
    ] {
        let response = proxy.call(request).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(json_of(response).await["error"]["code"], code, "{name}");
    }
    assert!(old.posted.try_recv().is_err());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let again = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
    assert_eq!(old.posted.recv().await.unwrap().1, call(1), "whoever left gave the id back");
    again.abort();
}

#[tokio::test]
async fn t_crosstalk_sessions_with_the_same_ids_hear_their_own_answers() {
    const SESSIONS: usize = 50;
    let number = Arc::new(AtomicUsize::new(0));
    let writers: Arc<tokio::sync::Mutex<Vec<Writer>>> = Arc::default();
    let url = answering(move |request| {
        let (number, writers) = (Arc::clone(&number), Arc::clone(&writers));
        async move {
            let (parts, body) = request.into_parts();
            let (mut writer, stream) = Channel::<Bytes, Infallible>::new(4);
            let mut writers = writers.lock().await;
            if parts.method == Method::GET {
                let endpoint =
                    format!("event: endpoint\ndata: /m?{}\n\n", number.fetch_add(1, Ordering::SeqCst));
                writer.send_data(endpoint.into()).await.unwrap();
                writers.push(writer);
                return Response::builder().header("content-type", "text/event-stream").body(stream).unwrap();
            }
            let own: usize = parts.uri.query().unwrap().parse().unwrap();
            let message: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
            let said = format!("{own} {}", message["params"]["name"]);
            say(&mut writers[own], result(message["id"].as_u64().unwrap(), &said)).await;
            Response::builder().status(202).body(stream).unwrap()
        }
    })
    .await;
    let proxy = proxy(&url, counted());
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|own| {
            let mut proxy = proxy.clone();
            tokio::spawn(async move {
                let response = proxy.call(asking(&initialize(), None)).await.unwrap();
                let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
                let said = json_of(response).await["result"]["said"].as_str().unwrap().to_owned();
                let server = said.split(' ').next().unwrap().to_owned();
                for turn in 1..=3 {
                    let call = json!({ "jsonrpc": "2.0", "id": turn, "method": "tools/call",
                                       "params": { "name": format!("of {own}") } });
                    let response = proxy.call(asking(&call, Some(&id))).await.unwrap();
                    let expected = result(turn, &format!("{server} \"of {own}\""));
                    assert_eq!(json_of(response).await, expected);
                }
                server
            })
        })
        .collect();
    let mut servers = std::collections::BTreeSet::new();
    for session in sessions {
        servers.insert(session.await.unwrap());
    }
    assert_eq!(servers.len(), SESSIONS);
}
