//! Where a request goes: to the upstream's URL and nowhere else. The path is the owner's; of the caller's query only
//! what the owner left open passes, and no token in any spelling (RFC 6750 §2.3).

use std::fmt;

use http::Uri;
use http::header::HeaderValue;
use http::uri::{Authority, PathAndQuery, Scheme};
use url::{Url, form_urlencoded};

use crate::settings::GatewayError;

/// Longest query a caller may bring, in bytes.
const CALLER_QUERY: usize = 8 * 1024;

/// The upstream's URL, taken apart once.
pub(crate) struct Target {
    scheme: Scheme,
    authority: Authority,
    path: String,
    query: Option<String>,
    /// What is asked when the caller brings no query.
    plain: Uri,
    origin: String,
    host: HeaderValue,
    /// Decoded names of the owner's own parameters, which no caller may repeat.
    names: Vec<String>,
}

/// The caller's query cannot be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueryUnfit;

impl Target {
    pub(crate) fn read(url: &Url) -> Result<Self, GatewayError> {
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(GatewayError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GatewayError::UserInfo);
        }
        let host = url.host_str().ok_or(GatewayError::Url)?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut target = Self {
            host: HeaderValue::from_str(&authority).map_err(|_| GatewayError::Url)?,
            origin: format!("{scheme}://{authority}"),
            plain: Uri::default(),
            scheme,
            authority: authority.parse().map_err(|_| GatewayError::Url)?,
            path: url.path().to_owned(),
            query: url.query().filter(|query| !query.is_empty()).map(str::to_owned),
            names: url.query_pairs().map(|(name, _)| name.into_owned()).collect(),
        };
        target.plain = target.build(None).map_err(|QueryUnfit| GatewayError::Url)?;
        Ok(target)
    }

    /// Scheme and authority. Path and query of an upstream may be its credential and are not shown.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The URI for a request that came with the query `caller`.
    pub(crate) fn uri(&self, caller: Option<&str>) -> Result<Uri, QueryUnfit> {
        match caller {
            None | Some("") => Ok(self.plain.clone()),
            Some(query) if query.len() > CALLER_QUERY => Err(QueryUnfit),
            Some(query) => self.build(Some(query)),
        }
    }

    /// The `Host` header of every request (RFC 9110 §7.2), made once.
    pub(crate) const fn host(&self) -> &HeaderValue {
        &self.host
    }

    fn build(&self, caller: Option<&str>) -> Result<Uri, QueryUnfit> {
        let caller = caller.unwrap_or_default();
        let passing = caller.split('&').filter(|pair| !pair.is_empty() && self.lets_through(pair));
        let query: Vec<&str> = self.query.as_deref().into_iter().chain(passing).collect();
        let path = match query.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, query.join("&")),
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::try_from(path).map_err(|_| QueryUnfit)?)
            .build()
            .map_err(|_| QueryUnfit)
    }

    fn lets_through(&self, pair: &str) -> bool {
        form_urlencoded::parse(pair.as_bytes()).all(|(name, _)| {
            !name.eq_ignore_ascii_case("access_token") && !self.names.iter().any(|own| *own == name)
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::read(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn path_and_own_query_are_fixed_and_no_token_passes() {
        let plain = "http://127.0.0.1:3000/mcp";
        let keyed = "https://up.example/v1/mcp?tenant=a&api_key=k#part";
        for (name, url, caller, expected) in [
            ("nothing", plain, None, "http://127.0.0.1:3000/mcp"),
            ("empty query", plain, Some(""), "http://127.0.0.1:3000/mcp"),
            ("passes byte for byte", plain, Some("a=%41+b&c"), "http://127.0.0.1:3000/mcp?a=%41+b&c"),
            ("token", plain, Some("a=1&access_token=t&b=2"), "http://127.0.0.1:3000/mcp?a=1&b=2"),
            ("token alone", plain, Some("access_token=t"), "http://127.0.0.1:3000/mcp"),
            ("token encoded", plain, Some("%61ccess%5Ftoken=t&b"), "http://127.0.0.1:3000/mcp?b"),
            ("token in capitals", plain, Some("Access_Token=t"), "http://127.0.0.1:3000/mcp"),
            ("token without value", plain, Some("access_token"), "http://127.0.0.1:3000/mcp"),
            ("own query", keyed, None, "https://up.example/v1/mcp?tenant=a&api_key=k"),
            ("own wins", keyed, Some("tenant=b&x=1"), "https://up.example/v1/mcp?tenant=a&api_key=k&x=1"),
            ("own wins, encoded", keyed, Some("t%65nant=b"), "https://up.example/v1/mcp?tenant=a&api_key=k"),
            ("no path", "http://localhost", Some("x"), "http://localhost/?x"),
            ("default port", "https://up.example:443/", None, "https://up.example/"),
            ("IPv6", "http://[::1]:3000/mcp", None, "http://[::1]:3000/mcp"),
        ] {
            let uri = target(url).uri(caller).map(|uri| uri.to_string());
            assert_eq!(uri, Ok(expected.to_owned()), "{name}");
        }
    }

    #[test]
    fn an_oversize_query_is_refused() {
        assert!(target("http://up.example/").uri(Some(&"q".repeat(CALLER_QUERY))).is_ok());
        assert_eq!(target("http://up.example/").uri(Some(&"q".repeat(CALLER_QUERY + 1))), Err(QueryUnfit));
    }

    #[test]
    fn upstreams_that_cannot_be_are_refused() {
        for (url, expected) in [
            ("ftp://up.example/", GatewayError::Scheme),
            ("file:///etc/passwd", GatewayError::Scheme),
            ("unix:/run/mcp.sock", GatewayError::Scheme),
            ("https://ann@up.example/", GatewayError::UserInfo),
            ("https://ann:pw@up.example/", GatewayError::UserInfo),
            ("https://:pw@up.example/", GatewayError::UserInfo),
        ] {
            assert_eq!(Target::read(&Url::parse(url).unwrap()).err(), Some(expected), "{url}");
        }
    }
}
