//! A call that waits for its client's word, in the stateful era: the stream that answers the call first carries our
//! question; the answer comes with a request of its own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use portcullis_mcp::sse::Event;
use serde_json::{Value, json};

use super::bounds::{ANSWER_BODY, QUESTION_PATIENCE};
use super::down::Media;
use super::forward::Forward;
use super::questions::Open;
use super::refusal;
use crate::ports::{BoxFuture, Decision};

/// The stream that asks `question`, and then carries what `forward` answers, or a refusal.
pub(crate) fn stream(question: &Value, open: Open, forward: Forward) -> Response<Body> {
    let first = Event::message(&question.to_string());
    let rest: BoxFuture<'static, Body> = Box::pin(async move {
        let said = tokio::time::timeout(QUESTION_PATIENCE, answer(open)).await;
        match said {
            Ok(true) => go(forward).await,
            Ok(false) => refuse(forward, "the user of this client did not agree to the call"),
            Err(_) => refuse(forward, "nobody answered whether the call may be made; it was not made"),
        }
    });
    let mut response = Response::new(Body::new(Asking { first: Some(first), state: State::Waits(rest) }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The question stays open until it is answered, or nobody waits any more.
async fn answer(mut open: Open) -> bool {
    (&mut open.answer).await.unwrap_or(false)
}

fn refuse(forward: Forward, why: &str) -> Body {
    let id = forward.down.id.clone().unwrap_or(Value::Null);
    if let Some(mut call) = forward.call {
        call.decision = Decision::Denied;
        forward.core.ports.journal.note(call, None, forward.watch.elapsed());
    }
    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": refusal::tool_error(why, false) });
    Body::from(Event::message(&answer.to_string()))
}

async fn go(forward: Forward) -> Body {
    let id = forward.down.id.clone();
    let response = forward.run().await;
    if Media::of(response.headers()) == Media::Events {
        return response.into_body();
    }
    let is_json = Media::of(response.headers()) == Media::Json;
    let body = http_body_util::Limited::new(response.into_body(), ANSWER_BODY).collect().await;
    let text = body.ok().and_then(|body| String::from_utf8(body.to_bytes().into()).ok());
    let answer = match text.filter(|_| is_json) {
        Some(text) => text,
        None => portcullis_mcp::json_rpc_error(
            refusal::INTERNAL_ERROR,
            "the server's answer cannot be read",
            id.as_ref(),
        )
        .to_string(),
    };
    Body::from(Event::message(&answer))
}

struct Asking {
    first: Option<Bytes>,
    state: State,
}

enum State {
    Waits(BoxFuture<'static, Body>),
    Flows(Body),
}

impl http_body::Body for Asking {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum_core::Error>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        loop {
            match &mut this.state {
                State::Waits(rest) => {
                    let body = ready!(rest.as_mut().poll(context));
                    this.state = State::Flows(body);
                }
                State::Flows(body) => return Pin::new(body).poll_frame(context),
            }
        }
    }
}
