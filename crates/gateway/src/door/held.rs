//! Answers that are held to be edited: each up to a size, and all together up to another.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bounds::ANSWER_BODY;
use super::places::Place;

/// In which steps room is taken, in bytes.
pub(crate) const BLOCK: usize = 64 * 1024;

/// What came of an answer.
pub(crate) enum Held {
    /// All of it; the room is given back when the permit goes.
    Whole(Bytes, OwnedSemaphorePermit),
    /// More than is held: its beginning, and the rest.
    Larger(Bytes, Body),
    /// There is no room for more at the moment.
    NoRoom,
    /// It broke off.
    Broken,
}

/// Reads an answer, as far as it may be held.
pub(crate) async fn hold(mut body: Body, room: &Arc<Semaphore>) -> Held {
    if body.size_hint().lower() > ANSWER_BODY as u64 {
        return Held::Larger(Bytes::new(), body);
    }
    let Ok(mut permit) = Arc::clone(room).try_acquire_owned() else { return Held::NoRoom };
    let (mut first, mut more, mut blocks) = (Bytes::new(), BytesMut::new(), 1);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Held::Broken };
        let Ok(data) = frame.into_data() else { continue };
        match first.is_empty() {
            true => first = data,
            false => more.extend_from_slice(&data),
        }
        let length = first.len() + more.len();
        if length > ANSWER_BODY {
            return Held::Larger(join(first, &more), body);
        }
        while length > blocks * BLOCK {
            let Ok(next) = Arc::clone(room).try_acquire_owned() else { return Held::NoRoom };
            permit.merge(next);
            blocks += 1;
        }
    }
    Held::Whole(join(first, &more), permit)
}

/// An answer that was held, until it is sent: its room and its place are taken as long as a slow reader takes.
pub(crate) struct Kept {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
    _place: Place,
}

impl Kept {
    pub(crate) const fn new(bytes: Bytes, room: OwnedSemaphorePermit, place: Place) -> Self {
        Self { bytes, _room: room, _place: place }
    }
}

impl http_body::Body for Kept {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        // The transport takes a piece at a time, so that the rest counts as held until it is wanted.
        let length = self.bytes.len().min(BLOCK);
        let piece = self.bytes.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

fn join(first: Bytes, more: &BytesMut) -> Bytes {
    if more.is_empty() {
        return first;
    }
    let mut whole = BytesMut::with_capacity(first.len() + more.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(more);
    whole.freeze()
}
