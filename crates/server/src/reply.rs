//! Answers: status decided once, headers set once. Never per handler.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, PRAGMA, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::error::{ErrorBody, ErrorCode};
use portcullis_wire::redirect::{Landing, RedirectUri};
use portcullis_wire::token::RequestError;
use serde::Serialize;

use crate::app::Unavailable;
use crate::request::Unreadable;

/// What a client is told to wait after a 503, in seconds.
const RETRY_SOON: u64 = 2;

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A response of bytes.
pub(crate) fn plain(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// JSON that may be kept by nobody (RFC 6749 §5.1).
pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = plain(status, "application/json", serde_json::to_vec(body).unwrap_or_default());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// An error of an endpoint that speaks JSON (RFC 6749 §5.2).
pub(crate) fn error(status: StatusCode, code: ErrorCode, description: &str) -> Response {
    json(status, &ErrorBody { error: code, error_description: description.to_owned() })
}

/// A refusal: 401 with a challenge for `invalid_client`, 400 for the rest of the family.
pub(crate) fn refused(refusal: Refusal) -> Response {
    match refusal.code() {
        ErrorCode::InvalidClient => challenged(refusal.description()),
        code => error(StatusCode::BAD_REQUEST, code, refusal.description()),
    }
}

/// 401 `invalid_client` (RFC 6749 §5.2).
pub(crate) fn challenged(description: &str) -> Response {
    let mut response = error(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, description);
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"portcullis\", charset=\"UTF-8\""));
    response
}

/// A request that could not be read.
pub(crate) fn unreadable(fault: &Unreadable) -> Response {
    error(fault.0, ErrorCode::InvalidRequest, fault.1)
}

/// A form that says too little or too much.
pub(crate) fn malformed(fault: RequestError) -> Response {
    match fault {
        RequestError::GrantType => error(
            StatusCode::BAD_REQUEST,
            ErrorCode::UnsupportedGrantType,
            "grant_type must be authorization_code, refresh_token or client_credentials.",
        ),
        RequestError::NoClient => challenged("The request does not say which client it is from."),
        RequestError::Basic => {
            challenged("The Authorization header is not well-formed Basic authentication.")
        }
        fault => error(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, &fault.to_string()),
    }
}

/// 503: nothing was done, come back.
pub(crate) fn unavailable(Unavailable: Unavailable) -> Response {
    later(
        StatusCode::SERVICE_UNAVAILABLE,
        Duration::from_secs(RETRY_SOON),
        "The server cannot do this now. Nothing was changed; try again.",
    )
}

/// 429 or 503 with the time to wait.
pub(crate) fn later(status: StatusCode, wait: Duration, description: &str) -> Response {
    let mut response = error(status, ErrorCode::TemporarilyUnavailable, description);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    response
}

/// 303: after a post a browser goes on with a GET, and the credentials stay here (RFC 9700 §4.12).
pub(crate) fn see_other(url: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, value(url));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Sets a cookie on a response.
pub(crate) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    response.headers_mut().append(SET_COOKIE, value(cookie));
    response
}

/// A page. `leads_to` is where its form's answer may be sent on to, beyond ourselves.
pub(crate) fn page(status: StatusCode, html: String, leads_to: Option<&RedirectUri>) -> Response {
    let mut response = plain(status, "text/html; charset=utf-8", html);
    let form_action = leads_to.map_or_else(String::new, |uri| format!(" {}", form_target(uri)));
    let csp = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, value(&csp));
    for (name, text) in [
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "interest-cohort=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(text));
    }
    response
}

/// The source expression that lets a form's redirect through. CSP has none for an IPv6 address.
fn form_target(uri: &RedirectUri) -> String {
    match (uri.landing(), url::Url::parse(uri.as_str())) {
        (Landing::Loopback, Ok(url)) if url.host_str() == Some("[::1]") => "http:".to_owned(),
        (Landing::Web | Landing::Loopback, Ok(url)) => url.origin().ascii_serialization(),
        (Landing::PrivateUse, Ok(url)) => format!("{}:", url.scheme()),
        (_, Err(_)) => String::new(),
    }
}
