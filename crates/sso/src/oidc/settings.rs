//! What an owner says of an OpenID provider.

use portcullis_wire::token::Sealed;

use super::preset::Preset;

/// A client secret. Never printed.
pub type Secret = Sealed;

/// How we say to the token endpoint who we are (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// As the provider supports it: `client_secret_basic` if it says so or says nothing, else `client_secret_post`;
    /// with no secret, by PKCE alone.
    #[default]
    Supported,
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// A public client: by PKCE alone.
    None,
}

/// One OpenID provider, or GitHub.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer, byte for byte as the provider writes it. Empty where the preset knows it.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Option<Secret>,
    /// How we say who we are.
    pub auth: ClientAuth,
    /// What is asked for; empty for what the preset asks.
    pub scopes: Vec<String>,
    /// Which provider it is, for its quirks.
    pub preset: Preset,
    /// Whether it stands on a private network, or on another port than 443.
    pub private_network: bool,
    /// Google alone: the organisations (`hd`) whose people are let in; empty for no such check.
    pub hosted_domains: Vec<String>,
}

impl Settings {
    /// For `preset` at `issuer`, with everything else as usual.
    pub fn new(preset: Preset, issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            auth: ClientAuth::default(),
            scopes: Vec::new(),
            preset,
            private_network: false,
            hosted_domains: Vec::new(),
        }
    }
}
