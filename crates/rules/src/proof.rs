//! What a client showed of itself, and whether that is what it registered (RFC 6749 §2.3, RFC 7523 §3).

use portcullis_wire::digest::Digest;
use portcullis_wire::register::AuthMethod;
use portcullis_wire::time::UnixTime;

use crate::model::Client;
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
        /// The digest of the inline key set it was checked against; none if that came from a `jwks_uri`.
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
    let client = client.ok_or(Refusal::ClientUnknown)?;
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
            let registered = client.metadata.jwks.as_ref().map(|jwks| Digest::of(jwks.as_bytes()));
            if spent {
                Err(Refusal::AssertionReplayed)
            } else if *keys != registered {
                Err(Refusal::ClientUnproven)
            } else {
                Ok(client)
            }
        }
        _ => Err(Refusal::MethodMismatch),
    }
}

impl<T> Verdict<T> {
    /// Relies on the client as it was proven, and spends its assertion.
    pub fn proven(mut self, client: &Client, proof: &ClientProof) -> Self {
        self.expects.push(Expect::ClientEnabled(client.id.clone()));
        if let ClientProof::Assertion { spend, until, .. } = proof {
            self.writes.push(Write::Spend { digest: *spend, until: *until });
        }
        self
    }
}
