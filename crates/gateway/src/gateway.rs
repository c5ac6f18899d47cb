//! The service: one request up, one response down.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_service::Service;
use url::Url;

use crate::body::{BodyFault, BoxError, CallerBody, CallerFault, RelayBody};
use crate::connect::{ConnectTimeout, Upstream, upstream};
use crate::headers::{downward, upward};
use crate::reply::Failure;
use crate::settings::{Credential, GatewayError, GatewaySettings};
use crate::target::Target;

/// A reverse proxy in front of one MCP server. It judges nobody: put it behind the guard.
///
/// Cheap to clone; all clones share one pool of connections. Dropping the response future, or the response body before
/// its end, closes the connection to the upstream, so that a caller who leaves is a caller who left there too.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    client: Upstream,
    credential: Option<Credential>,
    response_timeout: Duration,
    request_body: u64,
    places: Arc<Semaphore>,
}

/// The answer on its way, of which [`Gateway`] is the only source.
pub type Relaying = Pin<Box<dyn Future<Output = Result<Response<RelayBody>, Infallible>> + Send>>;

impl Gateway {
    /// A gateway to the MCP endpoint at `upstream`, an `http` or `https` URL. Its path and query are sent as they are;
    /// a fragment is not.
    ///
    /// # Errors
    /// [`GatewayError`] for a URL that cannot be asked, an extra root that is no certificate, or TLS that cannot be
    /// set up. Whether anyone answers there shows with the first request.
    pub fn new(upstream_url: &Url, settings: GatewaySettings) -> Result<Self, GatewayError> {
        let GatewaySettings {
            extra_roots,
            credential,
            connect_timeout,
            response_timeout,
            request_body,
            in_flight,
        } = settings;
        let inner = Inner {
            target: Target::read(upstream_url)?,
            client: upstream(extra_roots, connect_timeout)?,
            credential,
            response_timeout,
            request_body,
            places: Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS))),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstream", &self.inner.target.to_string()).finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<RelayBody>;
    type Error = Infallible;
    type Future = Relaying;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Relaying {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { Ok(inner.relay(request).await.unwrap_or_else(Failure::response)) })
    }
}

impl Inner {
    async fn relay<B>(&self, request: Request<B>) -> Result<Response<RelayBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let fault = CallerFault::default();
        let request = self.upward(request, fault.clone())?;
        let response = timeout(self.response_timeout, self.client.request(request)).await;
        let response =
            response.map_err(|_| Failure::Timeout).and_then(|answer| answer.map_err(|error| failure(&error)));
        let response = response.map_err(|failed| blame(failed, &fault)).and_then(admissible);
        let (parts, body) = response.inspect_err(|failed| self.tell(*failed))?.into_parts();
        let mut response = Response::new(RelayBody::upstream(body, place));
        *response.status_mut() = parts.status;
        *response.headers_mut() = downward(parts.headers);
        Ok(response)
    }

    /// The request that goes up, made anew: extensions, version and target of the caller's stay here.
    fn upward<B>(&self, request: Request<B>, fault: CallerFault) -> Result<Request<CallerBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        if ![Method::GET, Method::POST, Method::DELETE].contains(&parts.method) {
            return Err(Failure::Method);
        }
        // RFC 9110 §9.3.1 and §9.3.5: content here has no meaning, and is how requests are smuggled.
        if parts.method != Method::POST && !body.is_end_stream() {
            return Err(Failure::UnexpectedBody);
        }
        if body.size_hint().lower() > self.request_body {
            return Err(Failure::BodyTooLarge);
        }
        let uri = self.target.uri(parts.uri.query()).map_err(|_| Failure::QueryUnfit)?;
        let mut request = Request::new(CallerBody::new(body, self.request_body, fault));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = upward(parts.headers, self.credential.as_ref());
        Ok(request)
    }

    /// For the operator: what the caller is told is no secret, and where the upstream stands is for the log only.
    fn tell(&self, failed: Failure) {
        tracing::warn!(upstream = %self.target, ?failed, "the upstream did not answer the request");
    }
}

/// Which answers pass as they are: all but those that would send the caller elsewhere, ask it for credentials that
/// are not the upstream's to ask, or leave HTTP.
fn admissible(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(Failure::Refused)
        }
        StatusCode::NOT_MODIFIED => Ok(response),
        status if status.is_redirection() => Err(Failure::Redirected),
        status if status.is_informational() => Err(Failure::Unavailable),
        _ => Ok(response),
    }
}

/// A request that failed because the caller's body did is the caller's.
fn blame(failed: Failure, fault: &CallerFault) -> Failure {
    match fault.seen() {
        Some(BodyFault::TooLarge) => Failure::BodyTooLarge,
        Some(BodyFault::Broken) => Failure::BodyBroken,
        None => failed,
    }
}

fn failure(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<ConnectTimeout>() {
            return Failure::Timeout;
        }
        cause = error.source();
    }
    Failure::Unavailable
}
