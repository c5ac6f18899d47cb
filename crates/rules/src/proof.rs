//! What a client showed of itself, and whether that is what it registered (RFC 6749 §2.3, RFC 7523 §3).

use portcullis_wire::digest::Digest;
use portcullis_wire::register::{AuthMethod, ClientMetadata};
use portcullis_wire::time::UnixTime;

use crate::model::Client;
use crate::personal::is_client;
use crate::refusal::Refusal;
use crate::verdict::{Expect, Verdict, Write};

/// What a request showed. Signatures were checked before; digests are compared here.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// Nothing but its id.
    Public,
    /// A secret, as its digest.
    Secret(Digest),
    /// A signed assertion whose signature, audience and times were found good.
    Assertion {
        /// What stands for its `jti`, to be spent once.
        spend: Digest,
        /// Until when it must be remembered.
        until: UnixTime,
        /// Which keys it was checked against, as [`keys_of`] names them.
        keys: Option<Digest>,
    },
}

impl ClientProof {
    /// What a store must look up to know whether the proof was used before.
    pub fn spend(&self) -> Option<Digest> {
        match self {
            Self::Assertion { spend, .. } => Some(*spend),
            _ => None,
        }
    }
}

/// The client, if it is there, switched on, and proved itself as it registered. `client_secret_basic` and
/// `client_secret_post` stand for each other: what is proven is the secret, and SDKs choose by our list.
///
/// # Errors
/// The refusals that are `invalid_client`.
pub fn prove<'a>(
    client: Option<&'a Client>,
    proof: &ClientProof,
    spent: bool,
) -> Result<&'a Client, Refusal> {
    // The client of personal tokens is nobody's: no request may come in its name.
    let client = client.filter(|client| !is_client(&client.id)).ok_or(Refusal::ClientUnknown)?;
    if !client.enabled {
        return Err(Refusal::ClientDisabled);
    }
    match (client.metadata.auth_method, proof) {
        (AuthMethod::None, ClientProof::Public) => Ok(client),
        (method, ClientProof::Secret(shown)) if method.has_secret() => match &client.secret {
            Some(secret) if secret.matches(shown) => Ok(client),
            _ => Err(Refusal::ClientUnproven),
        },
        (AuthMethod::PrivateKeyJwt, ClientProof::Assertion { keys, .. }) => {
            if spent {
                Err(Refusal::AssertionReplayed)
            } else if keys.is_none() || *keys != keys_of(&client.metadata) {
                Err(Refusal::ClientUnproven)
            } else {
                Ok(client)
            }
        }
        _ => Err(Refusal::MethodMismatch),
    }
}

/// What stands for the keys a client signs with: the set it registered, or the place where it keeps one. None if it
/// registered neither.
pub fn keys_of(metadata: &ClientMetadata) -> Option<Digest> {
    match (&metadata.jwks, &metadata.jwks_uri) {
        (Some(jwks), _) => Some(Digest::of(format!("jwks:{jwks}").as_bytes())),
        (None, Some(uri)) => Some(Digest::of(format!("jwks_uri:{uri}").as_bytes())),
        (None, None) => None,
    }
}

impl<T> Verdict<T> {
    /// Relies on the client as it was proven, and spends its assertion.
    pub fn proven(mut self, client: &Client, proof: &ClientProof) -> Self {
        self.expects.push(Expect::ClientEnabled(client.id.clone()));
        self.spending(proof)
    }

    /// Spends the assertion of a client that proved itself, whatever is decided then: a refusal must leave nothing
    /// that works a second time (RFC 7523 §3 item 7). A proof of another kind is not used up.
    pub fn spending(mut self, proof: &ClientProof) -> Self {
        if let ClientProof::Assertion { spend, until, .. } = proof {
            let write = Write::Spend { digest: *spend, until: *until };
            if !self.writes.contains(&write) {
                self.writes.push(write);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn x05_an_assertion_is_bound_to_the_very_keys_it_was_checked_against() {
        let base = samples::public_client();
        let with = |jwks: Option<&str>, jwks_uri: Option<&str>| Client {
            metadata: ClientMetadata {
                auth_method: AuthMethod::PrivateKeyJwt,
                jwks: jwks.map(str::to_owned),
                jwks_uri: jwks_uri.map(str::to_owned),
                ..base.metadata.clone()
            },
            ..base.clone()
        };
        let inline = with(Some(r#"{"keys":[]}"#), None);
        let one = with(None, Some("https://a.example/keys"));
        let other = with(None, Some("https://b.example/keys"));
        let neither = with(None, None);
        for (name, then, now, fits) in [
            ("the same set", &inline, &inline, true),
            ("the same place", &one, &one, true),
            ("another place", &one, &other, false),
            ("a place, then a set", &one, &inline, false),
            ("a set, then a place", &inline, &one, false),
            ("none at all", &neither, &neither, false),
        ] {
            let proof = ClientProof::Assertion {
                spend: Digest::of(b"jti"),
                until: samples::NOW,
                keys: keys_of(&then.metadata),
            };
            let expected = if fits { None } else { Some(Refusal::ClientUnproven) };
            assert_eq!(prove(Some(now), &proof, false).err(), expected, "{name}");
        }
    }
}
