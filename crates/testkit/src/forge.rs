//! What a dishonest client tries: tokens made or changed by hand.

use portcullis_jose::key::{Alg, SigningKey};
use portcullis_wire::base64url;
use serde_json::{Value, json};

/// A fresh key of nobody's, or of a machine's.
pub fn key(alg: Alg) -> SigningKey {
    SigningKey::generate(alg).unwrap()
}

/// The public half as a key set, as it is given to `clients add --jwks`.
pub fn jwks(key: &SigningKey) -> String {
    json!({ "keys": [serde_json::to_value(key.public_jwk()).unwrap()] }).to_string()
}

/// Signs claims.
pub fn sign(key: &SigningKey, typ: &str, claims: &Value) -> String {
    key.sign(typ, claims).unwrap()
}

/// The same claims with some of them changed; `null` leaves one out.
pub fn changed(claims: &Value, changes: &[(&str, Value)]) -> Value {
    let mut out = claims.clone();
    let members = out.as_object_mut().unwrap();
    for (name, value) in changes {
        if value.is_null() {
            members.remove(*name);
        } else {
            members.insert((*name).to_owned(), value.clone());
        }
    }
    out
}

/// The token with other claims under the old signature.
pub fn transplanted(token: &str, claims: &Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[1] = base64url::encode(claims.to_string().as_bytes());
    parts.join(".")
}

/// The token with another header under the old signature.
pub fn with_header(token: &str, header: &Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[0] = base64url::encode(header.to_string().as_bytes());
    parts.join(".")
}

/// An unsecured token (RFC 7519 §6).
pub fn unsecured(claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    format!("{}.{}.", part(&json!({ "alg": "none", "typ": "at+jwt" })), part(claims))
}

/// An opaque string with one character of its random part changed.
pub fn altered(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let at = bytes.len() / 2;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}
