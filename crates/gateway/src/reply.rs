//! What the gateway says for itself when it cannot pass on what the upstream says. Never a challenge: this is not the
//! server speaking, and no sign-in would help (so never 401 or 403 either). Who posts a message is answered by a
//! message, a JSON-RPC error, since that is what MCP clients show to people and models.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use portcullis_mcp::INVALID_REQUEST;
use serde_json::{Value, json};

use crate::body::RelayBody;

/// The id of the JSON-RPC request in the body. Whoever has read the body puts it among the request's extensions, and
/// what the gateway answers for itself carries it; without it such answers carry the id `null`.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestId(pub Value);

/// Something between the caller and the server failed (JSON-RPC 2.0 §5.1). What it was stands in `data.error`.
const INTERNAL_ERROR: i64 = -32603;
/// When to try again what failed for now, in seconds.
const AGAIN: HeaderValue = HeaderValue::from_static("5");

/// Why a request was not answered by the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A method that MCP's transport does not have.
    Method,
    /// A body with a method that has none: what an upstream does not read, it may take for the next request.
    UnexpectedBody,
    /// More than we carry.
    QueryUnfit,
    /// More than we carry.
    BodyTooLarge,
    /// The caller's own body ended early.
    BodyBroken,
    /// The caller's own body stopped coming.
    BodyStalled,
    /// As many requests under way, or sessions open, as are allowed.
    Busy,
    /// The upstream wants a credential, or another one.
    Refused,
    /// Whoever issues the gateway's own credential for the upstream does not, at the moment.
    NoCredential,
    /// The upstream points elsewhere.
    Redirected,
    /// No connection, or none that spoke HTTP.
    Unavailable,
    /// An answer that ended before its end.
    Broken,
    /// An answer longer than is carried.
    AnswerTooLarge,
    /// Nothing in time.
    Timeout,
}

impl Failure {
    fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request",
                "this endpoint takes POST, GET and DELETE",
            ),
            Self::UnexpectedBody => {
                (StatusCode::BAD_REQUEST, "invalid_request", "only POST may carry a body")
            }
            Self::QueryUnfit => {
                (StatusCode::URI_TOO_LONG, "invalid_request", "the query cannot be passed on")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too large"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "invalid_request", "the body broke off"),
            Self::BodyStalled => {
                (StatusCode::REQUEST_TIMEOUT, "invalid_request", "the body did not come in time")
            }
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "too many requests are under way",
            ),
            Self::Refused => (
                StatusCode::BAD_GATEWAY,
                "upstream_refused",
                "the MCP server behind this gateway refused the gateway; its operator must set this right, signing in again does not help",
            ),
            Self::NoCredential => (
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_refused",
                "the gateway has no credential for the MCP server behind it at the moment; signing in again does not help",
            ),
            Self::Redirected => (
                StatusCode::BAD_GATEWAY,
                "upstream_redirected",
                "the MCP server behind this gateway answered with a redirect; its operator must name the final URL",
            ),
            Self::Unavailable => (
                StatusCode::BAD_GATEWAY,
                "upstream_unavailable",
                "the MCP server behind this gateway could not be reached",
            ),
            Self::Broken => (
                StatusCode::BAD_GATEWAY,
                "upstream_unavailable",
                "the MCP server behind this gateway broke off its answer",
            ),
            Self::AnswerTooLarge => (
                StatusCode::BAD_GATEWAY,
                "upstream_too_large",
                "the answer of the MCP server behind this gateway is larger than the gateway carries",
            ),
            Self::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "the MCP server behind this gateway did not answer in time",
            ),
        }
    }

    const fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::NoCredential | Self::Unavailable | Self::Broken | Self::Timeout)
    }

    pub(crate) fn response(self, to: &Asked) -> Response<RelayBody> {
        let (status, error, description) = self.words();
        let code = if status.is_server_error() { INTERNAL_ERROR } else { INVALID_REQUEST };
        let body = match to {
            Asked::Message(id) => rpc_error(id, code, description, &json!({ "error": error })),
            Asked::Plainly => json!({ "error": error, "error_description": description }),
        };
        let mut response = own(status, &body);
        let headers = response.headers_mut();
        if self.passes() {
            headers.insert(RETRY_AFTER, AGAIN);
        }
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE")); // RFC 9110 §15.5.6
        }
        response
    }

    /// What ends an event stream of ours whose answer will not come.
    pub(crate) fn message(self, id: &Value) -> Bytes {
        let (_, error, description) = self.words();
        rpc_error(id, INTERNAL_ERROR, description, &json!({ "error": error })).to_string().into()
    }
}

/// In which form an answer of ours is understood.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// By a message, whose answer bears this id.
    Message(Value),
    /// Without one.
    Plainly,
}

impl Asked {
    pub(crate) fn of(parts: &Parts) -> Self {
        match parts.method {
            Method::POST => Self::Message(
                parts.extensions.get::<RequestId>().map_or(Value::Null, |RequestId(id)| id.clone()),
            ),
            _ => Self::Plainly,
        }
    }
}

pub(crate) fn rpc_error(id: &Value, code: i64, message: &str, data: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message, "data": data } })
}

/// An answer of our own.
pub(crate) fn own(status: StatusCode, body: &Value) -> Response<RelayBody> {
    let mut response = Response::new(RelayBody::words(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
