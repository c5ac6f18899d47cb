//! Cross-origin requests of hosts that run in a browser (Fetch, CORS protocol; protocol R27). Never with credentials:
//! the token travels in a header that the page's own code sets.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis_mcp::PARAM_PREFIX;

/// Most headers of one preflight that are looked at.
const REQUESTED_HEADERS: usize = 64;
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const EXPOSED: HeaderValue = HeaderValue::from_static("WWW-Authenticate, Mcp-Session-Id, Retry-After");
const ALLOWED: &str = "Accept, Authorization, Content-Type, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, \
                       Mcp-Name, Last-Event-ID";
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Whether this is a browser asking beforehand.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight: the headers of MCP, and those that mirror arguments, as far as they were asked for.
pub(crate) fn answer(asked: &HeaderMap, reply: &mut HeaderMap) {
    let mut allowed = ALLOWED.to_owned();
    let lists = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|list| list.to_str().ok());
    for name in lists.flat_map(|list| list.split(',')).map(str::trim).take(REQUESTED_HEADERS) {
        // As a header name it is plain ASCII and cannot break out of the list.
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && name.as_str().starts_with(PARAM_PREFIX)
        {
            allowed.push_str(", ");
            allowed.push_str(name.as_str());
        }
    }
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        reply.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    reply.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    reply.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    reply.insert(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
}

/// Lets the page read the answer, unless the service behind has already said who may.
pub(crate) fn expose(reply: &mut HeaderMap) {
    if !reply.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        reply.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        reply.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
