//! What the owner says about the upstream, with the reasons for what is not said, and why a gateway cannot be built.

use std::fmt;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

/// How a [`Gateway`](crate::Gateway) goes about its upstream.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Certificate authorities trusted beside the public ones.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What the gateway itself shows the upstream; `None` shows nothing. The caller's own credentials never go up.
    pub credential: Option<Credential>,
    /// Time for look-up, connection and TLS together.
    pub connect_timeout: Duration,
    /// Time until the head of the response is there, from the moment the request is handed over. The body that
    /// follows has no time limit of its own: an event stream may be silent for hours.
    pub response_timeout: Duration,
    /// Longest request body, in bytes.
    pub request_body: u64,
    /// Most requests under way at once, open event streams among them.
    pub in_flight: usize,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            credential: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            response_timeout: Self::RESPONSE_TIMEOUT,
            request_body: Self::REQUEST_BODY,
            in_flight: Self::IN_FLIGHT,
        }
    }
}

impl GatewaySettings {
    /// Five seconds: the upstream is mostly on this machine or next to it.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// Five minutes: a server that answers in plain JSON sends the head only when its tool is done.
    pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(300);
    /// 64 MiB. Nothing is held here, so this bounds the upstream's trouble and not our memory.
    pub const REQUEST_BODY: u64 = 64 * 1024 * 1024;
    /// 1024: one connection each, and file descriptors are 1024 on many machines that never changed them; whoever
    /// raises that limit raises this.
    pub const IN_FLIGHT: usize = 1024;
}

/// The upstream's own credential: a header that the gateway sets and that is never taken from a caller.
#[derive(Clone)]
pub struct Credential {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
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
        Ok(Self { name, value })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a gateway cannot be built. None of these texts repeats the URL, which may hold a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// Neither `http` nor `https`.
    #[error("the upstream must be an http or https URL")]
    Scheme,
    /// A name or password before the host, where they end up in logs.
    #[error("the upstream URL must not hold a user name or password; set the upstream's credential instead")]
    UserInfo,
    /// A URL that HTTP cannot carry.
    #[error("the upstream URL cannot be used in a request")]
    Url,
    /// A credential that no header may hold.
    #[error("the upstream's credential cannot be sent in a header")]
    Credential,
    /// An extra root that is no certificate.
    #[error("an extra root certificate cannot be used: {0}")]
    Root(rustls::Error),
    /// TLS as such.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}
