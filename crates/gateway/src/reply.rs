//! What the gateway says for itself when it cannot pass on what the upstream says. Never a challenge, never a
//! JSON-RPC message: this is not the server speaking, and no sign-in would help (so never 401 or 403 either).

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::body::RelayBody;

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
    /// As many requests under way as are allowed.
    Busy,
    /// The upstream wants a credential, or another one.
    Refused,
    /// The upstream points elsewhere.
    Redirected,
    /// No connection, or none that spoke HTTP.
    Unavailable,
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
            Self::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "the MCP server behind this gateway did not answer in time",
            ),
        }
    }

    const fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::Timeout)
    }

    pub(crate) fn response(self) -> Response<RelayBody> {
        let (status, error, description) = self.words();
        // Both are our own words, without quotes or backslashes.
        let text = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
        let mut response = Response::new(RelayBody::words(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.passes() {
            headers.insert(RETRY_AFTER, AGAIN);
        }
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE")); // RFC 9110 §15.5.6
        }
        response
    }
}
