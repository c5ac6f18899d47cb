//! Redirect URIs, resources, issuers and the addresses of client documents.

use portcullis_server::client::Documents;
use portcullis_wire::id::ClientId;
use portcullis_wire::redirect::{RedirectUri, WELL_KNOWN_SCHEMES};
use portcullis_wire::resource::{Issuer, Resource};
use url::Url;

use super::{Verdict, hold, two};

/// What is admitted is what was registered, byte for byte, but for the port of a loopback address.
pub(super) fn redirect(input: &[u8]) -> Verdict {
    let (first, rest) = two(input);
    let schemes: Vec<String> = WELL_KNOWN_SCHEMES.iter().map(|&s| s.to_owned()).collect();
    let Ok(registered) = RedirectUri::parse(&first, &schemes) else { return Ok(()) };
    hold(registered.as_str() == first && registered.admits(&first), "it does not admit itself")?;
    let url = Url::parse(&first).map_err(|_| "no URL at all")?;
    hold(url.username().is_empty() && url.password().is_none(), "a user name or password")?;
    hold(url.fragment().is_none(), "a fragment")?;
    hold(
        first.is_ascii() && !first.contains(['*', '\\', '\r', '\n', '"', '<', '>']),
        "a character to break out with",
    )?;
    match url.scheme() {
        "https" => hold(url.host_str().is_some_and(|host| !host.is_empty()), "https without a host")?,
        "http" => {
            let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
            hold(loopback, "plain http beyond this computer")?;
        }
        scheme => hold(schemes.iter().any(|allowed| allowed == scheme), "a scheme nobody allowed")?,
    }
    let asked = String::from_utf8_lossy(&rest);
    if asked == first || !registered.admits(&asked) {
        return Ok(());
    }
    let asked = Url::parse(&asked).map_err(|_| "it admits what is no URL")?;
    let same = (url.scheme(), url.host_str(), url.path(), url.query())
        == (asked.scheme(), asked.host_str(), asked.path(), asked.query());
    hold(same && url.scheme() == "http", "it admits what differs in more than a loopback port")?;
    hold(asked.username().is_empty() && asked.password().is_none(), "it admits a user name")
}

/// A resource and an issuer keep their spelling; sameness goes both ways.
pub(super) fn resource(input: &[u8]) -> Verdict {
    let (first, rest) = two(input);
    if let Ok(issuer) = Issuer::parse(&first) {
        hold(Issuer::parse(issuer.as_str()).as_ref() == Ok(&issuer), "an issuer that reads otherwise")?;
        hold(!issuer.as_str().ends_with('/'), "an issuer that ends with a slash")?;
        let plain = issuer.url().scheme() == "http";
        hold(!plain || issuer.is_loopback(), "a plain issuer beyond this computer")?;
        hold(issuer.url().query().is_none() && issuer.url().fragment().is_none(), "an issuer with extras")?;
    }
    let Ok(one) = Resource::parse(&first) else { return Ok(()) };
    hold(one.as_str() == first && one.is_same(&one), "a resource that is not itself")?;
    hold(Url::parse(&first).is_ok_and(|url| url.fragment().is_none()), "a resource with a fragment")?;
    hold(Url::parse(&one.metadata_url()).is_ok(), "no address for its metadata")?;
    let Ok(other) = Resource::parse(&String::from_utf8_lossy(&rest)) else { return Ok(()) };
    hold(one.is_same(&other) == other.is_same(&one), "sameness goes one way only")?;
    let origin = |r: &Resource| Url::parse(r.as_str()).map(|url| url.origin());
    hold(!one.is_same(&other) || origin(&one) == origin(&other), "the same resource on two origins")
}

/// The address of a client document has one spelling and is https, or loopback where that is switched on.
pub(super) fn document_url(input: &[u8]) -> Verdict {
    let (text, _) = two(input);
    let Some(id) = ClientId::parse(&text) else { return Ok(()) };
    for loopback in [false, true] {
        let Ok(url) = Documents::url(&id, loopback) else { continue };
        hold(url.as_str() == text, "what is fetched is not what was named")?;
        hold(url.scheme() == "https" || loopback, "plain http without the switch")?;
        let host = url.host_str().unwrap_or_default();
        let local = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
        hold(url.scheme() == "https" || local, "plain http beyond this computer")?;
        hold(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "extras")?;
        hold(url.path().len() > 1, "no path")?;
        hold(!url.path().split('/').any(|s| matches!(s, "." | "..")), "dot segments")?;
    }
    Ok(())
}
