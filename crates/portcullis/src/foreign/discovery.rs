//! Where an issuer's metadata may be (RFC 8414 §3.1, §5, OpenID Connect Discovery §4), and what must hold of it.

use portcullis_fetch::{Document, FetchError, Fetcher, Limits};
use portcullis_wire::resource::Issuer;
use portcullis_wire::{json, limit};
use serde_json::Value;
use url::Url;

/// Why an issuer could not be discovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// It did not answer with a document.
    #[error("the metadata could not be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// The document has no strict reading.
    #[error("the metadata is not well-formed")]
    Malformed,
    /// It speaks of another issuer (RFC 8414 §3.3).
    #[error("the metadata names another issuer")]
    Issuer,
    /// It names no usable place for the keys.
    #[error("the metadata names no usable `jwks_uri`")]
    Jwks,
    /// The issuer's URL has no place for metadata.
    #[error("the issuer's URL has no well-known place")]
    Nowhere,
}

/// The places to look, in order: RFC 8414's, then OpenID's inserted and appended forms.
pub fn candidates(issuer: &Issuer) -> Vec<Url> {
    let path = issuer.path();
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    let at = |path: String| {
        let mut url = issuer.url().clone();
        url.set_path(&path);
        url
    };
    paths.into_iter().map(at).collect()
}

/// Finds the address of the issuer's keys.
pub(super) async fn jwks_uri(issuer: &Issuer, fetcher: &Fetcher) -> Result<Url, DiscoveryError> {
    let mut last = DiscoveryError::Nowhere;
    for url in candidates(issuer) {
        match fetcher.fetch(&url, Limits::METADATA).await {
            Ok(document) => match read(issuer, &document) {
                Ok(uri) => return Ok(uri),
                Err(error) => last = error,
            },
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn read(issuer: &Issuer, document: &Document) -> Result<Url, DiscoveryError> {
    let metadata =
        json::parse_object(&document.body, limit::JSON_DEPTH).map_err(|_| DiscoveryError::Malformed)?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer.as_str()) {
        return Err(DiscoveryError::Issuer);
    }
    text("jwks_uri").and_then(|uri| Url::parse(uri).ok()).ok_or(DiscoveryError::Jwks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(body: &str) -> Document {
        Document {
            media_type: "application/json".to_owned(),
            body: body.to_owned().into_bytes().into(),
            fresh_for: None,
        }
    }

    #[test]
    fn rfc8414_3_1_the_well_known_part_is_inserted() {
        let urls = |issuer: &str| -> Vec<String> {
            candidates(&Issuer::parse_exact(issuer).unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            urls("https://h.example"),
            [
                "https://h.example/.well-known/oauth-authorization-server",
                "https://h.example/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            urls("https://h.example/tenant/"),
            [
                "https://h.example/.well-known/oauth-authorization-server/tenant",
                "https://h.example/.well-known/openid-configuration/tenant",
                "https://h.example/tenant/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn rfc8414_3_3_the_issuer_is_compared_byte_for_byte() {
        for (name, issuer, body, expected) in [
            (
                "same",
                "https://h.example",
                r#"{"issuer":"https://h.example","jwks_uri":"https://h.example/k"}"#,
                Ok(()),
            ),
            (
                "slash",
                "https://h.example",
                r#"{"issuer":"https://h.example/","jwks_uri":"https://h.example/k"}"#,
                Err(DiscoveryError::Issuer),
            ),
            (
                "slash asked for",
                "https://h.example/",
                r#"{"issuer":"https://h.example/","jwks_uri":"https://h.example/k"}"#,
                Ok(()),
            ),
            (
                "case",
                "https://h.example",
                r#"{"issuer":"https://H.example","jwks_uri":"https://h.example/k"}"#,
                Err(DiscoveryError::Issuer),
            ),
            (
                "none",
                "https://h.example",
                r#"{"jwks_uri":"https://h.example/k"}"#,
                Err(DiscoveryError::Issuer),
            ),
            ("no keys", "https://h.example", r#"{"issuer":"https://h.example"}"#, Err(DiscoveryError::Jwks)),
            (
                "twice",
                "https://h.example",
                r#"{"issuer":"https://h.example","issuer":"https://h.example","jwks_uri":"https://h.example/k"}"#,
                Err(DiscoveryError::Malformed),
            ),
            ("list", "https://h.example", r#"[]"#, Err(DiscoveryError::Malformed)),
        ] {
            let issuer = Issuer::parse_exact(issuer).unwrap();
            assert_eq!(read(&issuer, &document(body)).map(|_| ()), expected, "{name}");
        }
    }
}
