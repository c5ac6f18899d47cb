//! The MCP server behind the hop: one answer for a call, a stream of events for another, and streams in which nothing
//! happens.

use std::convert::Infallible;
use std::io::Write as _;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, header};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;

use crate::Outcome;

/// The word that makes this program the upstream.
pub(crate) const WORD: &str = "upstream";
/// What ends a long stream.
pub(crate) const LAST: &str = "event: last";

const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}],"isError":false}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"stream","inputSchema":{"type":"object"}}]}}"#;
const EVENT: &str = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"hello\"}}\n\n";
/// Events that are written at once.
const BURST: usize = 16;

/// Is the upstream.
pub(crate) fn run() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let routes = Router::new().route("/mcp", post(answer).get(idle));
        axum::serve(listener.tap_io(crate::site::prompt), routes).await?;
        Ok(())
    })
}

fn kind(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

async fn answer(body: Bytes) -> Response<Body> {
    let message: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    if message["method"] == "tools/list" {
        return kind("application/json", Body::from(LIST.replace("ID", &message["id"].to_string())));
    }
    match message["params"]["arguments"]["events"].as_u64() {
        Some(events) => kind("text/event-stream", events_then_last(events)),
        None => kind("application/json", Body::from(ANSWER)),
    }
}

fn events_then_last(events: u64) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(4);
    tokio::spawn(async move {
        for _ in 0..events.div_ceil(BURST as u64) {
            if sender.send(Bytes::from(EVENT.repeat(BURST.min(events as usize)))).await.is_err() {
                return;
            }
        }
        let last = format!("{LAST}\ndata: {ANSWER}\n\n");
        let _ = sender.send(Bytes::from(last)).await; // nobody may be left to read
    });
    Body::from_stream(Pieces(receiver))
}

async fn idle() -> Response<Body> {
    kind("text/event-stream", Body::from_stream(Silence))
}

struct Pieces(tokio::sync::mpsc::Receiver<Bytes>);

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, Infallible>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

struct Silence;

impl futures_core::Stream for Silence {
    type Item = Result<Bytes, Infallible>;
    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}
