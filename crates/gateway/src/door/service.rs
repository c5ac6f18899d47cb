//! The tower service: who calls, then the visit.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::body::Body;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, ORIGIN};
use http::{Request, Response};
use portcullis_guard::Guard;
use portcullis_policy::Policy;
use portcullis_wire::scope::Scopes;
use tower_layer::Layer;
use tower_service::Service;

use super::core::Core;
use super::settings::DoorSettings;
use super::upstream::Upstream;
use super::visit::Visit;
use super::who::Who;
use crate::body::BoxError;
use crate::ports::{BoxFuture, Ports};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes doors: [`Door`] around a service, as a layer. All its doors count, ask and remember together.
#[derive(Clone)]
pub struct DoorLayer {
    core: Arc<Core>,
}

impl DoorLayer {
    /// A door that asks every request for `required`, and for what `policy` says besides. `guard` proves who calls; a
    /// table of tools that it may have is not asked.
    pub fn new(
        guard: Guard,
        required: &Scopes,
        policy: &Policy,
        ports: Ports,
        settings: DoorSettings,
    ) -> Self {
        Self { core: Arc::new(Core::new(guard, required, policy, ports, settings)) }
    }
}

impl fmt::Debug for DoorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorLayer").field("guard", &self.core.guard).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Door<S>;

    fn layer(&self, inner: S) -> Door<S> {
        Door { core: Arc::clone(&self.core), inner }
    }
}

/// An MCP server behind its door: any service that speaks MCP over HTTP, such as a [`Gateway`](crate::Gateway), or a
/// server in this very process. Cheap to clone if the service is.
#[derive(Clone)]
pub struct Door<S> {
    core: Arc<Core>,
    inner: S,
}

impl<S> Door<S> {
    /// As [`DoorLayer::new`], around `inner`.
    pub fn new(
        guard: Guard,
        required: &Scopes,
        policy: &Policy,
        ports: Ports,
        settings: DoorSettings,
        inner: S,
    ) -> Self {
        DoorLayer::new(guard, required, policy, ports, settings).layer(inner)
    }
}

impl<S> fmt::Debug for Door<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("guard", &self.core.guard).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for Door<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    /// Always ready: whether the service behind is, is asked when a request has been let in.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let upstream = Upstream::new(self.inner.clone());
        let core = Arc::clone(&self.core);
        Box::pin(async move { Ok(enter(core, upstream, request.map(Body::new)).await) })
    }
}

/// What the guard owes every caller; then the visit.
async fn enter(core: Arc<Core>, upstream: Upstream, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let guard = core.guard.clone();
    if let Err(denied) = guard.check_site(&parts.headers, &parts.uri) {
        core.unproven(&denied);
        return guard.turn_away(&denied, &core.required, parts.version, body).await;
    }
    if let Some(response) = Guard::preflight(&parts.method, &parts.headers) {
        return response;
    }
    let from_page = parts.headers.contains_key(ORIGIN);
    let mut response = match guard.admit_headers(&parts.headers, &parts.uri).await {
        Err(denied) => {
            core.unproven(&denied);
            guard.turn_away(&denied, &core.required, parts.version, body).await
        }
        Ok(agent) => {
            let groups = core.settings.groups.as_ref().map(|groups| groups.of(&agent.subject));
            let who = Arc::new(Who::new(agent, groups.unwrap_or_default()));
            let request = core.ports.seals.fresh();
            let name = HeaderValue::from_str(&request);
            let visit = Visit::new(core, Arc::clone(&who), upstream, request, &parts);
            let mut response = guard.watch(&who.agent, visit.answer(parts, body).await);
            if let Ok(name) = name {
                response.headers_mut().insert(REQUEST_ID, name);
            }
            response
        }
    };
    if from_page {
        Guard::expose(&mut response);
    }
    response
}
