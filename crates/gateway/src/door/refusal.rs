//! What the door says for itself, in words that clients show to people and models.

use std::time::Duration;

use axum_core::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use portcullis_mcp::{INVALID_PARAMS, INVALID_REQUEST};
use serde_json::{Value, json};

/// There is no such method (JSON-RPC 2.0 §5.1).
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// Something between the caller and the server failed (JSON-RPC 2.0 §5.1).
pub(crate) const INTERNAL_ERROR: i64 = -32603;
/// A limit was reached; one of the codes that JSON-RPC 2.0 §5.1 leaves to servers.
pub(crate) const LIMITED: i64 = -32000;
/// There is no such session: the code that servers of the stateful era give with 404.
const SESSION_NOT_FOUND: i64 = -32001;

fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON-RPC error.
pub(crate) fn error(status: StatusCode, id: Option<&Value>, code: i64, message: &str) -> Response<Body> {
    json(status, &portcullis_mcp::json_rpc_error(code, message, id))
}

/// A whole JSON-RPC message.
pub(crate) fn message(message: &Value) -> Response<Body> {
    json(StatusCode::OK, message)
}

/// A result.
pub(crate) fn result(id: &Value, result: &Value) -> Response<Body> {
    message(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// The result of a tool that says that it failed, and why. The stateless era wants to be told that it is complete.
pub(crate) fn tool_error(text: &str, is_stateless: bool) -> Value {
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": true });
    if is_stateless && let Some(result) = result.as_object_mut() {
        result.insert("resultType".to_owned(), Value::from("complete"));
    }
    result
}

/// A handle that opens for nobody here: a state, a task. It may be foreign, garbled or past; nobody is told which.
pub(crate) fn unknown_handle(id: Option<&Value>, what: &str) -> Response<Body> {
    error(StatusCode::OK, id, INVALID_PARAMS, &format!("{what} is not known here, or has ended"))
}

/// As for a session that was lost (MCP 2025-11-25, session management): the client begins a new one.
pub(crate) fn unknown_session(id: Option<&Value>) -> Response<Body> {
    error(StatusCode::NOT_FOUND, id, SESSION_NOT_FOUND, "Session not found")
}

/// Enough for now.
pub(crate) fn limited(id: Option<&Value>, rule: &str, retry_after: Duration) -> Response<Body> {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let seconds = seconds.max(1);
    let text = format!("Limit reached: {rule}. Wait {seconds} s before the next call.");
    let mut body = portcullis_mcp::json_rpc_error(LIMITED, &text, id);
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        error.insert("data".to_owned(), json!({ "error": "limited", "rule": rule, "retryAfter": seconds }));
    }
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, &body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// One of our own parts cannot do its work.
pub(crate) fn unavailable(id: Option<&Value>, why: &str) -> Response<Body> {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, id, INTERNAL_ERROR, why);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The server behind answered in a way that cannot be passed on.
pub(crate) fn bad_upstream(id: Option<&Value>, why: &str) -> Response<Body> {
    error(StatusCode::BAD_GATEWAY, id, INTERNAL_ERROR, why)
}

/// Taken, and no answer follows.
pub(crate) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// A request that the transport does not have.
pub(crate) fn bad_request(why: &str) -> Response<Body> {
    error(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, why)
}

/// A method that the transport does not have.
pub(crate) fn method_not_allowed() -> Response<Body> {
    let why = "this endpoint takes POST, GET and DELETE";
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, None, INVALID_REQUEST, why);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE")); // RFC 9110 §15.5.6
    response
}
