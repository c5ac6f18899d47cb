//! The service: one request up, one response down.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use portcullis_wire::limit::MESSAGE_BODY;
use tokio::sync::Semaphore;
use tower_service::Service;
use url::Url;

use crate::answer::{Bounds, RelayBody};
use crate::body::{BoxError, CallerBody, CallerFault};
use crate::headers::is_event_stream;
use crate::reply::{Asked, Failure};
use crate::settings::{GatewayError, GatewaySettings};
use crate::upstream::Way;

/// A reverse proxy in front of one MCP server. It judges nobody: put it behind the guard.
///
/// Cheap to clone; all clones share one pool of connections. Dropping the response future, or the response body before
/// its end, closes the connection to the upstream, so that a caller who leaves is a caller who left there too.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    way: Way,
    limits: Limits,
    places: Arc<Semaphore>,
}

/// What bodies are held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    request_body: u64,
    request_idle: Duration,
    answer_body: u64,
    answer_idle: Duration,
}

/// The answer on its way, of which [`Gateway`] is the only source.
pub type Relaying = Pin<Box<dyn Future<Output = Result<Response<RelayBody>, Infallible>> + Send>>;

impl Gateway {
    /// A gateway to the MCP endpoint at `upstream`, an `http` or `https` URL. Its path and query are sent as they are;
    /// a fragment is not.
    ///
    /// # Errors
    /// [`GatewayError`] for a URL that cannot be asked, an extra root that is no certificate, a header that is not the
    /// owner's to set, or TLS that cannot be set up. Whether anyone answers there shows with the first request.
    #[expect(clippy::needless_pass_by_value, reason = "settings are handed over, as secrets are")]
    pub fn new(upstream_url: &Url, settings: GatewaySettings) -> Result<Self, GatewayError> {
        let inner = Inner {
            way: Way::new(upstream_url, &settings)?,
            limits: Limits::of(&settings),
            places: Arc::new(Semaphore::new(settings.in_flight.min(Semaphore::MAX_PERMITS))),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstream", &self.inner.way.target.origin()).finish_non_exhaustive()
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
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let asked = Asked::of(&parts);
            Ok(inner.relay(parts, body).await.unwrap_or_else(|failed| failed.response(&asked)))
        })
    }
}

impl Inner {
    async fn relay<B>(&self, parts: Parts, body: B) -> Result<Response<RelayBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let fault = CallerFault::default();
        let body = self.limits.admit(&parts, body, &fault)?;
        let mut request = Request::new(body);
        *request.uri_mut() = self.way.target.uri(parts.uri.query()).map_err(|_| Failure::QueryUnfit)?;
        *request.method_mut() = parts.method;
        *request.headers_mut() = parts.headers;
        let answer = self.way.ask(request, &parts.extensions, &fault).await;
        let (parts, body) = answer.inspect_err(|failed| self.way.tell(*failed))?.into_parts();
        let body = match is_event_stream(&parts.headers) {
            true => RelayBody::stream(body, place),
            false => {
                let held = RelayBody::plain(body, self.limits.answer(), place).await;
                held.inspect_err(|failed| self.way.tell(*failed))?
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = self.way.downward(parts.headers);
        Ok(response)
    }
}

impl Limits {
    pub(crate) const fn of(settings: &GatewaySettings) -> Self {
        Self {
            request_body: settings.request_body,
            request_idle: settings.request_idle,
            answer_body: settings.answer_body,
            answer_idle: settings.answer_idle,
        }
    }

    /// For who reads messages whole.
    pub(crate) fn for_messages(self) -> Self {
        Self { request_body: self.request_body.min(MESSAGE_BODY as u64), ..self }
    }

    /// The body that goes up, of a request that may.
    pub(crate) fn admit<B>(&self, parts: &Parts, body: B, fault: &CallerFault) -> Result<CallerBody, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
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
        Ok(CallerBody::new(body, self.request_body, self.request_idle, fault.clone()))
    }

    pub(crate) const fn answer(&self) -> Bounds {
        Bounds::new(self.answer_body, self.answer_idle)
    }
}
