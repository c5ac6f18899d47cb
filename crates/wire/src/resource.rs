//! Issuer and resource: two URLs whose bytes matter.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::limit;

/// Why a URL cannot be an issuer or a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// No absolute http(s) URL with a host.
    #[error("this is not an absolute http or https URL")]
    NotAbsolute,
    /// It holds a fragment (RFC 8707 §2).
    #[error("a resource has no fragment")]
    Fragment,
    /// It holds a user name, a password, or (an issuer) a query.
    #[error("user names, passwords and (in an issuer) queries are not allowed")]
    Extra,
    /// `http` off this computer.
    #[error("plain http is allowed on loopback addresses only")]
    Plain,
    /// Longer than we look at.
    #[error("the URL is too long")]
    TooLong,
}

/// Whether `url` points at this very computer: `127.0.0.1`, `[::1]` or `localhost`, and nothing like them.
pub fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
}

fn absolute(text: &str) -> Result<Url, ResourceError> {
    if text.len() > limit::RESOURCE_URI {
        return Err(ResourceError::TooLong);
    }
    if text.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b == b'\\') {
        return Err(ResourceError::NotAbsolute);
    }
    let url = Url::parse(text).map_err(|_| ResourceError::NotAbsolute)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !text.contains("://") {
        return Err(ResourceError::NotAbsolute);
    }
    if url.fragment().is_some() {
        return Err(ResourceError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ResourceError::Extra);
    }
    Ok(url)
}

/// The authorization server's issuer identifier (RFC 8414 §2), byte for byte as it stands in the metadata, in
/// `iss` parameters, in tokens and in the protected-resource metadata.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Reads an issuer: https (or http on loopback), no query, no fragment, no trailing slash.
    ///
    /// # Errors
    /// [`ResourceError`], by cause.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let text = text.trim_end_matches('/');
        let url = absolute(text)?;
        if url.query().is_some() {
            return Err(ResourceError::Extra);
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(ResourceError::Plain);
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// A foreign issuer, exactly as spelled, trailing slash and all: some servers print one.
    ///
    /// # Errors
    /// [`ResourceError`], by cause.
    pub fn parse_exact(text: &str) -> Result<Self, ResourceError> {
        let parsed = Self::parse(text)?;
        Ok(Self { text: text.to_owned(), url: parsed.url })
    }

    /// The exact spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Parsed.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its path, empty for a bare origin.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Scheme, host and port, as a browser sends them in `Origin`.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Host and, if it is not the scheme's own, port: what people see, and what `Host` must say.
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Whether it is on this computer.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Whether it is plain http, which only a loopback issuer can be.
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The URL of one of its own paths; `path` begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text.trim_end_matches('/'))
    }
}

/// A guarded MCP server by its canonical URI (RFC 8707 §2): the `aud` of its tokens and the `resource` of its
/// metadata are exactly this text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource {
    text: String,
    key: String,
}

impl Resource {
    /// Reads a resource indicator: an absolute http(s) URI without fragment.
    ///
    /// # Errors
    /// [`ResourceError`], by cause.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let url = absolute(text)?;
        // The parser folds the host's case and drops a default port; one trailing slash is all we drop ourselves.
        let spelled = url.as_str();
        let key = match url.query() {
            None => spelled.strip_suffix('/').unwrap_or(spelled).to_owned(),
            Some(_) => spelled.to_owned(),
        };
        Ok(Self { text: text.to_owned(), key })
    }

    /// The exact spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both name the same server: equal but for host case, default port and one trailing slash.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Its path, as requests will carry it.
    pub fn path(&self) -> String {
        Url::parse(&self.text).map(|url| url.path().to_owned()).unwrap_or_default()
    }

    /// Whether it lies on the origin of `issuer`.
    pub fn is_on(&self, issuer: &Issuer) -> bool {
        Url::parse(&self.text).is_ok_and(|url| url.origin() == issuer.url().origin())
    }

    /// Where its metadata document is (RFC 9728 §3.1): the well-known part stands between host and path.
    pub fn metadata_url(&self) -> String {
        let Ok(mut url) = Url::parse(&self.text) else { return String::new() };
        let path = url.path().to_owned();
        let path = if path == "/" { String::new() } else { path };
        url.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
        url.to_string()
    }
}

macro_rules! spelled {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = ResourceError;
            fn try_from(text: String) -> Result<Self, ResourceError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.text
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
    };
}
spelled!(Issuer);
spelled!(Resource);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a11_resources_match_modulo_host_case_default_port_and_one_slash() {
        let own = Resource::parse("https://host.example/mcp").unwrap();
        for (given, same) in [
            ("https://host.example/mcp", true),
            ("https://host.example/mcp/", true),
            ("https://HOST.example/mcp", true),
            ("https://host.example:443/mcp", true),
            ("https://host.example/mcp//", false),
            ("https://host.example/MCP", false),
            ("https://host.example/mcp?x=1", false),
            ("http://host.example/mcp", false),
            ("https://host.example:8443/mcp", false),
        ] {
            assert_eq!(Resource::parse(given).unwrap().is_same(&own), same, "{given}");
        }
    }

    #[test]
    fn a10_a_resource_is_absolute_and_without_fragment() {
        for given in [
            "",
            "/mcp",
            "mcp",
            "https:",
            "https:host/mcp",
            "ftp://host/",
            "https://host/#a",
            "https://u@host/",
            "https://h\\x/",
            "urn:x:y",
        ] {
            assert!(Resource::parse(given).is_err(), "{given}");
        }
    }

    #[test]
    fn d03_an_issuer_is_https_without_query_or_fragment() {
        for (given, expected) in [
            ("https://host.example", Ok("https://host.example")),
            ("https://host.example/", Ok("https://host.example")),
            ("https://host.example/tenant", Ok("https://host.example/tenant")),
            ("http://127.0.0.1:8414", Ok("http://127.0.0.1:8414")),
            ("http://localhost:8414", Ok("http://localhost:8414")),
            ("http://host.example", Err(ResourceError::Plain)),
            ("http://127.0.0.2", Err(ResourceError::Plain)),
            ("https://host.example?x", Err(ResourceError::Extra)),
            ("https://host.example#x", Err(ResourceError::Fragment)),
            ("https://u:p@host.example", Err(ResourceError::Extra)),
        ] {
            assert_eq!(Issuer::parse(given).map(String::from), expected.map(str::to_owned), "{given}");
        }
    }

    #[test]
    fn r02_metadata_is_inserted_between_host_and_path() {
        for (given, expected) in [
            ("https://h.example/mcp", "https://h.example/.well-known/oauth-protected-resource/mcp"),
            ("https://h.example", "https://h.example/.well-known/oauth-protected-resource"),
            ("https://h.example/", "https://h.example/.well-known/oauth-protected-resource"),
        ] {
            assert_eq!(Resource::parse(given).unwrap().metadata_url(), expected);
        }
    }
}
