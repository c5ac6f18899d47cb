//! Streams on their way down, event by event: each goes on with its last byte, and what is not changed keeps its bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum_core::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use portcullis_mcp::sse::{Event, Events, Piece};

use super::bounds::EVENT;
use super::down::{Down, Turn};
use super::held::{BLOCK, Room};
use super::note::Noted;
use super::places::Place;
use super::tools;
use crate::ports::{BoxFuture, Ending};

/// An event stream of the server's.
pub(crate) struct Relay {
    source: Option<Body>,
    events: Events,
    /// For what is held of an event that has not ended, beyond the first block.
    room: Room,
    down: Arc<Down>,
    /// An event that waits for what it says to be noted.
    waiting: Option<BoxFuture<'static, Option<Bytes>>>,
    noted: Noted,
    _place: Place,
}

impl Relay {
    pub(crate) fn new(source: Body, down: Arc<Down>, noted: Noted, place: Place) -> Self {
        let (events, room) = (Events::new(EVENT), Room::new(Arc::clone(&down.core.room)));
        Self { source: Some(source), events, room, down, waiting: None, noted, _place: place }
    }

    /// What becomes of an event: bytes now, bytes later, or nothing.
    fn take(&mut self, event: Event) -> Option<Bytes> {
        if !event.has_one_reading() {
            return None;
        }
        let id =
            event.id().filter(|id| !id.is_empty()).map(|id| self.down.core.seal_event(&self.down.who, id));
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            return Some(event.with(id.as_deref(), None));
        };
        let (turn, ending) = self.down.edit(&data);
        if let Some(ending) = ending {
            self.noted.ends(ending);
        }
        match turn {
            Turn::Same if id.is_none() => {
                drop(data);
                Some(event.into_bytes())
            }
            Turn::Same => Some(event.with(id.as_deref(), None)),
            Turn::New(text) => Some(event.with(id.as_deref(), Some(&text))),
            Turn::Gone | Turn::Foreign => None,
            Turn::List => {
                let (down, text) = (Arc::clone(&self.down), data.into_owned());
                self.waiting = Some(Box::pin(async move {
                    let shown = tools::shown(&down, &text).await?;
                    Some(event.with(id.as_deref(), Some(&shown)))
                }));
                None
            }
        }
    }

    fn end(&mut self) {
        self.source = None;
        if self.down.method.is_some() {
            // It ended by itself, without an answer or with one.
            self.noted.ends(Ending::Upstream(StatusCode::OK.as_u16()));
        }
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum_core::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(waiting) = &mut this.waiting {
                let done = ready!(waiting.as_mut().poll(context));
                this.waiting = None;
                if let Some(bytes) = done {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
            let Ok(piece) = this.events.next_piece() else {
                this.end();
                return Poll::Ready(None);
            };
            match piece {
                Some(Piece::Other(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Event(event)) => match this.take(event) {
                    Some(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                    None => continue,
                },
                None => {}
            }
            if !this.room.fit(this.events.held().saturating_sub(BLOCK)) {
                this.noted.ends(Ending::Upstream(StatusCode::SERVICE_UNAVAILABLE.as_u16()));
                this.source = None;
                return Poll::Ready(None);
            }
            let Some(source) = this.source.as_mut() else { return Poll::Ready(None) };
            match ready!(Pin::new(source).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.events.push(data);
                    }
                }
                Some(Err(fault)) => {
                    this.end();
                    return Poll::Ready(Some(Err(fault)));
                }
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

/// Any other body, as it is.
pub(crate) struct Passing {
    first: Bytes,
    body: Body,
    noted: Option<Noted>,
    _place: Place,
}

impl Passing {
    pub(crate) const fn new(first: Bytes, body: Body, noted: Noted, place: Place) -> Self {
        Self { first, body, noted: Some(noted), _place: place }
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum_core::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() {
            self.noted = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let rest = self.body.size_hint();
        let mut hint = http_body::SizeHint::new();
        hint.set_lower(rest.lower() + self.first.len() as u64);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + self.first.len() as u64);
        }
        hint
    }
}
