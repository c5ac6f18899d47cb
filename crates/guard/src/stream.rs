//! Open streams end when what let them begin is gone (protocol R26): before each event leaves, and whenever something
//! was revoked, the guard asks whether the agent behind it was cut off, or its time is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum_core::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use http_body::Frame;
use portcullis_wire::time::UnixTime;

use crate::agent::Proof;
use crate::guard::Guard;
use crate::ports::BoxFuture;

const EVENT_STREAM: &str = "text/event-stream";

/// Puts an event stream under watch; any other answer goes as it is.
pub(crate) fn watch(guard: &Guard, proof: Arc<Proof>, response: Response<Body>) -> Response<Body> {
    if !is_event_stream(response.headers()) {
        return response;
    }
    let end = guard.stream_end(&proof);
    let changed = guard.changed();
    response.map(|body| Body::new(Watched { body: Some(body), guard: guard.clone(), proof, end, changed }))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(EVENT_STREAM))
}

/// A stream that stops.
struct Watched {
    body: Option<Body>,
    guard: Guard,
    proof: Arc<Proof>,
    end: UnixTime,
    changed: BoxFuture<'static, ()>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum_core::Error>>> {
        let this = &mut *self;
        let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
        let mut flows = true;
        while flows && this.changed.as_mut().poll(context).is_ready() {
            // The next change is listened for before the question is asked, so that none falls in between.
            this.changed = this.guard.changed();
            flows = this.guard.flows(&this.proof, this.end);
        }
        if flows {
            let frame = ready!(Pin::new(body).poll_frame(context));
            if frame.is_some() && this.guard.flows(&this.proof, this.end) {
                return Poll::Ready(frame);
            }
        }
        // Dropping the source tells the service behind that nobody listens any more.
        self.body = None;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
