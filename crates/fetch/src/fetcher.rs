//! The room's face: a [`Fetcher`] is built once, shared, and asked for documents.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::accept::Accept;
use crate::ask::{Answer, Ask};
use crate::dial::{Dial, Tcp, Wire, first_to_accept};
use crate::error::{FetchError, SetupError};
use crate::exchange::{Admit, exchange};
use crate::freshness::fresh_for;
use crate::resolve::{Resolve, SystemResolver};
use crate::target::Target;

/// Whether this machine itself may be fetched from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loopback {
    /// Never. The only setting for a server that strangers reach.
    #[default]
    Refuse,
    /// Hosts whose every address is loopback may be asked over http and https, on any port. For tests and for an
    /// explicit development mode whose own listener is on loopback. All other hosts are judged as ever.
    AllowPlainAndTls,
}

/// Which networks a host may stand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The public internet, port 443. For every URL a stranger can steer.
    #[default]
    Public,
    /// Also private addresses, and any port: for a host an administrator has named and said so of. `https` with a
    /// certificate of a trusted authority is still needed; loopback, link-local and the addresses at which clouds
    /// hand out credentials stay refused.
    PrivateNetwork,
}

/// How a [`Fetcher`] is built.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Certificate authorities trusted beside the public ones.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Whether this machine itself may be fetched from.
    pub loopback: Loopback,
}

/// The bounds of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in the body, at most.
    pub body: usize,
    /// Time for the whole fetch: look-up, connection, TLS, header and body.
    pub total: Duration,
    /// The media types that are taken.
    pub accept: Accept,
}

impl Limits {
    /// For a Client ID Metadata Document: 5 KiB, as its draft recommends, and 5 s, since a person waits.
    pub const CLIENT_DOCUMENT: Self =
        Self { body: 5 * 1024, total: Duration::from_secs(5), accept: Accept::Json };
    /// For a key set (RFC 7517 §5): 64 KiB, room for a hundred RSA keys, and 5 s.
    pub const KEY_SET: Self = Self { body: 64 * 1024, total: Duration::from_secs(5), accept: Accept::Json };
    /// For authorization server metadata (RFC 8414 §3.2): 64 KiB and 5 s.
    pub const METADATA: Self = Self { body: 64 * 1024, total: Duration::from_secs(5), accept: Accept::Json };
}

/// A document as it came, answered with 200 and within its limits. What it says is not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The media type, in lower case, without parameters.
    pub media_type: String,
    /// The body.
    pub body: Bytes,
    /// How long the document stays fresh by its `Cache-Control` and `Age` (RFC 9111 §4.2); zero when it must not
    /// be stored, `None` when nothing was said.
    pub fresh_for: Option<Duration>,
}

/// The one way out for every URL a stranger can steer. Cheap to clone; holds no connection open.
#[derive(Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
    reach: Reach,
}

struct Inner {
    tls: TlsConnector,
    loopback: Loopback,
    resolve: Arc<dyn Resolve>,
    dial: Arc<dyn Dial>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("loopback", &self.inner.loopback).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher that looks names up as the operating system does.
    ///
    /// # Errors
    /// [`SetupError`] when an extra root is no usable certificate, or TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        Self::with_resolver(settings, Arc::new(SystemResolver::new()))
    }

    /// A fetcher with a resolver of the caller's. What it answers is checked like any other answer.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_resolver(settings: Settings, resolve: Arc<dyn Resolve>) -> Result<Self, SetupError> {
        Self::with_ways_out(settings, resolve, Arc::new(Tcp))
    }

    pub(crate) fn with_ways_out(
        settings: Settings,
        resolve: Arc<dyn Resolve>,
        dial: Arc<dyn Dial>,
    ) -> Result<Self, SetupError> {
        let Settings { extra_roots, loopback } = settings;
        let tls = TlsConnector::from(Arc::new(client_config(extra_roots)?));
        Ok(Self { inner: Arc::new(Inner { tls, loopback, resolve, dial }), reach: Reach::Public })
    }

    /// Fetches the document at `url`.
    ///
    /// The URL is taken as parsed: that its *spelling* is the one a specification wants (a path, no dot segments,
    /// equal to what the document says of itself) is for the caller to hold against the string it was given.
    ///
    /// # Errors
    /// [`FetchError`] for a URL that may not be fetched, a host that does not stand on the public internet, and
    /// every answer but a whole document within `limits`.
    pub async fn fetch(&self, url: &Url, limits: Limits) -> Result<Document, FetchError> {
        let (status, headers, body) = self.send(url, &Ask::get(), limits, Admit::Document).await?;
        debug_assert_eq!(status, 200, "admitted as a document");
        let media_type = limits.accept.media_type(&headers)?;
        Ok(Document { media_type, body, fresh_for: fresh_for(&headers) })
    }

    /// Asks, and reads the answer of any status but a redirect: what an OAuth endpoint refuses, it refuses in a body
    /// (RFC 6749 §5.2).
    ///
    /// # Errors
    /// As [`Self::fetch`]; [`FetchError::Status`] for a redirect, which is never followed, and for a status other than
    /// 200 whose body is not of the wanted media type.
    pub async fn ask(&self, url: &Url, ask: &Ask, limits: Limits) -> Result<Answer, FetchError> {
        let (status, headers, body) = self.send(url, ask, limits, Admit::Answer).await?;
        let media_type = limits.accept.media_type(&headers)?;
        Ok(Answer { status, media_type, body })
    }

    /// The same fetcher for a host that stands within `reach`.
    #[must_use]
    pub fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    async fn send(
        &self,
        url: &Url,
        ask: &Ask,
        limits: Limits,
        admit: Admit,
    ) -> Result<(u16, HeaderMap, Bytes), FetchError> {
        let inner = &self.inner;
        let target = Target::read(url, inner.loopback, self.reach)?;
        let asking = async {
            let wire = inner.connect(&target, self.reach).await?;
            exchange(wire, &target, ask, &limits, admit).await
        };
        timeout(limits.total, asking).await.unwrap_or(Err(FetchError::Timeout))
    }
}

impl Inner {
    async fn connect(&self, target: &Target<'_>, reach: Reach) -> Result<Wire, FetchError> {
        let addresses = self.addresses(&target.host).await?;
        target.admit(&addresses, self.loopback, reach)?;
        let wire = first_to_accept(&*self.dial, &addresses, target.port).await?;
        let Some(name) = &target.server_name else { return Ok(wire) };
        let encrypted = self.tls.connect(name.clone(), wire).await.map_err(|_| FetchError::Tls)?;
        Ok(Box::new(encrypted))
    }

    async fn addresses(&self, host: &Host<&str>) -> Result<Vec<IpAddr>, FetchError> {
        match host {
            Host::Domain(name) => self.resolve.resolve(name).await.map_err(|_| FetchError::Resolve),
            Host::Ipv4(address) => Ok(vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => Ok(vec![IpAddr::V6(*address)]),
        }
    }
}

fn client_config(extra_roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for root in extra_roots {
        roots.add(root).map_err(SetupError::Root)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled(); // every fetch proves the certificate anew
    Ok(config)
}
