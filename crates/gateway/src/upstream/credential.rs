//! What the gateway itself shows the upstream, as its owner says it.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use crate::settings::GatewayError;

/// The upstream's own credential: a header that the gateway sets and that is never taken from a caller.
#[derive(Clone)]
pub struct Credential(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Header { name: HeaderName, value: HeaderValue },
    Client(ClientCredentials),
}

impl Credential {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    ///
    /// # Errors
    /// [`GatewayError::Credential`] when the token holds what no header may.
    pub fn bearer(token: &str) -> Result<Self, GatewayError> {
        Self::header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// A header of the upstream's own choosing, such as `X-Api-Key`.
    ///
    /// # Errors
    /// [`GatewayError::Credential`] when the value holds what no header may.
    pub fn header(name: HeaderName, value: &str) -> Result<Self, GatewayError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| GatewayError::Credential)?;
        value.set_sensitive(true);
        Ok(Self(Kind::Header { name, value }))
    }

    /// An access token that the gateway fetches for itself (RFC 6749 §4.4), keeps until a minute before its end, and
    /// fetches once more when the upstream no longer takes it.
    pub const fn client(credentials: ClientCredentials) -> Self {
        Self(Kind::Client(credentials))
    }

    pub(crate) fn name(&self) -> HeaderName {
        match &self.0 {
            Kind::Header { name, .. } => name.clone(),
            Kind::Client(_) => AUTHORIZATION,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Header { name, .. } => {
                f.debug_struct("Credential").field("name", name).finish_non_exhaustive()
            }
            Kind::Client(client) => client.fmt(f),
        }
    }
}

/// Who the gateway is to the authorization server that issues tokens for the upstream (RFC 6749 §4.4).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The token endpoint: `https`, or `http` on a loopback address (RFC 6749 §3.2).
    pub token_url: Url,
    /// The gateway's `client_id` there.
    pub client_id: String,
    /// The gateway's secret there.
    pub secret: ClientSecret,
    /// How the secret travels.
    pub place: SecretPlace,
    /// The scopes to ask for, separated by spaces; `None` asks for what the server gives.
    pub scope: Option<String>,
    /// The resource to ask for (RFC 8707 §2).
    pub resource: Option<String>,
}

/// How a client secret travels to the token endpoint (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretPlace {
    /// `client_secret_basic`: in the `Authorization` header.
    #[default]
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

/// A client secret. It is shown nowhere.
#[derive(Clone)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// Takes the secret as it is, without the line end that files tend to have.
    pub fn new(secret: &str) -> Self {
        Self(secret.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}
