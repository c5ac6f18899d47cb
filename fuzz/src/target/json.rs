//! JSON: strictly read, as registrations and as key sets.

use portcullis_jose::key::KeySet;
use portcullis_wire::json::{parse, parse_object};
use portcullis_wire::limit;
use portcullis_wire::redirect::{RedirectUri, WELL_KNOWN_SCHEMES};
use portcullis_wire::register::{AuthMethod, ClientMetadata};
use serde_json::Value;

use super::{Verdict, hold};

/// What is read strictly is read by a plain reader too, and as the same.
pub(super) fn strict(input: &[u8]) -> Verdict {
    let Ok(value) = parse(input, limit::JSON_DEPTH) else { return Ok(()) };
    let plain: Value = serde_json::from_slice(input).map_err(|_| "a plain reader refuses it")?;
    hold(plain == value, "a plain reader reads otherwise")
}

/// Metadata that is accepted is fit to be stored, shown and followed.
pub(super) fn registration(input: &[u8]) -> Verdict {
    let Ok(json) = parse_object(input, limit::JSON_DEPTH) else { return Ok(()) };
    let schemes: Vec<String> = WELL_KNOWN_SCHEMES.iter().map(|&s| s.to_owned()).collect();
    let Ok(client) = ClientMetadata::judge(&json, AuthMethod::None, &schemes) else { return Ok(()) };
    let uris = &client.redirect_uris;
    hold(!uris.is_empty() && uris.len() <= limit::REDIRECT_URIS, "none or too many redirect URIs")?;
    let judged = |uri: &RedirectUri| RedirectUri::parse(uri.as_str(), &schemes).is_ok();
    hold(uris.iter().all(judged), "a redirect URI that is none")?;
    hold(!client.name.chars().any(char::is_control), "a control character in the name")?;
    hold(client.client_uri.as_deref().is_none_or(|uri| uri.starts_with("https://")), "a link that may run")?;
    let row = serde_json::to_string(&client).map_err(|_| "it cannot be stored")?;
    hold(serde_json::from_str(&row).ok() == Some(client), "it is stored otherwise")
}

/// A key set is bounded, and each of its keys can be told by its thumbprint.
pub(super) fn jwks(input: &[u8]) -> Verdict {
    let Ok(keys) = KeySet::parse(input) else { return Ok(()) };
    hold(keys.len() <= limit::JWKS_KEYS, "too many keys")?;
    let text = String::from_utf8_lossy(input);
    hold(keys.is_empty() || text.contains("kty"), "keys out of nothing")?;
    for key in keys.iter() {
        hold(key.thumbprint().len() == 43, "a thumbprint of another length")?;
        if key.kid().is_some() {
            hold(keys.find(key.kid(), key.alg()).is_some(), "a key that its name does not find")?;
        }
    }
    Ok(())
}
