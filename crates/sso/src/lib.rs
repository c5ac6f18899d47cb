//! Signing in through a company's identity provider: this room is the relying party.
//!
//! It asks a provider who somebody is, and judges the answer: what comes out is an [`Identity`], every word of which
//! the provider has signed or said over TLS, or a [`Fault`] that says what is wrong, why it matters, who must act and
//! how it is mended. What an identity may do here (an account, its groups) is decided elsewhere, by `rules`; what its
//! claims mean here is said by a [`Mapping`].
//!
//! There is no store, no clock and no randomness in this room: what has to be remembered between the way out and the
//! way back is handed in and out.

mod fault;
mod finding;
mod identity;
pub mod mapping;
pub mod oidc;
#[cfg(feature = "saml")]
pub mod saml;

pub use fault::{Act, Fault};
pub use finding::Finding;
pub use identity::Identity;
pub use mapping::{ClaimPath, Email, EmailTrust, Mapped, Mapping, Traced};
