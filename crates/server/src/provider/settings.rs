//! What an owner says of a provider.

use std::fmt;

use portcullis_rules::federation::Joining;
#[cfg(feature = "saml")]
use portcullis_sso::saml;
use portcullis_sso::{Fault, Mapping, oidc};

/// One identity provider.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its short name, in addresses: small letters, digits and `-`.
    pub name: String,
    /// What people read.
    pub label: String,
    /// How it is spoken to.
    pub kind: ProviderKind,
    /// What its claims mean here.
    pub mapping: Mapping,
    /// Whom it lets in.
    pub joining: Joining,
    /// The domains of work addresses that lead to it, in small letters.
    pub domains: Vec<String>,
}

/// How a provider is spoken to.
#[derive(Clone)]
pub enum ProviderKind {
    /// OpenID Connect Core, or GitHub's OAuth.
    Oidc(Box<oidc::Settings>),
    /// SAML 2.0. Its entity id and assertion consumer address are made from this server's own issuer, whatever the
    /// settings say.
    #[cfg(feature = "saml")]
    Saml(Box<saml::Settings>),
}

impl ProviderKind {
    /// The word in output.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            #[cfg(feature = "saml")]
            Self::Saml(_) => "saml",
        }
    }

    /// The issuer by which its people are known. Reads what is at hand, and asks nobody.
    ///
    /// # Errors
    /// Why nobody could sign in with these settings.
    pub fn known_as(&self) -> Result<String, Fault> {
        match self {
            Self::Oidc(oidc) => oidc.known_as(),
            #[cfg(feature = "saml")]
            Self::Saml(saml) => saml.known_as(),
        }
    }
}

impl fmt::Debug for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
