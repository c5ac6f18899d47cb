//! What a provider says of a person.

use std::fmt;

use portcullis_wire::time::UnixTime;
use serde_json::{Map, Value};

/// What a provider says of a person, proven. Claims are a person's data: `Debug` shows their names alone.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// The provider: the issuer of its ID tokens (OpenID Connect Core §2), or its entity id (SAML Core §8.3.6).
    pub issuer: String,
    /// The person at that provider, for good: `sub`, or a persistent name identifier. Unique below `issuer` only.
    pub subject: String,
    /// When the person proved who they are to the provider, if it says so.
    pub authenticated_at: Option<UnixTime>,
    /// Every claim received. A SAML attribute is the list of its values, under its name.
    pub claims: Map<String, Value>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
