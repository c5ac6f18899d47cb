//! The service behind the door, whatever it is.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};

use axum_core::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use crate::body::BoxError;
use crate::ports::BoxFuture;

/// One handle on the service behind, good for any number of requests. The mutex is never locked: it lets a service that
/// is not `Sync` be held by a future that others may look at.
pub(crate) struct Upstream(Mutex<Box<dyn Behind>>);

impl Upstream {
    pub(crate) fn new<S, R>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<R>> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        R: http_body::Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        Self(Mutex::new(Box::new(service)))
    }

    /// Asks once.
    pub(crate) async fn ask(&mut self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let behind = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        behind.ask(request).await
    }
}

trait Behind: Send {
    fn ask(&mut self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, BoxError>>;
}

impl<S, R> Behind for S
where
    S: Service<Request<Body>, Response = Response<R>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    fn ask(&mut self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, BoxError>> {
        Box::pin(async move {
            poll_fn(|context| self.poll_ready(context)).await.map_err(Into::into)?;
            let response = self.call(request).await.map_err(Into::into)?;
            Ok(response.map(Body::new))
        })
    }
}
