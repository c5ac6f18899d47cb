//! The answer on its way down: the upstream's, or a few words of our own. The beginning of a plain answer is held
//! back for as long as it is short, so that one which fails early is answered by an error of ours that can be read;
//! an event stream is never held, never hurried and never measured.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use crate::body::BoxError;
use crate::reply::Failure;
use crate::timer::Patience;
use crate::upstream::EventStream;

/// How much of a plain answer is held back to see whether it comes whole, in bytes. What is longer streams.
const HELD: usize = 64 * 1024;

/// The body of what the gateway answers: the upstream's, streaming, or a few words of our own.
///
/// Dropping it before its end closes the connection to the upstream.
pub struct RelayBody(Kind);

enum Kind {
    Words(Option<Bytes>),
    Upstream(Box<Streamed>),
    Events(Box<EventStream>),
}

struct Streamed {
    held: Option<Bytes>,
    body: Incoming,
    ended: bool,
    bounds: Option<Bounds>,
    _place: OwnedSemaphorePermit,
}

/// What a plain answer is held to.
pub(crate) struct Bounds {
    left: u64,
    patience: Patience,
}

impl Bounds {
    pub(crate) const fn new(size: u64, patience: Duration) -> Self {
        Self { left: size, patience: Patience::new(patience) }
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum AnswerFault {
    #[error("the upstream's answer is larger than the gateway carries")]
    TooLarge,
    #[error("the upstream stopped in the middle of its answer")]
    Stalled,
    #[error("the upstream broke off its answer")]
    Broken,
}

impl AnswerFault {
    const fn failure(self) -> Failure {
        match self {
            Self::TooLarge => Failure::AnswerTooLarge,
            Self::Stalled => Failure::Timeout,
            Self::Broken => Failure::Broken,
        }
    }
}

impl RelayBody {
    pub(crate) fn words(text: impl Into<Bytes>) -> Self {
        Self(Kind::Words(Some(text.into()).filter(|text: &Bytes| !text.is_empty())))
    }

    pub(crate) fn events(stream: EventStream) -> Self {
        Self(Kind::Events(Box::new(stream)))
    }

    /// An event stream of the upstream's.
    pub(crate) fn stream(body: Incoming, place: OwnedSemaphorePermit) -> Self {
        Self(Kind::Upstream(Box::new(Streamed {
            held: None,
            body,
            ended: false,
            bounds: None,
            _place: place,
        })))
    }

    /// A plain answer of the upstream's: whole if it is short, else its beginning with the rest to come.
    pub(crate) async fn plain(
        body: Incoming,
        bounds: Bounds,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Failure> {
        if body.size_hint().lower() > bounds.left {
            return Err(Failure::AnswerTooLarge);
        }
        let mut streamed = Streamed { held: None, body, ended: false, bounds: Some(bounds), _place: place };
        let mut held = Pieces::default();
        while held.len() <= HELD {
            match std::future::poll_fn(|cx| streamed.poll_data(cx)).await {
                Some(Ok(data)) => held.push(data),
                Some(Err(fault)) => return Err(fault.failure()),
                None => return Ok(Self::words(held.join())),
            }
        }
        streamed.held = Some(held.join());
        Ok(Self(Kind::Upstream(Box::new(streamed))))
    }
}

/// What was read so far; a single piece is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    more: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    fn push(&mut self, data: Bytes) {
        match self.first.is_empty() {
            true => self.first = data,
            false => self.more.extend_from_slice(&data),
        }
    }

    fn join(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut joined = BytesMut::with_capacity(self.len());
        joined.extend_from_slice(&self.first);
        joined.extend_from_slice(&self.more);
        joined.freeze()
    }
}

impl Streamed {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerFault>>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(Ok(held)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Ok(frame.into_data().ok()),
            Poll::Ready(Some(Err(_))) => Err(AnswerFault::Broken),
            Poll::Ready(None) => Ok(None),
            Poll::Pending => match &mut self.bounds {
                None => return Poll::Pending,
                Some(bounds) => {
                    ready!(bounds.patience.poll_over(cx));
                    Err(AnswerFault::Stalled)
                }
            },
        };
        let judged = polled.and_then(|data| self.count(data));
        self.ended = !matches!(judged, Ok(Some(_)));
        Poll::Ready(judged.transpose())
    }

    fn count(&mut self, data: Option<Bytes>) -> Result<Option<Bytes>, AnswerFault> {
        if let (Some(bounds), Some(data)) = (&mut self.bounds, &data) {
            bounds.patience.renew();
            bounds.left = bounds.left.checked_sub(data.len() as u64).ok_or(AnswerFault::TooLarge)?;
        }
        Ok(data)
    }
}

impl fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

impl Body for RelayBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match &mut self.0 {
            Kind::Words(text) => text.take().map(|text| Ok(Frame::data(text))),
            Kind::Events(stream) => ready!(stream.poll_event(cx)).map(|event| Ok(Frame::data(event))),
            Kind::Upstream(streamed) => {
                ready!(streamed.poll_data(cx)).map(|data| data.map(Frame::data).map_err(Into::into))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Words(text) => text.is_none(),
            Kind::Events(stream) => stream.is_ended(),
            Kind::Upstream(streamed) => {
                streamed.held.is_none() && (streamed.ended || streamed.body.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Words(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Kind::Events(_) => SizeHint::default(),
            Kind::Upstream(streamed) => {
                let held = streamed.held.as_ref().map_or(0, |held| held.len() as u64);
                let rest = streamed.body.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower() + held);
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + held);
                }
                hint
            }
        }
    }
}
