//! Where a request says it was sent to and from: the `Host` and `Origin` allow-lists (protocol R18).
//!
//! A page whose DNS name was turned to this computer still sends its own name in both headers.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use portcullis_wire::resource::{Issuer, Resource, is_loopback};
use url::Url;

use crate::denied::Denied;

/// Our own names, and those of the pages that may ask.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    https: bool,
    loopback: bool,
    hosts: Vec<String>,
    origins: Vec<String>,
    any_origin: bool,
}

impl Site {
    /// The site of a resource: its own host, its own origin and its issuer's.
    pub(crate) fn new(issuer: &Issuer, resource: &Resource) -> Self {
        let mut site = Self {
            https: true,
            loopback: false,
            hosts: Vec::new(),
            origins: vec![issuer.origin()],
            any_origin: false,
        };
        if let Ok(url) = Url::parse(resource.as_str()) {
            site.https = url.scheme() == "https";
            site.loopback = is_loopback(&url);
            site.origins.push(url.origin().ascii_serialization());
            let host = url.host_str().unwrap_or_default();
            site.allow_host(&url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")));
        }
        site
    }

    pub(crate) fn allow_host(&mut self, host: &str) {
        self.hosts.extend(self.spelled(host));
    }

    pub(crate) fn allow_origin(&mut self, origin: &str) {
        self.origins.push(origin.trim_end_matches('/').to_ascii_lowercase());
    }

    pub(crate) fn allow_any_origin(&mut self) {
        self.any_origin = true;
    }

    /// Checks both headers.
    pub(crate) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Denied> {
        if !self.origin_fits(headers) {
            return Err(Denied::Origin);
        }
        if self.host_fits(headers, uri) { Ok(()) } else { Err(Denied::Host) }
    }

    fn origin_fits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(ORIGIN).iter();
        let Some(origin) = values.next() else { return true };
        if values.next().is_some() {
            return false;
        }
        if self.any_origin {
            return true;
        }
        let Ok(origin) = origin.to_str() else { return false };
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        // A tool on this very computer may talk to a server on it.
        self.loopback
            && Url::parse(&origin).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && is_loopback(&url)
                    && url.origin().ascii_serialization() == origin
            })
    }

    fn host_fits(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let mut values = headers.get_all(HOST).iter();
        let (host, second) = (values.next(), values.next());
        if second.is_some() {
            return false;
        }
        let header = match host.map(|host| host.to_str().ok().and_then(|host| self.spelled(host))) {
            None => None,
            Some(None) => return false,
            Some(Some(host)) => Some(host),
        };
        let target = match uri.authority().map(|authority| self.spelled(authority.as_str())) {
            None => None,
            Some(None) => return false,
            Some(Some(host)) => Some(host),
        };
        match (header, target) {
            (Some(header), Some(target)) => header == target && self.is_ours(&header),
            (Some(one), None) | (None, Some(one)) => self.is_ours(&one),
            (None, None) => false,
        }
    }

    /// A loopback name proves that no foreign page's name led here; a proxy on the same computer sends such.
    fn is_ours(&self, host: &str) -> bool {
        let name =
            host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(name, _)| name);
        // A server on this very computer has one name there: under another, cookies and metadata would not fit.
        self.hosts.iter().any(|known| known == host)
            || (!self.loopback && matches!(name, "127.0.0.1" | "[::1]" | "localhost"))
    }

    /// One spelling for each authority: lower case, the scheme's own port left out, no user name.
    fn spelled(&self, host: &str) -> Option<String> {
        let authority: Authority = host.parse().ok()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let name = authority.host().to_ascii_lowercase();
        let own = if self.https { 443 } else { 80 };
        match (authority.port(), authority.port_u16()) {
            (None, _) if authority.as_str().len() == name.len() => Some(name),
            (Some(_), Some(port)) if port == own => Some(name),
            (Some(_), Some(port)) => Some(format!("{name}:{port}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn site(resource: &str) -> Site {
        let issuer =
            if resource.starts_with("https") { "https://auth.example.com" } else { "http://127.0.0.1:8414" };
        Site::new(&Issuer::parse(issuer).unwrap(), &Resource::parse(resource).unwrap())
    }

    fn ask(site: &Site, host: Option<&str>, origin: Option<&str>) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(HOST, host), (ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        site.check(&headers, &Uri::from_static("/mcp"))
    }

    #[test]
    fn r18_hosts_of_a_public_resource() {
        let mut site = site("https://notes.example.com/mcp");
        site.allow_host("notes.svc.cluster.local:8080");
        for (host, fits) in [
            ("notes.example.com", true),
            ("NOTES.example.com", true),
            ("notes.example.com:443", true),
            ("notes.svc.cluster.local:8080", true),
            ("127.0.0.1:3000", true),
            ("localhost", true),
            ("[::1]:3000", true),
            ("notes.svc.cluster.local", false),
            ("notes.example.com:8443", false),
            ("notes.example.com.", false),
            ("notes.example.com.evil.example", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:3000", false),
            ("127.0.0.2", false),
            ("u@notes.example.com", false),
            ("notes.example.com:", false),
            ("notes.example.com:99999", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(ask(&site, Some(host), None).is_ok(), fits, "{host}");
        }
        assert_eq!(ask(&site, None, None), Err(Denied::Host));
    }

    #[test]
    fn r18_a_resource_on_this_computer_has_one_name_there() {
        let site = site("http://127.0.0.1:8414/mcp");
        for (host, fits) in [
            ("127.0.0.1:8414", true),
            ("localhost:8414", false),
            ("[::1]:8414", false),
            ("127.0.0.1", false),
            ("evil.example", false),
        ] {
            assert_eq!(ask(&site, Some(host), None).is_ok(), fits, "{host}");
        }
    }

    #[test]
    fn r18_the_target_and_the_host_header_agree() {
        let site = site("https://notes.example.com/mcp");
        let mut headers = HeaderMap::new();
        let absolute = Uri::from_static("https://notes.example.com/mcp");
        assert_eq!(site.check(&headers, &absolute), Ok(()));
        assert_eq!(site.check(&headers, &Uri::from_static("https://evil.example/mcp")), Err(Denied::Host));
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(site.check(&headers, &absolute), Err(Denied::Host));
        headers.insert(HOST, HeaderValue::from_static("notes.example.com"));
        assert_eq!(site.check(&headers, &absolute), Ok(()));
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(site.check(&headers, &Uri::from_static("/mcp")), Err(Denied::Host));
    }

    #[test]
    fn r18_origins_of_pages() {
        let public = site("https://notes.example.com/mcp");
        let local = site("http://127.0.0.1:8414/mcp");
        for (origin, at_public, at_local) in [
            ("https://notes.example.com", true, false),
            ("https://auth.example.com", true, false),
            ("http://notes.example.com", false, false),
            ("https://notes.example.com:8443", false, false),
            ("https://notes.example.com.evil.example", false, false),
            ("https://evil.example", false, false),
            ("http://127.0.0.1:8414", false, true),
            ("http://localhost:6274", false, true),
            ("http://[::1]:6274", false, true),
            ("http://localhost.evil.example", false, false),
            ("http://localhost:6274/path", false, false),
            ("http://u@localhost:6274", false, false),
            ("null", false, false),
            ("", false, false),
        ] {
            for (site, host, fits) in
                [(&public, "notes.example.com", at_public), (&local, "127.0.0.1:8414", at_local)]
            {
                let expected = if fits { Ok(()) } else { Err(Denied::Origin) };
                assert_eq!(ask(site, Some(host), Some(origin)), expected, "{origin} at {host}");
            }
        }
    }

    #[test]
    fn r18_an_origin_can_be_added_and_stands_for_itself() {
        let mut site = site("https://notes.example.com/mcp");
        site.allow_origin("https://App.example/");
        assert_eq!(ask(&site, Some("notes.example.com"), Some("https://app.example")), Ok(()));
        assert_eq!(ask(&site, Some("notes.example.com"), Some("https://other.example")), Err(Denied::Origin));
        site.allow_any_origin();
        assert_eq!(ask(&site, Some("notes.example.com"), Some("https://other.example")), Ok(()));
    }
}
