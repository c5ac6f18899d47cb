//! `private_key_jwt`: a client proves itself by an assertion it signed (RFC 7521 §4.2, RFC 7523 §3; protocol X03 to
//! X07). Here signature, audience and times are found good; that the assertion is used once is held by the store.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_jose::JoseError;
use portcullis_jose::claims::AssertionClaims;
use portcullis_jose::jws::{Profile, Verified, peek_issuer, verify};
use portcullis_jose::key::Alg;
use portcullis_rules::machine::assertion_digest;
use portcullis_rules::model::Client;
use portcullis_rules::proof::{ClientProof, keys_of};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::id::ClientId;
use portcullis_wire::limit;
use portcullis_wire::register::AuthMethod;
use portcullis_wire::resource::Issuer;
use portcullis_wire::time::UnixTime;

use super::document::Documents;
use super::fault::DocumentFault;

/// X06: what an assertion may call itself. Never a type that something else here accepts.
const ASSERTION: Profile<'static> = Profile {
    typ: &["JWT", "client-authentication+jwt", ""],
    algs: &[Alg::Es256, Alg::Rs256, Alg::Ps256, Alg::EdDsa],
};

/// Why an assertion proved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionFault {
    /// The assertion is not good, or the client does not prove itself so.
    #[error("the client assertion was refused")]
    Refused(Refusal),
    /// The client's keys could not be had. If [`DocumentFault::is_transient`], the honest answer is 503
    /// `temporarily_unavailable`: told `invalid_client`, a client would throw its registration away.
    #[error("the keys of the client cannot be had")]
    Keys(#[source] DocumentFault),
}

/// For callers that have no better word than a refusal.
impl From<AssertionFault> for Refusal {
    fn from(fault: AssertionFault) -> Self {
        match fault {
            AssertionFault::Refused(refusal) => refusal,
            AssertionFault::Keys(_) => Self::ClientUnproven,
        }
    }
}

impl From<DocumentFault> for AssertionFault {
    fn from(fault: DocumentFault) -> Self {
        Self::Keys(fault)
    }
}

/// Judges the `assertion` of `client`: signed with one of its keys, by and about it, for this issuer alone (by its
/// name, with or without a trailing slash, or by its token endpoint), for at most five minutes, with a `jti`. The
/// proof names what must be spent with it. It is *not* checked here whether the client is enabled or the assertion
/// new; [`prove`](portcullis_rules::proof::prove) does that on one snapshot.
///
/// # Errors
/// [`AssertionFault`], by cause; it turns into a [`Refusal`] by itself.
pub async fn assertion_proof(
    documents: &Documents,
    client: &Client,
    assertion: &str,
    issuer: &Issuer,
    also_accept_token_endpoint: &str,
    source: IpAddr,
    now: UnixTime,
) -> Result<ClientProof, AssertionFault> {
    let unproven = AssertionFault::Refused(Refusal::ClientUnproven);
    if client.metadata.auth_method != AuthMethod::PrivateKeyJwt {
        return Err(AssertionFault::Refused(Refusal::MethodMismatch));
    }
    // Before any fetch: an assertion that does not even claim to be the client's costs nobody anything.
    if peek_issuer(assertion).ok().as_deref() != Some(client.id.as_str()) {
        return Err(unproven);
    }
    let claims = verified(documents, client, assertion, source).await?.claims;
    let bare = issuer.as_str().strip_suffix('/').unwrap_or(issuer.as_str());
    let with_slash = format!("{bare}/");
    let audiences = [bare, with_slash.as_str(), also_accept_token_endpoint];
    claims.check(client.id.as_str(), &audiences, now).map_err(|_| unproven)?;
    let leeway = Duration::from_secs(limit::CLOCK_LEEWAY.unsigned_abs());
    Ok(ClientProof::Assertion {
        spend: assertion_digest(client.id.as_str(), &claims.jti),
        until: UnixTime::from_seconds(claims.exp) + leeway,
        keys: keys_of(&client.metadata),
    })
}

async fn verified(
    documents: &Documents,
    client: &Client,
    assertion: &str,
    source: IpAddr,
) -> Result<Verified<AssertionClaims>, AssertionFault> {
    let keys = documents.keys(client, source).await?;
    let found = match verify(assertion, &ASSERTION, &keys) {
        Err(JoseError::UnknownKey) => {
            verify(assertion, &ASSERTION, &documents.keys_anew(client, source).await?)
        }
        found => found,
    };
    found.map_err(|_| AssertionFault::Refused(Refusal::ClientUnproven))
}

/// The client an assertion claims to be of, **not** verified: good for finding whose keys to try when the body names no
/// `client_id` (X07), and for nothing else.
#[must_use]
pub fn assertion_client_id(assertion: &str) -> Option<ClientId> {
    ClientId::parse(&peek_issuer(assertion).ok()?)
}
