//! The way to the upstream: HTTP/1.1 over a small pool of connections, TLS where the URL says so, and nothing from the
//! environment in between.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use crate::body::{BoxError, CallerBody};
use crate::settings::GatewayError;

/// How long an idle connection is kept. Node and uvicorn close theirs after five seconds; a request sent at that
/// very moment would be lost, and a POST must not be sent twice.
const IDLE: Duration = Duration::from_secs(4);
/// How many idle connections are kept.
const IDLE_CONNECTIONS: usize = 64;
/// Where the head of a response ends being read on, in bytes, give or take one read; also the most that waits to be
/// written on one connection.
const RESPONSE_HEAD: usize = 64 * 1024;

pub(crate) type Upstream = Client<Within<HttpsConnector<HttpConnector>>, CallerBody>;

pub(crate) fn upstream(
    extra_roots: Vec<CertificateDer<'static>>,
    timeout: Duration,
) -> Result<Upstream, GatewayError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false); // the URL's scheme decides, one layer up
    tcp.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new()
        .with_tls_config(client_config(extra_roots)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_buf_size(RESPONSE_HEAD)
        .build(Within { connector: tls, timeout }))
}

fn client_config(extra_roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, GatewayError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for root in extra_roots {
        roots.add(root).map_err(GatewayError::Root)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(GatewayError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// A connector that gives up in time: one bound over look-up, connection and TLS.
#[derive(Clone)]
pub(crate) struct Within<C> {
    connector: C,
    timeout: Duration,
}

/// No connection in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
pub(crate) struct ConnectTimeout;

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.timeout, self.connector.call(uri));
        Box::pin(async move { connecting.await.unwrap_or_else(|_| Err(ConnectTimeout.into())) })
    }
}
