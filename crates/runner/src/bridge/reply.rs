//! What the bridge says for itself, in the words of the gateway, and what carries it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use portcullis_mcp::sse::Event;
use portcullis_mcp::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, VERSIONS};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use crate::frame::Closed;

/// Something between the caller and the server failed (JSON-RPC 2.0 §5.1).
const INTERNAL_ERROR: i64 = -32603;
/// What servers in the field say of a session that is no more.
const SESSION_NOT_FOUND: i64 = -32001;
/// The revision without sessions.
pub(super) const STATELESS: &str = "2026-07-28";

/// Why the bridge answers for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Method,
    NobodyCalls,
    TooLarge,
    Broken,
    NoMessage,
    NoSession,
    SessionGone,
    StreamOpen,
    AnotherEra,
    Busy,
    Closed(Closed),
    Timeout,
}

impl Failure {
    fn words(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Method => (S::METHOD_NOT_ALLOWED, "invalid_request", "this method is not served here"),
            Self::NobodyCalls => (S::INTERNAL_SERVER_ERROR, "server_error", "it is not known who calls"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too large"),
            Self::Broken => (S::BAD_REQUEST, "invalid_request", "the body broke off"),
            Self::NoMessage => (S::BAD_REQUEST, "invalid_request", "the body is no JSON-RPC message"),
            Self::NoSession => (S::BAD_REQUEST, "invalid_request", "the Mcp-Session-Id header is missing"),
            Self::SessionGone => (S::NOT_FOUND, "session_not_found", "Session not found"),
            Self::StreamOpen => (S::CONFLICT, "invalid_request", "this session has a stream already"),
            Self::AnotherEra => (S::BAD_REQUEST, "unsupported_version", "Unsupported protocol version"),
            Self::Busy => {
                (S::SERVICE_UNAVAILABLE, "temporarily_unavailable", "too many requests are under way")
            }
            Self::Closed(Closed::TooMany) => (
                S::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "as many MCP servers run as may, for this agent or for all; end sessions that are not needed, and try again in a few seconds",
            ),
            Self::Closed(Closed::NotStarted(_)) => (
                S::BAD_GATEWAY,
                "upstream_unavailable",
                "the MCP server behind this gateway could not be started",
            ),
            Self::Closed(Closed::TooLong) => (
                S::BAD_GATEWAY,
                "upstream_too_large",
                "a message of the MCP server behind this gateway is larger than the gateway carries",
            ),
            Self::Closed(_) => (
                S::BAD_GATEWAY,
                "upstream_unavailable",
                "the MCP server behind this gateway ended before it answered",
            ),
            Self::Timeout => (
                S::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "the MCP server behind this gateway did not answer in time",
            ),
        }
    }

    const fn code(&self) -> i64 {
        match self {
            Self::NoMessage => PARSE_ERROR,
            Self::AnotherEra => INVALID_PARAMS,
            Self::SessionGone => SESSION_NOT_FOUND,
            Self::Method | Self::TooLarge | Self::Broken | Self::NoSession | Self::StreamOpen => {
                INVALID_REQUEST
            }
            _ => INTERNAL_ERROR,
        }
    }

    fn rpc(&self, id: &Value) -> Value {
        let (_, error, description) = self.words();
        // A caller of the later revision falls back at any error but that revision's own.
        let data = match self {
            Self::AnotherEra => {
                let served: Vec<&str> = VERSIONS.iter().copied().filter(|one| *one != STATELESS).collect();
                json!({ "supported": served, "requested": STATELESS })
            }
            _ => json!({ "error": error }),
        };
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": self.code(), "message": description, "data": data } })
    }

    /// The answer to a message, whose id it bears.
    pub(super) fn response(&self, id: &Value) -> Response<BridgeBody> {
        let mut response = json_response(self.rpc(id).to_string().into());
        *response.status_mut() = self.words().0;
        if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if *self == Self::Method {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE")); // RFC 9110 §15.5.6
        }
        response
    }
}

pub(super) fn json_response(body: Bytes) -> Response<BridgeBody> {
    let mut response = Response::new(BridgeBody(Inside::Whole(Some(body))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn empty(status: StatusCode) -> Response<BridgeBody> {
    let mut response = Response::new(BridgeBody(Inside::Whole(None)));
    *response.status_mut() = status;
    response
}

pub(super) fn events(stream: Events) -> Response<BridgeBody> {
    let mut response = Response::new(BridgeBody(Inside::Events(Box::new(stream))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One message on its way down.
#[derive(Debug)]
pub(super) enum Told {
    /// Something before, or beside, the answer.
    Beside(Bytes),
    /// The answer; nothing follows.
    Answer(Bytes),
}

/// A stream of events: those of one request, which ends with its answer, or those of a session.
pub(super) struct Events {
    pub(super) first: Option<Bytes>,
    pub(super) rest: mpsc::Receiver<Told>,
    /// Whose answer is awaited; none on a session's stream.
    pub(super) asked: Option<Value>,
    pub(super) patience: Option<(Duration, Pin<Box<Sleep>>)>,
    /// What happens when this is let go of.
    pub(super) guard: Option<Box<dyn Send + Sync>>,
}

impl Events {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(event(&first)));
        }
        if let Poll::Ready(told) = self.rest.poll_recv(cx) {
            if let Some((patience, timer)) = &mut self.patience {
                timer.as_mut().reset(Instant::now() + *patience);
            }
            return Poll::Ready(match told {
                Some(Told::Beside(message)) => Some(event(&message)),
                Some(Told::Answer(message)) => {
                    self.end();
                    Some(event(&message))
                }
                None => self.fail(&Failure::Closed(Closed::Gone)),
            });
        }
        let over = self.patience.as_mut().is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_ready());
        if over { Poll::Ready(self.fail(&Failure::Timeout)) } else { Poll::Pending }
    }

    fn end(&mut self) {
        (self.asked, self.patience) = (None, None);
        self.rest.close();
        // What was meant to cancel has nothing left to cancel.
        self.guard = None;
    }

    /// The last event of a stream whose answer will not come.
    fn fail(&mut self, why: &Failure) -> Option<Bytes> {
        let id = self.asked.take();
        self.end();
        id.map(|id| event(why.rpc(&id).to_string().as_bytes()))
    }
}

fn event(message: &[u8]) -> Bytes {
    Event::message(&String::from_utf8_lossy(message))
}

/// The body of an answer: one message, or a stream of events.
pub struct BridgeBody(Inside);

enum Inside {
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

impl Body for BridgeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.0 {
            Inside::Whole(body) => Poll::Ready(body.take()),
            Inside::Events(events) => events.poll(cx),
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inside::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Inside::Whole(body) => {
                http_body::SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Inside::Events(_) => http_body::SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for BridgeBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BridgeBody").finish_non_exhaustive()
    }
}
