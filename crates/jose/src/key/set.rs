//! The keys of one issuer or client.

use portcullis_wire::{json, limit};
use serde_json::Value;

use super::{Alg, Jwk, VerifyingKey};
use crate::JoseError;

/// The public keys of one issuer or client. No `kid` stands for two keys.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 §5). Keys of unsupported kinds and uses, and malformed or weak ones, are left
    /// out, as that section asks; the set may then be empty.
    ///
    /// # Errors
    /// [`JoseError::KeySet`] if it has no strict reading, is larger than [`limit::JWKS_BODY`], has more than
    /// [`limit::JWKS_KEYS`] keys, or gives one `kid` to two keys; [`JoseError::PrivateMember`] if any key, usable
    /// or not, holds one.
    pub fn parse(bytes: &[u8]) -> Result<Self, JoseError> {
        if bytes.len() > limit::JWKS_BODY {
            return Err(JoseError::KeySet);
        }
        let mut set = json::parse_object(bytes, limit::JSON_DEPTH).map_err(|_| JoseError::KeySet)?;
        let Some(Value::Array(entries)) = set.remove("keys") else { return Err(JoseError::KeySet) };
        if entries.len() > limit::JWKS_KEYS {
            return Err(JoseError::KeySet);
        }
        let mut keys = Vec::with_capacity(entries.len());
        for entry in entries {
            let Value::Object(entry) = entry else { return Err(JoseError::KeySet) };
            match Jwk::from_object(entry).and_then(|jwk| VerifyingKey::from_jwk(&jwk)) {
                Ok(key) => keys.push(key),
                Err(JoseError::PrivateMember) => return Err(JoseError::PrivateMember),
                Err(_) => {}
            }
        }
        Self::from_keys(keys)
    }

    /// Gathers keys. The same key under the same name counts once.
    ///
    /// # Errors
    /// [`JoseError::KeySet`] if one `kid` stands for two keys, or there are more than [`limit::JWKS_KEYS`].
    pub fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, JoseError> {
        let mut set = Self::default();
        for key in keys {
            let is_same =
                |known: &VerifyingKey| known.thumbprint() == key.thumbprint() && known.alg() == key.alg();
            if set.keys.iter().any(|known| known.kid() == key.kid() && is_same(known)) {
                continue;
            }
            if key.kid().is_some() && set.keys.iter().any(|known| known.kid() == key.kid()) {
                return Err(JoseError::KeySet);
            }
            set.keys.push(key);
            if set.keys.len() > limit::JWKS_KEYS {
                return Err(JoseError::KeySet);
            }
        }
        Ok(set)
    }

    /// The key for a token with this `kid` and `alg` in its header.
    ///
    /// # Errors
    /// [`JoseError::UnknownKey`] if none fits, [`JoseError::AlgorithmOfKey`] if the one of that name is for another
    /// algorithm, [`JoseError::AmbiguousKey`] if no name is given and more than one fits.
    pub fn select(&self, kid: Option<&str>, alg: Alg) -> Result<&VerifyingKey, JoseError> {
        if kid.is_some() {
            let key = self.keys.iter().find(|key| key.kid() == kid).ok_or(JoseError::UnknownKey)?;
            return if key.alg() == alg { Ok(key) } else { Err(JoseError::AlgorithmOfKey) };
        }
        let mut fitting = self.keys.iter().filter(|key| key.alg() == alg);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(JoseError::UnknownKey),
            (Some(_), Some(_)) => Err(JoseError::AmbiguousKey),
        }
    }

    /// As [`select`](Self::select), when the reason does not matter.
    pub fn find(&self, kid: Option<&str>, alg: Alg) -> Option<&VerifyingKey> {
        self.select(kid, alg).ok()
    }

    /// Each key.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
