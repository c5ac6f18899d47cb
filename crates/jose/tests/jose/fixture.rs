//! Keys made once, and tokens put together by hand.

use std::sync::OnceLock;

use portcullis_jose::JoseError;
use portcullis_jose::claims::AccessClaims;
use portcullis_jose::jws::{Profile, Verified, verify};
use portcullis_jose::key::{Alg, KeySet, SigningKey};
use portcullis_wire::base64url;
use serde_json::{Value, json};

pub(crate) const ACCESS: Profile<'static> = Profile { typ: &["at+jwt"], algs: &Alg::ALL };
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const RESOURCE: &str = "https://rs.example/mcp";
pub(crate) const NOW: i64 = 1_800_000_000;

/// One key of each algorithm.
pub(crate) fn key(alg: Alg) -> &'static SigningKey {
    static KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let keys =
        KEYS.get_or_init(|| Alg::ALL.into_iter().map(|alg| SigningKey::generate(alg).unwrap()).collect());
    keys.iter().find(|key| key.alg() == alg).unwrap()
}

pub(crate) fn set(keys: &[&SigningKey]) -> KeySet {
    KeySet::from_keys(keys.iter().map(|key| key.verifying_key().unwrap())).unwrap()
}

pub(crate) fn all_keys() -> KeySet {
    set(&Alg::ALL.map(key))
}

pub(crate) fn access() -> Value {
    json!({
        "iss": ISSUER, "sub": "usr_1", "aud": RESOURCE, "client_id": "c", "exp": NOW + 600, "iat": NOW,
        "nbf": NOW, "jti": "j", "scope": "a b", "grant": "agt_1", "rev": 7,
    })
}

/// A compact token of any three parts.
pub(crate) fn compact(header: &str, claims: &str, signature: &[u8]) -> String {
    [header.as_bytes(), claims.as_bytes(), signature].map(base64url::encode).join(".")
}

pub(crate) fn read(token: &str) -> Result<Verified<AccessClaims>, JoseError> {
    verify(token, &ACCESS, &all_keys())
}
