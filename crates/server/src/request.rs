//! What is read of every request before an endpoint looks at it: where it comes from, its cookies, its form.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use portcullis_jose::mint::{Browser, Opaque, Presented, Session};
use portcullis_wire::digest::Digest;
use portcullis_wire::form::Form;
use portcullis_wire::id::SessionId;
use portcullis_wire::limit;

use crate::app::App;
use crate::entropy::EntropyShapes as _;
use crate::ticket::Holder;

/// The peer's address, or the one trusted proxies name (the last that is no proxy itself).
pub(crate) fn source(app: &App, parts: &Parts) -> IpAddr {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical());
    let trusted = |ip: IpAddr| app.settings.trusted_proxies.iter().any(|network| network.contains(ip));
    forwarded(peer, &parts.headers, trusted)
}

/// Walks `X-Forwarded-For` from its right end, as each proxy added to it, while the one who added is trusted. What
/// cannot be read ends the walk: everything left of it may be a stranger's.
fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut source = peer;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(value) = value.to_str() else { return source };
        for item in value.rsplit(',') {
            if !trusted(source) {
                return source;
            }
            let Some(named) = forwarded_address(item.trim()) else { return source };
            source = named;
        }
    }
    source
}

/// Proxies write an address bare or with the port it came from, and IPv6 with or without brackets.
fn forwarded_address(item: &str) -> Option<IpAddr> {
    let bracketed = || item.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address = item
        .parse::<IpAddr>()
        .ok()
        .or_else(|| item.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
        .or_else(bracketed)?;
    Some(address.to_canonical())
}

/// Why a form was not read: a status and what to say.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) StatusCode, pub(crate) &'static str);

/// Longest form that carries a SAML response, in bytes: 256 KiB of it in base64 whose `+` and `/` are escaped, and the
/// relay state.
#[cfg(feature = "saml")]
pub(crate) const SAML_FORM: usize = 512 * 1024;

/// Reads a form body: the right media type, bounded, well-formed.
pub(crate) async fn form(headers: &HeaderMap, body: Body) -> Result<Form, Unreadable> {
    form_of(headers, body, limit::FORM_BODY).await
}

/// Reads a form body of at most so many bytes.
pub(crate) async fn form_of(headers: &HeaderMap, body: Body, most: usize) -> Result<Form, Unreadable> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        || headers.get_all(CONTENT_TYPE).iter().count() > 1
    {
        return Err(Unreadable(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must be application/x-www-form-urlencoded.",
        ));
    }
    let body = bytes(body, most).await?;
    Form::parse(&body).map_err(|_| Unreadable(StatusCode::BAD_REQUEST, "The body is not a well-formed form."))
}

/// Reads a bounded body.
pub(crate) async fn bytes(body: Body, most: usize) -> Result<bytes::Bytes, Unreadable> {
    to_bytes(body, most)
        .await
        .map_err(|_| Unreadable(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large, or it broke off."))
}

/// The one value of a header, as text; two of it, or none in ASCII, are a fault.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Unreadable> {
    let wrong = Unreadable(StatusCode::BAD_REQUEST, "There must be at most one Authorization header.");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong),
        _ => Err(wrong),
    }
}

/// Names of our cookies. `__Host-` wherever there is TLS; on an http loopback issuer browsers differ on `Secure`,
/// and ports share cookies, so the port stands in the name.
fn cookie_name(app: &App, what: &str) -> String {
    let issuer = &app.settings.issuer;
    if issuer.is_plain() {
        format!("portcullis-{}-{what}", issuer.url().port_or_known_default().unwrap_or_default())
    } else {
        format!("__Host-portcullis-{what}")
    }
}

/// Renders a `Set-Cookie`. `seconds` is how long it lives; zero removes it.
pub(crate) fn set_cookie(app: &App, what: &str, value: &str, seconds: u64) -> String {
    let secure = if app.settings.issuer.is_plain() { "" } else { "; Secure" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", cookie_name(app, what))
}

/// How long a browser is known, in seconds.
pub(crate) const BROWSER_LIFE: u64 = 400 * 24 * 60 * 60;

/// A browser, by its cookies.
pub(crate) struct Visitor {
    /// The browser's own cookie, if it was ours.
    pub(crate) browser: Option<Presented<Browser>>,
    /// The session's cookie, if it was ours.
    pub(crate) session: Option<Presented<Session>>,
    /// A cookie that says who signed in here before, unopened.
    pub(crate) known: Option<String>,
    /// A browser cookie to set, where there was none.
    pub(crate) fresh: Option<Opaque<Browser>>,
}

impl Visitor {
    /// Reads the cookies; a browser without one is given one.
    pub(crate) fn read(app: &App, headers: &HeaderMap) -> Self {
        let find = |what: &str| {
            let name = cookie_name(app, what);
            let mut found = headers
                .get_all(COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned());
            // Two of one name come from a neighbour that set its own: neither can be trusted.
            match (found.next(), found.next()) {
                (Some(value), None) => Some(value),
                _ => None,
            }
        };
        let browser = find("browser").and_then(|text| app.mint.read::<Browser>(&text));
        let fresh = browser
            .is_none()
            .then(|| app.mint.mint::<Browser>(app.entropy.number(app.now()), app.entropy.bytes()));
        Self {
            browser,
            session: find("session").and_then(|text| app.mint.read::<Session>(&text)),
            known: find("known"),
            fresh,
        }
    }

    /// The digest that stands for this browser.
    pub(crate) fn digest(&self) -> Digest {
        match (&self.browser, &self.fresh) {
            (Some(presented), _) => presented.digest,
            (None, Some(fresh)) => fresh.digest(),
            (None, None) => Digest::of(b""),
        }
    }

    /// Whose tickets this browser holds before sign-in.
    pub(crate) fn holder(&self) -> Holder {
        Holder { browser: self.digest(), session: self.session.as_ref().map(|session| session.digest) }
    }

    /// The session to look up.
    pub(crate) fn session_ask(&self) -> Option<(SessionId, Digest)> {
        self.session.as_ref().map(|session| (SessionId::from_number(session.number), session.digest))
    }
}

/// Whether a form post comes from a page of ours. With `Referrer-Policy: no-referrer` browsers send `Origin: null`
/// with our own forms, so it is `Sec-Fetch-Site` that tells, where it is sent; the ticket binds the rest.
pub(crate) fn is_own_form(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin =
        text(ORIGIN.as_str()).is_none_or(|origin| origin == "null" || origin == app.settings.issuer.origin());
    site && origin
}

/// What the `Host` header makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HostVerdict {
    /// It names this server.
    Ours,
    /// It names another of our loopback names: cookies and redirects would go astray.
    OtherLoopback,
    /// It names somebody else: a rebinding page, or a wrong proxy.
    Foreign,
}

/// Judges the `Host` header (threats, control 39). No header ever shapes a URL of ours.
pub(crate) fn host(app: &App, request: &Request<Body>) -> HostVerdict {
    let named = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| request.uri().authority().map(|a| a.as_str()));
    let Some(named) = named else { return HostVerdict::Foreign };
    let issuer = &app.settings.issuer;
    if named.eq_ignore_ascii_case(&issuer.authority()) {
        return HostVerdict::Ours;
    }
    let port = |authority: &str| {
        url::Url::parse(&format!("{}://{authority}", issuer.url().scheme()))
            .ok()
            .and_then(|url| url.port_or_known_default())
    };
    let bare = |authority: &str| {
        authority
            .strip_suffix(&format!(":{}", port(authority).unwrap_or_default()))
            .unwrap_or(authority)
            .to_owned()
    };
    let loopback = ["127.0.0.1", "[::1]", "localhost"].contains(&bare(named).as_str());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let behind_proxy =
        peer.is_some_and(|peer| app.settings.trusted_proxies.iter().any(|network| network.contains(peer)));
    match (issuer.is_loopback(), loopback) {
        _ if behind_proxy => HostVerdict::Ours,
        (_, true) => HostVerdict::OtherLoopback,
        _ => HostVerdict::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn t_flood_a_source_is_what_the_last_trusted_proxy_says_and_nothing_left_of_what_is_unreadable() {
        let trusted = |ip: IpAddr| ["10.0.0.1", "10.0.0.2", "fd00::1"].contains(&ip.to_string().as_str());
        for (name, peer, lines, expected) in [
            ("no proxy: nothing is believed", "203.0.113.9", vec!["198.51.100.7"], "203.0.113.9"),
            ("no header", "10.0.0.1", vec![], "10.0.0.1"),
            ("one hop", "10.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
            ("what the caller claims lies left", "10.0.0.1", vec!["192.0.2.1, 198.51.100.7"], "198.51.100.7"),
            ("two proxies", "10.0.0.1", vec!["192.0.2.1,198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("two lines", "10.0.0.1", vec!["192.0.2.1", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            ("with a port", "10.0.0.1", vec!["198.51.100.7:49152"], "198.51.100.7"),
            ("IPv6", "10.0.0.1", vec!["2001:db8::7"], "2001:db8::7"),
            ("IPv6 in brackets", "10.0.0.1", vec!["[2001:db8::7]"], "2001:db8::7"),
            ("IPv6 with a port", "fd00::1", vec!["[2001:db8::7]:443"], "2001:db8::7"),
            ("IPv4 written as IPv6", "10.0.0.1", vec!["198.51.100.7, ::ffff:10.0.0.2"], "198.51.100.7"),
            ("the proxy hides it", "10.0.0.1", vec!["192.0.2.1, unknown"], "10.0.0.1"),
            ("an earlier proxy hides it", "10.0.0.1", vec!["192.0.2.1, _hidden, 10.0.0.2"], "10.0.0.2"),
            ("an empty item", "10.0.0.1", vec!["192.0.2.1,"], "10.0.0.1"),
            ("no text", "10.0.0.1", vec!["192.0.2.1", "\u{e9}"], "10.0.0.1"),
            ("proxies all the way", "10.0.0.1", vec!["10.0.0.2"], "10.0.0.2"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let got = forwarded(peer.parse().unwrap(), &headers, trusted);
            assert_eq!(got.to_string(), expected, "{name}");
        }
    }
}
