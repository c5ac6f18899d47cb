//! A request's body that must keep coming: one that pauses too long is cut off, or a few slow senders could take
//! every place there is.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

/// Longest pause between two pieces of a body.
pub(crate) const PAUSE: Duration = Duration::from_secs(30);

/// The sender paused for longer than [`PAUSE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl std::fmt::Display for TooSlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body of the request did not keep coming")
    }
}

impl std::error::Error for TooSlow {}

/// A body with its patience.
pub(crate) struct Patient<B = Incoming> {
    body: B,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self { body, patience: None }
    }
}

impl<B> Body for Patient<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            // The pause begins anew when somebody waits again, not while nobody reads.
            this.patience = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = this.patience.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        patience.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use tokio::time::Instant;

    use super::*;

    /// One piece, and then silence.
    struct Silent(Option<Bytes>);

    impl Body for Silent {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_cut_off() {
        let mut body = Patient::new(Silent(Some(Bytes::from_static(b"a"))));
        assert!(body.frame().await.unwrap().is_ok());
        let begun = Instant::now();
        let fault = body.frame().await.unwrap().unwrap_err();
        assert!(fault.is::<TooSlow>());
        assert_eq!(begun.elapsed().as_secs(), PAUSE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_passes_whole() {
        let body = Patient::new(Full::new(Bytes::from_static(b"whole")));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "whole");
    }
}
