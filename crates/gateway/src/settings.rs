//! What the owner says about the upstream, with the reasons for what is not said, and why a gateway cannot be built.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::upstream::{Credential, Identity};

/// How a [`Gateway`](crate::Gateway) goes about its upstream.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Certificate authorities trusted beside the public ones.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What the gateway itself shows the upstream; `None` shows nothing. The caller's own credentials never go up.
    pub credential: Option<Credential>,
    /// How the upstream learns who is calling; `None` tells it nothing. It goes well beside a credential.
    pub identity: Option<Identity>,
    /// Time for look-up, connection and TLS together.
    pub connect_timeout: Duration,
    /// Time until the head of the response is there, from the moment the request is handed over. The body that
    /// follows has no time limit of its own: an event stream may be silent for hours.
    pub response_timeout: Duration,
    /// Longest request body, in bytes.
    pub request_body: u64,
    /// Time in which the next piece of a request body has to come.
    pub request_idle: Duration,
    /// Longest plain answer, in bytes. An event stream has no end to measure.
    pub answer_body: u64,
    /// Time in which the next piece of a plain answer has to come. An event stream may be silent for hours.
    pub answer_idle: Duration,
    /// Most requests under way at once, open event streams among them.
    pub in_flight: usize,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            credential: None,
            identity: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            response_timeout: Self::RESPONSE_TIMEOUT,
            request_body: Self::REQUEST_BODY,
            request_idle: Self::REQUEST_IDLE,
            answer_body: Self::ANSWER_BODY,
            answer_idle: Self::ANSWER_IDLE,
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
    /// Half a minute: a caller that sends a body has it.
    pub const REQUEST_IDLE: Duration = Duration::from_secs(30);
    /// 16 MiB: images and audio come in Base64, and models read no more.
    pub const ANSWER_BODY: u64 = 16 * 1024 * 1024;
    /// One minute: a server that has begun a plain answer has it.
    pub const ANSWER_IDLE: Duration = Duration::from_secs(60);
    /// 1024: one connection each, and file descriptors are 1024 on many machines that never changed them; whoever
    /// raises that limit raises this.
    pub const IN_FLIGHT: usize = 1024;
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
    /// A token endpoint to which no secret may travel.
    #[error(
        "the token endpoint must be an https URL without user name or password, or http on a loopback address"
    )]
    TokenUrl,
    /// A header that is not the owner's to set: it belongs to the connection or to MCP, or is set already.
    #[error("the gateway cannot set the header {0} for the upstream")]
    Header(http::HeaderName),
    /// An extra root that is no certificate.
    #[error("an extra root certificate cannot be used: {0}")]
    Root(rustls::Error),
    /// TLS as such.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}
