//! From a decision to the service behind, and back.

use std::sync::Arc;

use axum_core::body::Body;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, HeaderName, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::core::Core;
use super::down::Down;
use super::note::{Noted, Watch};
use super::places::Place;
use super::refusal;
use super::upstream::Upstream;
use super::who::Who;
use crate::ports::{Call, Ending};
use crate::reply::RequestId;

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// A request that may go.
pub(crate) struct Forward {
    pub(crate) core: Arc<Core>,
    pub(crate) who: Arc<Who>,
    pub(crate) upstream: Upstream,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) down: Down,
    pub(crate) call: Option<Call>,
    pub(crate) watch: Watch,
    pub(crate) place: Place,
}

impl Forward {
    /// Sends it, and takes the answer.
    pub(crate) async fn run(self) -> Response<Body> {
        let Self { core, who, mut upstream, mut parts, body, down, call, watch, place } = self;
        if let Some(call) = &call
            && core.ports.journal.admit(call).await.is_err()
        {
            return refusal::unavailable(
                down.id.as_ref(),
                "calls cannot be written down at the moment; try again shortly",
            );
        }
        let mut noted = Noted::new(core, Arc::clone(&who), call, watch);
        // Credentials stop here, whatever stands behind (protocol W02); and answers have to be readable.
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, DPOP, ACCEPT_ENCODING, TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        if parts.method == Method::POST {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        parts.extensions.insert(who.agent.clone());
        let key = down.session.as_ref().map_or_else(|| who.key.clone(), |known| known.session.key());
        parts.extensions.insert(key);
        if let Some(id) = &down.id {
            parts.extensions.insert(RequestId(id.clone()));
        }
        let request = Request::from_parts(parts, Body::from(body));
        match upstream.ask(request).await {
            Ok(response) => Arc::new(down).answer(response, noted, place).await,
            Err(_) => {
                noted.ends(Ending::Upstream(StatusCode::BAD_GATEWAY.as_u16()));
                refusal::bad_upstream(down.id.as_ref(), "the server behind failed")
            }
        }
    }
}
