//! One exchange: a request with control of every header, and its answer with what one wants to know of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use base64url_standard::encode as standard;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) source: IpAddr,
}

/// A form or a query, encoded.
pub fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Ask {
    /// Any method.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// `GET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST`.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header; its name in lower case. One named `host` takes the place of the right one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body of any kind.
    #[must_use]
    pub fn body(mut self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", media)
    }

    /// A form.
    #[must_use]
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, pairs: &[(N, V)]) -> Self {
        let body = encode(pairs);
        self.body("application/x-www-form-urlencoded", body)
    }

    /// JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Basic authentication, raw.
    #[must_use]
    pub fn basic(self, id: &str, secret: &str) -> Self {
        self.header("authorization", &format!("Basic {}", standard(format!("{id}:{secret}").as_bytes())))
    }

    /// From another address of this computer, such as 127.0.0.2.
    #[must_use]
    pub fn from(mut self, source: IpAddr) -> Self {
        self.source = source;
        self
    }

    /// A `tools/call` of the newest revision of MCP.
    pub fn tool(path: &str, tool: &str) -> Self {
        Self::message(path, "tools/call", &serde_json::json!({ "name": tool, "arguments": {} }))
    }

    /// A JSON-RPC request in the wire of 2025-06-18.
    pub fn message(path: &str, method: &str, params: &Value) -> Self {
        Self::post(path)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18")
            .json(&serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    }
}

mod base64url_standard {
    use portcullis_wire::base64url;

    /// Base64 with padding (RFC 4648 §4), by way of the alphabet for URLs.
    pub(super) fn encode(bytes: &[u8]) -> String {
        let mut text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
        text
    }
}

/// A `WWW-Authenticate` header, read.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The scheme, as written.
    pub scheme: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// One parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// An answer.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text())
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// One header, which must not be there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?.to_str().unwrap();
        assert!(all.next().is_none(), "{name} is there twice: {self:?}");
        Some(first)
    }

    /// Must have this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// `Location`, which must be there.
    #[track_caller]
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location: {self:?}"))
    }

    /// Parameters of `Location`, in order; none if there is none.
    pub fn landing(&self) -> Vec<(String, String)> {
        let Some(to) = self.headers.get("location").and_then(|to| to.to_str().ok()) else {
            return Vec::new();
        };
        let query = to.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// A parameter of `Location`, which must not be there twice.
    #[track_caller]
    pub fn landed(&self, name: &str) -> Option<String> {
        let all: Vec<_> = self.landing().into_iter().filter(|(known, _)| known == name).collect();
        assert!(all.len() < 2, "{name} is there twice: {self:?}");
        all.into_iter().next().map(|(_, value)| value)
    }

    /// Name and value of each cookie that is set.
    pub fn cookies(&self) -> Vec<(String, String)> {
        self.set_cookies()
            .iter()
            .filter_map(|cookie| cookie.split(';').next()?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Each `Set-Cookie`, whole.
    pub fn set_cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// The challenge, which must be there, alone, with every value quoted (protocol R15).
    #[track_caller]
    pub fn challenge(&self) -> Challenge {
        let text = self.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {self:?}"));
        let (scheme, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parameters = BTreeMap::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("unquoted: {text}"));
            let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("open quote: {text}"));
            let name = name.trim_start_matches([',', ' ']).to_owned();
            assert!(parameters.insert(name, value.to_owned()).is_none(), "twice: {text}");
            rest = after;
        }
        Challenge { scheme: scheme.to_owned(), parameters }
    }

    /// Must be a bearer challenge (RFC 6750 §3) with this error, or with none.
    #[track_caller]
    pub fn is_challenged(&self, status: u16, error: Option<&str>) -> Challenge {
        self.is(status);
        let challenge = self.challenge();
        assert_eq!(challenge.scheme, "Bearer", "{self:?}");
        assert_eq!(challenge.get("error"), error, "{self:?}");
        assert!(challenge.get("resource_metadata").is_some_and(|url| url.starts_with("http")), "{self:?}");
        challenge
    }

    /// The error of an endpoint that speaks JSON, whose form is checked on the way (RFC 6749 §5.2).
    #[track_caller]
    pub fn oauth_error(&self) -> String {
        assert!(self.status >= 400, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let json = self.json();
        let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
        assert!(json["error_description"].as_str().is_some_and(|text| text.chars().all(allowed)), "{self:?}");
        json["error"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }

    /// Must be this error of an endpoint that speaks JSON.
    #[track_caller]
    pub fn refuses(&self, status: u16, error: &str) -> &Self {
        self.is(status);
        assert_eq!(self.oauth_error(), error, "{self:?}");
        self
    }

    /// Must be an error page with this code, and no redirect.
    #[track_caller]
    pub fn stops(&self, status: u16, code: &str) -> &Self {
        self.is(status);
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"), "{self:?}");
        assert_eq!(self.header("location"), None, "{self:?}");
        assert!(self.text().contains(code), "{self:?}");
        self
    }

    /// Must send the browser on to `to` with this error, the state and the issuer, each once.
    #[track_caller]
    pub fn returns_error(&self, to: &str, error: &str, state: Option<&str>, issuer: &str) -> &Self {
        self.is(303);
        assert!(self.location().starts_with(&format!("{to}?")), "{self:?}");
        assert_eq!(self.landed("error").as_deref(), Some(error), "{self:?}");
        assert_eq!(self.landed("state").as_deref(), state, "{self:?}");
        assert_eq!(self.landed("iss").as_deref(), Some(issuer), "{self:?}");
        assert_eq!(self.landed("code"), None, "{self:?}");
        self
    }
}
