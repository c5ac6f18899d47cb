//! The layer that carries the guard's verdict: site, credentials, scopes, and, where tools need scopes of their own,
//! the message. What passes is the very body that was judged.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::BoxError;
use axum_core::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use portcullis_mcp::{Message, agree};
use portcullis_wire::limit;
use portcullis_wire::scope::Scopes;
use tower_layer::Layer;
use tower_service::Service;

use crate::agent::{Agent, Proof};
use crate::denied::Denied;
use crate::guard::Guard;
use crate::ports::BoxFuture;
use crate::stream;

/// Lets through who holds the scopes it was made with. Made by [`Guard::require`].
#[derive(Clone, Debug)]
pub struct Require {
    guard: Guard,
    required: Arc<Scopes>,
}

impl Require {
    pub(crate) fn new(guard: Guard, required: Scopes) -> Self {
        Self { guard, required: Arc::new(required) }
    }

    /// From a request to the one that goes on: without its token, with its [`Agent`], and judged.
    /// What is left in `body` after a refusal was not read.
    async fn admit(&self, mut parts: Parts, body: &mut Body) -> Result<(Request<Body>, Arc<Proof>), Denied> {
        let agent = self.guard.admit_headers(&parts.headers, &parts.uri).await?;
        let base = self.check(&agent, &self.required);
        let is_judged =
            !self.guard.tools().is_flat() && (parts.method == Method::POST || !body.is_end_stream());
        let body = if is_judged {
            // Read even if the base is lacking, so that one refusal can name all that the operation needs.
            let judged = collect(&parts.headers, std::mem::take(body)).await;
            let judged = judged.and_then(|bytes| self.judge(&parts, &agent, &bytes).map(|()| bytes));
            match (base, judged) {
                (Err(_), Err(all @ Denied::Scope(_))) => return Err(all),
                (Err(base), _) => return Err(base),
                (Ok(()), judged) => Body::from(judged?),
            }
        } else {
            base?;
            std::mem::take(body)
        };
        parts.headers.remove(AUTHORIZATION);
        let proof = Arc::clone(agent.proof());
        parts.extensions.insert(agent);
        Ok((Request::from_parts(parts, body), proof))
    }

    /// Judges a message by the table of tools, the same way in every revision of the protocol.
    fn judge(&self, parts: &Parts, agent: &Agent, bytes: &Bytes) -> Result<(), Denied> {
        if bytes.is_empty() && parts.method != Method::POST {
            return Ok(());
        }
        let message = Message::parse(bytes)?;
        agree(&parts.headers, &message).map_err(|fault| Denied::Mismatch(fault, message.id().cloned()))?;
        self.check(agent, &self.required.union(&self.guard.tools().needs(&message)))
    }

    /// The refusal names all that the operation needs.
    fn check(&self, agent: &Agent, needed: &Scopes) -> Result<(), Denied> {
        self.guard.tools().lacking(&agent.scopes, needed).map_or(Ok(()), |all| Err(Denied::Scope(all)))
    }
}

async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, Denied> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit::MESSAGE_BODY as u64) {
        return Err(Denied::TooLarge);
    }
    match Limited::new(body, limit::MESSAGE_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(Denied::TooLarge),
        Err(_) => Err(Denied::Body),
    }
}

impl<S> Layer<S> for Require {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { require: self.clone(), inner }
    }
}

/// A service behind a guard.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    require: Require,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone is not ready; the one that was asked is the one that is called.
        let not_ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, not_ready);
        let require = self.require.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let (mut body, version) = (Body::new(body), parts.version);
            if let Err(denied) = require.guard.check_site(&parts.headers, &parts.uri) {
                return Ok(require.guard.turn_away(&denied, &require.required, version, body).await);
            }
            if let Some(response) = Guard::preflight(&parts.method, &parts.headers) {
                return Ok(response);
            }
            let from_page = parts.headers.contains_key(ORIGIN);
            let mut response = match require.admit(parts, &mut body).await {
                Ok((request, proof)) => {
                    stream::watch(&require.guard, proof, inner.call(request).await?.map(Body::new))
                }
                Err(denied) => require.guard.turn_away(&denied, &require.required, version, body).await,
            };
            if from_page {
                Guard::expose(&mut response);
            }
            Ok(response)
        })
    }
}
