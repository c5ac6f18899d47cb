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

/// Room for one answer, of what there is for all. It is given back when this goes.
pub(crate) struct Room {
    all: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(crate) const fn new(all: Arc<Semaphore>) -> Self {
        Self { all, taken: None }
    }

    /// Takes room for so many bytes in all, or gives some back. Whether there was as much.
    pub(crate) fn fit(&mut self, bytes: usize) -> bool {
        let blocks = bytes.div_ceil(BLOCK);
        let own = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if blocks <= own {
            drop(self.taken.as_mut().and_then(|taken| taken.split(own - blocks)));
            return true;
        }
        let Ok(more) = u32::try_from(blocks - own) else { return false };
        let Ok(more) = Arc::clone(&self.all).try_acquire_many_owned(more) else { return false };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        true
    }
}

/// What came of an answer.
pub(crate) enum Held {
    /// All of it, and its room.
    Whole(Bytes, Room),
    /// More than is held: its beginning, and the rest.
    Larger(Bytes, Body),
    /// There is no room for more at the moment.
    NoRoom,
    /// It broke off.
    Broken,
}

/// Reads an answer, as far as it may be held.
pub(crate) async fn hold(mut body: Body, all: &Arc<Semaphore>) -> Held {
    if body.size_hint().lower() > ANSWER_BODY as u64 {
        return Held::Larger(Bytes::new(), body);
    }
    let mut room = Room::new(Arc::clone(all));
    if !room.fit(BLOCK) {
        return Held::NoRoom;
    }
    let (mut first, mut more) = (Bytes::new(), BytesMut::new());
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
        if !room.fit(length.max(BLOCK)) {
            return Held::NoRoom;
        }
    }
    Held::Whole(join(first, &more), room)
}

/// An answer that was held, until it is sent: its room and its place are taken as long as a slow reader takes.
pub(crate) struct Kept {
    bytes: Bytes,
    _room: Room,
    _place: Place,
}

impl Kept {
    pub(crate) const fn new(bytes: Bytes, room: Room, place: Place) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_bounds_room_is_taken_by_blocks_and_given_back() {
        let all = Arc::new(Semaphore::new(4));
        let (mut one, mut other) = (Room::new(Arc::clone(&all)), Room::new(Arc::clone(&all)));
        for (name, bytes, fits, left) in [
            ("nothing", 0, true, 4),
            ("a byte", 1, true, 3),
            ("a block", BLOCK, true, 3),
            ("three", 3 * BLOCK, true, 1),
            ("too much", 5 * BLOCK, false, 1),
            ("two", BLOCK + 1, true, 2),
            ("none again", 0, true, 4),
            ("all", 4 * BLOCK, true, 0),
        ] {
            assert_eq!((one.fit(bytes), all.available_permits()), (fits, left), "{name}");
        }
        assert!(other.fit(0) && !other.fit(1), "there is none left");
        drop(one);
        assert!(other.fit(4 * BLOCK));
    }
}
