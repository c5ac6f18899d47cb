//! Signing in through a provider: out by `/sign-in/with`, back by an address of each provider's own.

#[cfg(feature = "saml")]
pub(crate) mod acs;
pub(crate) mod back;
pub(crate) mod callback;
pub(crate) mod fault;
#[cfg(feature = "saml")]
pub(crate) mod metadata;
pub(crate) mod trial;
pub(crate) mod with;
