//! What stays behind. Up: credentials, claims about the caller, claims about the way, and what belongs to one
//! connection. Down: what the upstream may not say on our origin. Everything else passes as it came, unknown
//! `Mcp-Param-*` included.

use std::borrow::Cow;

use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VIA};

use crate::settings::GatewayError;

/// Bound to one connection whether or not `Connection` names them (RFC 9110 §7.6.1), or made anew by us.
const BOUND: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Passed on under their own names only. Judged here as one header and read there as another, `mcp_name` would be
/// two truths in one request.
const PLAIN: &[&str] = &[
    "accept",
    "content-encoding",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
];

/// Never sent up, in any spelling: credentials and claims that a server might believe.
const UP: &[&str] = &[
    "authorization",
    "client-ip",
    "cookie",
    "cookie2",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "dpop",
    "expect", // answered here, when the body is first wanted
    "fastly-client-ip",
    "forwarded",
    "from",
    "origin", // judged by the guard; the upstream is asked by us, not by a page
    "proxy",  // becomes HTTP_PROXY in servers that speak CGI
    "true-client-ip",
    "x-access-token",
    "x-client-cert",
    "x-client-dn",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-email",
    "x-group",
    "x-groups",
    "x-http-method",
    "x-http-method-override",
    "x-id-token",
    "x-jwt-assertion",
    "x-jwt-payload",
    "x-method-override",
    "x-original-url",
    "x-originating-ip",
    "x-principal",
    "x-real-ip",
    "x-rewrite-url",
    "x-role",
    "x-roles",
    "x-subject",
    "x-username",
];

/// Never sent up, and nothing that begins so.
const UP_FAMILIES: &[&str] = &[
    "cf-access-",
    "proxy-",
    "remote-",
    "sec-fetch-", // judged by the guard, as `origin`
    "ssl-client",
    "tailscale-",
    "x-amzn-oidc-",
    "x-auth",
    "x-endpoint-api-userinfo",
    "x-envoy-",
    "x-forwarded",
    "x-goog-authenticated-",
    "x-goog-iap-",
    "x-identity",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
    "x-pomerium-",
    "x-portcullis",
    "x-remote",
    "x-ssl-",
    "x-user",
    "x-vouch-",
    "x-webauth-",
];

/// Never sent down: the upstream's credentials and challenges, and what would bind all of our origin.
const DOWN: &[&str] = &[
    "alt-svc",
    "authentication-info",
    "clear-site-data",
    "content-location",
    "dpop-nonce",
    "location",
    "nel",
    "origin-agent-cluster",
    "public-key-pins",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "via",
    "www-authenticate",
    "x-powered-by",
    "x-sendfile",
];

/// Never sent down, and nothing that begins so. A proxy in front of us obeys `X-Accel-*`.
const DOWN_FAMILIES: &[&str] = &["access-control-", "proxy-", "x-accel-", "x-portcullis"];

/// The headers that the gateway itself sets for the upstream, folded: nobody else does, in any spelling.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Vec<String>);

impl Reserved {
    pub(crate) fn new(names: impl Iterator<Item = HeaderName>) -> Result<Self, GatewayError> {
        let mut reserved = Vec::new();
        for name in names {
            let folded = fold(name.as_str()).into_owned();
            let is_taken = BOUND.contains(&folded.as_str())
                || PLAIN.contains(&folded.as_str())
                || name == VIA
                || folded.is_empty()
                || reserved.contains(&folded);
            if is_taken {
                return Err(GatewayError::Header(name));
            }
            reserved.push(folded);
        }
        Ok(Self(reserved))
    }

    fn holds(&self, folded: &str) -> bool {
        self.0.iter().any(|name| name == folded)
    }
}

/// The headers of the request that goes up, without the gateway's own. `Host` and the framing are made anew from the
/// target and the body.
pub(crate) fn upward(mut headers: HeaderMap, reserved: &Reserved) -> HeaderMap {
    strip(&mut headers, |name| is_listed(name, UP, UP_FAMILIES) || reserved.holds(name));
    headers.append(VIA, HeaderValue::from_static("1.1 portcullis")); // RFC 9110 §7.6.3
    headers
}

/// The headers of the response that comes down. An upstream that repeats what it was shown is not passed on.
pub(crate) fn downward(mut headers: HeaderMap, reserved: &Reserved) -> HeaderMap {
    strip(&mut headers, |name| is_listed(name, DOWN, DOWN_FAMILIES) || reserved.holds(name));
    if is_event_stream(&headers) {
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    headers
}

fn is_listed(folded: &str, names: &[&str], families: &[&str]) -> bool {
    names.contains(&folded) || families.iter().any(|family| folded.starts_with(family))
}

/// Removes what is bound to the connection, what hides under another spelling, and what is `unwanted` when folded.
fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    let is_doomed = |name: &&HeaderName| {
        let folded = fold(name.as_str());
        let hides = matches!(&folded, Cow::Owned(plain) if PLAIN.contains(&plain.as_str()));
        hides || BOUND.contains(&&*folded) || unwanted(&folded)
    };
    let doomed: Vec<HeaderName> = headers.keys().filter(is_doomed).cloned().collect();
    for name in named.iter().chain(&doomed) {
        headers.remove(name);
    }
}

/// A name as the laxest server might read it: to CGI and its kin `x_remote.user` and `X-Remote-User` are one name.
/// Borrowed when that is how it is written, as nearly every name is.
fn fold(name: &str) -> Cow<'_, str> {
    if is_folded(name.as_bytes()) {
        return Cow::Borrowed(name);
    }
    let mut folded = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter.is_ascii_alphanumeric() {
            true => folded.push(letter.to_ascii_lowercase()),
            false if folded.ends_with('-') || folded.is_empty() => {}
            false => folded.push('-'),
        }
    }
    if folded.ends_with('-') {
        folded.pop();
    }
    Cow::Owned(folded)
}

/// Whether folding would change nothing: lower-case letters and digits, and single hyphens between them.
fn is_folded(name: &[u8]) -> bool {
    let mut after_hyphen = true;
    for &byte in name {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => after_hyphen = false,
            b'-' if !after_hyphen => after_hyphen = true,
            _ => return false,
        }
    }
    !after_hyphen
}

pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_header_strip_every_listed_name_in_every_spelling() {
        let families = UP_FAMILIES.iter().map(|family| format!("{}-id", family.trim_end_matches('-')));
        for name in UP.iter().chain(BOUND).map(|name| (*name).to_owned()).chain(families) {
            for spelling in [
                name.clone(),
                name.to_uppercase(),
                name.replace('-', "_"),
                name.replace('-', "."),
                name.replace('-', "--"),
                name.replace('-', "_-"),
                format!("_{name}"),
                format!("{name}_"),
            ] {
                let mut headers = HeaderMap::new();
                headers.insert(
                    HeaderName::from_bytes(spelling.as_bytes()).unwrap(),
                    HeaderValue::from_static("ann"),
                );
                let left = upward(headers, &Reserved::default());
                assert_eq!(left.keys().collect::<Vec<_>>(), [&VIA], "{spelling}");
            }
        }
    }

    #[test]
    fn every_listed_name_is_its_own_folding() {
        for name in [BOUND, PLAIN, UP, DOWN].concat() {
            assert_eq!(fold(name), name, "another spelling would match nothing");
        }
        for family in [UP_FAMILIES, DOWN_FAMILIES].concat() {
            assert_eq!(fold(&format!("{family}x")), format!("{family}x"));
        }
    }

    #[test]
    fn headers_that_count_pass_under_their_own_name_only() {
        for name in PLAIN {
            for (spelling, passes) in [((*name).to_owned(), true), (format!("{name}."), false)] {
                let mut headers = HeaderMap::new();
                headers.insert(
                    HeaderName::from_bytes(spelling.as_bytes()).unwrap(),
                    HeaderValue::from_static("v"),
                );
                assert_eq!(
                    upward(headers, &Reserved::default()).contains_key(&spelling),
                    passes,
                    "{spelling}"
                );
            }
        }
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("mcp_name"), HeaderValue::from_static("v")),
            (HeaderName::from_static("mcp-param-user_id"), HeaderValue::from_static("v")),
        ]);
        assert_eq!(
            upward(headers, &Reserved::default()).keys().collect::<Vec<_>>(),
            ["mcp-param-user_id", "via"]
        );
    }

    #[test]
    fn event_streams_are_known_by_their_media_type() {
        for (kind, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-stream-not", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())]);
            assert_eq!(
                downward(headers, &Reserved::default()).contains_key("x-accel-buffering"),
                expected,
                "{kind}"
            );
        }
    }
}
