//! What every guarded service owes its callers whatever it decides: an answer to preflights, an answer that pages can
//! read, a refusal that does not break the connection. For services that judge more than [`Require`](crate::Require)
//! does and stand in its place.

use axum_core::body::Body;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use portcullis_wire::scope::Scopes;

use crate::agent::Agent;
use crate::cors;
use crate::denied::Denied;
use crate::guard::Guard;
use crate::stream;

/// How much of a refused request's body is still read, in bytes, so that its connection can go on.
const UNREAD_BODY: usize = 64 * 1024;

impl Guard {
    /// The answer to a browser that asks beforehand, if it is one. Asked after [`Guard::check_site`].
    pub fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
        if !cors::is_preflight(method, headers) {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        cors::answer(headers, response.headers_mut());
        cors::expose(response.headers_mut());
        Some(response)
    }

    /// Lets the page that asked (the request had an `Origin`) read the answer.
    pub fn expose<B>(response: &mut Response<B>) {
        cors::expose(response.headers_mut());
    }

    /// As [`Guard::refuse`], after reading what a refused request still sends, up to 64 KiB. A server that answers without
    /// reading must close the connection, and a client that writes its body after its headers then loses its next
    /// request to that. What is longer is not read, and the answer says that the connection ends.
    pub async fn turn_away(
        &self,
        denied: &Denied,
        required: &Scopes,
        version: Version,
        unread: Body,
    ) -> Response<Body> {
        let mut response = self.refuse(denied, required);
        let drained = unread.is_end_stream() || Limited::new(unread, UNREAD_BODY).collect().await.is_ok();
        if !drained && version <= Version::HTTP_11 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Puts an event stream under watch: it ends when its agent is cut off or its time is over (protocol R26). Any other
    /// answer goes as it is.
    pub fn watch(&self, agent: &Agent, response: Response<Body>) -> Response<Body> {
        stream::watch(self, agent.proof().clone(), response)
    }
}
