//! SAML 2.0, as a service provider (SAML Profiles §4.1): a request through an address, an answer through a form.
//!
//! SAML is broken where the one who verifies and the one who reads see two documents. So there is one parser and one
//! accepted form ([`Settings`] knows no switch that loosens it), and after a signature has been verified nothing is
//! read but the very bytes that were hashed, parsed anew:
//!
//! ```text
//! form ─► base64 ─► scan ─► parse ─► one Assertion, its own Signature ─► canonical bytes ─► digest, signature
//!                                                                             └────────────► parse ─► claims
//! ```
//!
//! What is refused, and why, is in the [`Fault`]: SHA-1, `transient` names, encryption, answers nobody asked for.
//!
//! Requests are not signed: an answer goes to the address that the provider was told by an administrator, so a forged
//! request gains nothing. Name identifiers must be `persistent` unless [`Names`] says otherwise: an e-mail address
//! belongs to somebody else one day, and that person would get the account.

mod assertion;
mod c14n;
mod der;
mod fault;
mod idp;
mod key;
pub mod limit;
mod metadata;
mod moment;
mod name;
mod request;
mod response;
mod service;
mod signature;
mod source;
#[cfg(test)]
mod tests;
mod xml;

use portcullis_wire::time::UnixTime;
use url::Url;

use self::fault::administrator;
use self::idp::{Idp, Wanted};
use crate::Fault;

pub use assertion::{AUTHENTICATION_CONTEXT, NAME_ID, NAME_ID_FORMAT};
pub use idp::fingerprint;
pub use service::ServiceProvider;

/// A provider, as it is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our own name at the provider: the address of our metadata.
    pub entity_id: String,
    /// Where answers come in: the assertion consumer service.
    pub acs: String,
    /// The provider's entity id. Must be said where its metadata comes from an address: people are known by it for
    /// good, so it is not for the other side to change; and where the metadata describes several.
    pub issuer: Option<String>,
    /// The provider's metadata.
    pub idp: Source,
    /// Which name identifiers count.
    pub names: Names,
    /// Whether the provider stands in a private network, where its addresses may begin with `http://`.
    pub private_network: bool,
}

impl Settings {
    /// The provider's entity id, by which its people are known. Reads metadata that is at hand, and asks nobody.
    ///
    /// # Errors
    /// `saml_metadata` and its kin where the metadata cannot be used; `saml_issuer_unsaid` where it comes from an
    /// address and the provider's entity id is not said.
    pub fn known_as(&self) -> Result<String, Fault> {
        let wanted = Wanted::of(self);
        let said = match &self.idp {
            Source::Metadata(bytes) => Some(Idp::read(bytes, &wanted)?.entity_id),
            Source::Url { .. } => self.issuer.clone(),
        };
        said.filter(|id| !id.is_empty()).ok_or_else(|| {
            administrator(
                "saml_issuer_unsaid",
                "the provider's entity id is not said",
                "people are known by it for good, so it must not be for an address on the network to say",
                "copy `entityID` from the provider's metadata to `issuer`",
            )
        })
    }
}

/// Where a provider's metadata comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The document itself.
    Metadata(Vec<u8>),
    /// Its address.
    Url {
        /// The address.
        url: Url,
        /// SHA-256 of the one signing certificate that counts, whatever the document says.
        fingerprint: Option<[u8; 32]>,
    },
}

/// Which name identifiers (SAML Core §8.3) count. `transient` ones never do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// `persistent` alone: the provider says that the name stays with one person.
    #[default]
    PersistentOnly,
    /// `emailAddress` and `unspecified` too: the administrator vouches that no name is ever given to somebody else.
    AlsoReassignable,
}

/// How a sign-in begins.
#[derive(Clone, Debug)]
pub struct Begin {
    /// What the answer will name: unguessable, of letters, digits, `-` and `_`, at most 200.
    pub request_id: String,
    /// The handle that comes back beside the answer; at most 80 bytes (SAML Bindings §3.4.3).
    pub relay_state: String,
    /// Whether the person must prove anew who they are (`ForceAuthn`).
    pub again: bool,
}

/// What was kept of how it began.
#[derive(Clone, Debug)]
pub struct Kept {
    /// [`Begin::request_id`].
    pub request_id: String,
    /// Where the person must prove anew who they are: since when. [`CLOCK_LEEWAY`](portcullis_wire::limit) is granted.
    pub again_since: Option<UnixTime>,
}
