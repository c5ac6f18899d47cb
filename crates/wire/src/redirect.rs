//! Redirect URIs: what may be registered, and what matches a registered one (RFC 9700 §2.1, RFC 8252 §7).

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::limit;

/// Private-use schemes of clients in wide use. Others are a setting: a scheme is claimed by whoever asks first.
pub const WELL_KNOWN_SCHEMES: &[&str] =
    &["cursor", "vscode", "vscode-insiders", "windsurf", "zed", "goose", "claude", "com.raycast"];

/// Why a redirect URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// No absolute URI in visible ASCII.
    #[error("a redirect URI is an absolute URI in visible ASCII")]
    Malformed,
    /// It holds a fragment (RFC 6749 §3.1.2).
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// It holds a wildcard.
    #[error("a redirect URI has no wildcard")]
    Wildcard,
    /// It holds a user name or password.
    #[error("a redirect URI has no user name or password")]
    UserInfo,
    /// `http` to anything but this very computer.
    #[error("plain http is for 127.0.0.1, [::1] and localhost only, spelled exactly so")]
    Plain,
    /// A scheme that is neither https, loopback http nor on the list.
    #[error("this private-use scheme is not on the allow-list")]
    Scheme,
    /// Its query holds a parameter that our answer sets.
    #[error("the query of a redirect URI must not hold code, state, iss or error")]
    ResponseParameter,
    /// Longer than we look at.
    #[error("the redirect URI is too long")]
    TooLong,
}

/// Where a redirect URI leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Landing {
    /// A website, by https.
    Web,
    /// A program on the person's own computer, by http on a loopback address (RFC 8252 §7.3).
    Loopback,
    /// A program on the person's own device, by a private-use scheme (RFC 8252 §7.1).
    PrivateUse,
}

/// A redirect URI fit to be registered, in its exact spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Splits a loopback http URI into host, port part (with colon) and the rest; `None` if it is no such URI.
fn loopback_parts(text: &str) -> Option<(&str, &str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let after = &rest[host.len()..];
    let path = after.find(['/', '?']).unwrap_or(after.len());
    let (port, path) = after.split_at(path);
    let digits = match port.strip_prefix(':') {
        Some(digits) => {
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    digits.then_some((host, port, path))
}

impl RedirectUri {
    /// Judges a redirect URI by itself. `schemes` are the private-use schemes allowed here.
    ///
    /// # Errors
    /// [`RedirectError`], by cause.
    pub fn parse(text: &str, schemes: &[String]) -> Result<Self, RedirectError> {
        if text.len() > limit::REDIRECT_URI {
            return Err(RedirectError::TooLong);
        }
        if text.contains('#') {
            return Err(RedirectError::Fragment);
        }
        if text.contains('*') {
            return Err(RedirectError::Wildcard);
        }
        if !text.bytes().all(|b| (0x21..=0x7e).contains(&b))
            || text.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}'])
        {
            return Err(RedirectError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| RedirectError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() || has_userinfo(text) {
            return Err(RedirectError::UserInfo);
        }
        if url.query_pairs().any(|(name, _)| {
            matches!(&*name, "code" | "state" | "iss" | "error" | "error_description" | "error_uri")
        }) {
            return Err(RedirectError::ResponseParameter);
        }
        match url.scheme() {
            // What the browser will follow must be what was judged: a spelling the parser mends is refused.
            "https"
                if text.starts_with("https://")
                    && url.host_str().is_some_and(|host| text["https://".len()..].starts_with(host)) => {}
            "https" => return Err(RedirectError::Malformed),
            "http" if loopback_parts(text).is_some() => {}
            "http" => return Err(RedirectError::Plain),
            scheme
                if schemes.iter().any(|allowed| allowed == scheme)
                    && text.starts_with(&format!("{scheme}:")) => {}
            _ => return Err(RedirectError::Scheme),
        }
        Ok(Self(text.to_owned()))
    }

    /// One that was judged before, read back from a row.
    pub fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The exact spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it leads.
    pub fn landing(&self) -> Landing {
        if self.0.starts_with("https://") {
            Landing::Web
        } else if self.0.starts_with("http://") {
            Landing::Loopback
        } else {
            Landing::PrivateUse
        }
    }

    /// Whether `asked` is this URI: byte for byte, but for the port of a loopback address (RFC 8252 §7.3).
    /// Never one loopback name for another.
    pub fn admits(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        match (loopback_parts(&self.0), loopback_parts(asked)) {
            (Some((host, _, path)), Some((other, _, asked_path))) => host == other && path == asked_path,
            _ => false,
        }
    }

    /// The same without the port of a loopback address, which does not count: how registrations are told apart.
    #[must_use]
    pub fn without_port(&self) -> Self {
        match loopback_parts(&self.0) {
            Some((host, _, path)) => Self(format!("http://{host}{path}")),
            None => self.clone(),
        }
    }

    /// Host and port, or the scheme of a private-use URI: what a person is shown in large type.
    pub fn authority(&self) -> String {
        let Ok(url) = Url::parse(&self.0) else { return self.0.clone() };
        match (url.host_str(), url.port()) {
            _ if self.landing() == Landing::PrivateUse => format!("{}:", url.scheme()),
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => self.0.clone(),
        }
    }
}

fn has_userinfo(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@'))
    })
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes() -> Vec<String> {
        WELL_KNOWN_SCHEMES.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn g06_bad_redirect_uris_are_refused() {
        for given in [
            "",
            "callback",
            "/callback",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://example.com/cb",
            "http://127.1/cb",
            "http://127.0.0.2/cb",
            "http://127.0.0.1./cb",
            "http://localhost./cb",
            "http://LOCALHOST/cb",
            "http://localhost.example/cb",
            "http://0x7f.1/cb",
            "http://2130706433/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://u@127.0.0.1/cb",
            "http://127.0.0.1@example.com/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:/cb",
            "https://u:p@example.com/cb",
            "https://@example.com/",
            "https://*.example.com/cb",
            "https://example.com/*",
            "https://example.com/cb#x",
            "https:example.com/cb",
            "https:///example.com/cb",
            "https://EXAMPLE.com/cb",
            "HTTPS://example.com/cb",
            "https://example.com\\@evil.example/",
            "https://exämple.com/",
            "unknown-app://cb",
            "vbscript:x",
            "https://example.com/cb?code=1",
            "https://example.com/cb?a=1&state=x",
            "https://example.com/cb?%63ode=1",
            "blob:https://example.com/x",
            "about:blank",
        ] {
            assert!(RedirectUri::parse(given, &schemes()).is_err(), "{given}");
        }
    }

    #[test]
    fn g07_each_kind_in_use_is_accepted() {
        for (given, landing) in [
            ("cursor://anysphere.cursor-mcp/oauth/callback", Landing::PrivateUse),
            ("https://www.cursor.com/agents/mcp/oauth/callback", Landing::Web),
            ("http://localhost:8787/callback", Landing::Loopback),
            ("https://insiders.vscode.dev/redirect", Landing::Web),
            ("https://vscode.dev/redirect", Landing::Web),
            ("http://127.0.0.1/", Landing::Loopback),
            ("http://127.0.0.1:33418/", Landing::Loopback),
            ("http://[::1]:1/cb?x=1", Landing::Loopback),
            ("http://127.0.0.1", Landing::Loopback),
        ] {
            assert_eq!(
                RedirectUri::parse(given, &schemes()).map(|uri| uri.landing()),
                Ok(landing),
                "{given}"
            );
        }
    }

    #[test]
    fn a05_a06_exact_but_for_the_port_of_a_loopback_address() {
        for (registered, asked, admitted) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example/CB", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true),
            ("http://[::1]/cb", "http://[::1]:9/cb", true),
            ("http://localhost/callback", "http://localhost:43211/callback", true),
            ("http://localhost/cb", "http://127.0.0.1:1/cb", false),
            ("http://127.0.0.1/cb", "http://localhost/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb/", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x=1", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1x/cb", false),
            ("cursor://a/cb", "cursor://b/cb", false),
        ] {
            assert_eq!(
                RedirectUri::parse(registered, &schemes()).unwrap().admits(asked),
                admitted,
                "{registered} {asked}"
            );
        }
    }
}
