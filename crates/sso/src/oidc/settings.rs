//! What an owner says of an OpenID provider.

use portcullis_wire::token::Sealed;
use url::Url;

use super::fault;
use super::object::{is_plain_loopback, is_secure};
use super::preset::Preset;
use crate::Fault;

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

    /// The issuer, as accounts are linked by it; asks nobody.
    ///
    /// # Errors
    /// A [`Fault`] where that is no address of a provider, or nothing is said of who we are there.
    pub fn known_as(&self) -> Result<String, Fault> {
        let issuer = self.preset.issuer(&self.issuer);
        issuer_url(&issuer)?;
        let is_its = |preset: &Preset| preset.known_issuer() == Some(&*issuer);
        if let Some(preset) = Preset::ALL.into_iter().find(is_its).filter(|preset| *preset != self.preset) {
            return Err(fault::administrator(
                "issuer_of_preset",
                format!("`{issuer}` has a kind of its own"),
                "it differs from others, and anybody may have an account there: that is asked about under its own kind",
                format!("write kind = \"{}\" and leave `issuer` out", preset.as_str()),
            ));
        }
        if self.client_id.is_empty() {
            return Err(fault::administrator(
                "client_id",
                "there is no `client_id`",
                "the provider knows us by it",
                "register this server at the provider as a web application and set `client_id`",
            ));
        }
        Ok(issuer)
    }
}

pub(super) fn issuer_url(issuer: &str) -> Result<Url, Fault> {
    let url = Url::parse(issuer).map_err(|_| issuer_form(issuer))?;
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_bare && url.password().is_none() && (is_secure(&url) || is_plain_loopback(&url)) {
        Ok(url)
    } else {
        Err(issuer_form(issuer))
    }
}

pub(super) fn issuer_form(issuer: &str) -> Fault {
    fault::administrator(
        "issuer",
        format!("`{}` is not an issuer", portcullis_wire::text::displayable(issuer, 200)),
        "an issuer is an https address without query and fragment (OpenID Connect Discovery §3)",
        "copy the issuer from the provider: it stands in its `/.well-known/openid-configuration`",
    )
}
