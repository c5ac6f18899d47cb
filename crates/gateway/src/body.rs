//! The two bodies that pass: the caller's on its way up, the upstream's on its way down. Bytes go through as they
//! come and only when the other side takes them. Trailers stay behind, since they are headers that came too late to
//! be judged.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

/// Any error, as bodies and connectors know it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong with the caller's body, where both the sender and the one who answers can see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerFault(Arc<AtomicU8>);

/// Why a caller's body did not reach its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
    Broken,
}

const TOO_LARGE: u8 = 1;
const BROKEN: u8 = 2;

impl CallerFault {
    fn set(&self, fault: BodyFault) {
        let code = match fault {
            BodyFault::TooLarge => TOO_LARGE,
            BodyFault::Broken => BROKEN,
        };
        self.0.store(code, Ordering::Release);
    }

    pub(crate) fn seen(&self) -> Option<BodyFault> {
        match self.0.load(Ordering::Acquire) {
            TOO_LARGE => Some(BodyFault::TooLarge),
            BROKEN => Some(BodyFault::Broken),
            _ => None,
        }
    }
}

/// The caller's body on its way up, within its limit.
pub(crate) struct CallerBody {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    left: u64,
    fault: CallerFault,
    ended: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the request body is larger than the gateway lets through")]
struct TooLarge;

impl CallerBody {
    pub(crate) fn new<B>(body: B, limit: u64, fault: CallerFault) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let ended = body.is_end_stream();
        Self { inner: body.map_err(Into::into).boxed_unsync(), left: limit, fault, ended }
    }
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = match std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(error)) => {
                self.ended = true;
                self.fault.set(BodyFault::Broken);
                return Poll::Ready(Some(Err(error)));
            }
            None => None,
        };
        let Some(data) = frame else {
            self.ended = true;
            return Poll::Ready(None);
        };
        match self.left.checked_sub(data.len() as u64) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            None => {
                self.ended = true;
                self.fault.set(BodyFault::TooLarge);
                Poll::Ready(Some(Err(TooLarge.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of what the gateway answers: the upstream's, streaming, or a few words of our own.
///
/// Dropping it before its end closes the connection to the upstream.
pub struct RelayBody(Kind);

enum Kind {
    Words(Option<Bytes>),
    Upstream { body: Incoming, ended: bool, _place: OwnedSemaphorePermit },
}

impl RelayBody {
    pub(crate) fn words(text: impl Into<Bytes>) -> Self {
        Self(Kind::Words(Some(text.into())))
    }

    pub(crate) fn upstream(body: Incoming, place: OwnedSemaphorePermit) -> Self {
        Self(Kind::Upstream { body, ended: false, _place: place })
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
        match &mut self.0 {
            Kind::Words(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Kind::Upstream { ended: true, .. } => Poll::Ready(None),
            Kind::Upstream { body, ended, .. } => {
                let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(match frame {
                    Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
                    Some(Err(error)) => {
                        *ended = true;
                        Some(Err(error.into()))
                    }
                    Some(Ok(_)) | None => {
                        *ended = true;
                        None
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Words(text) => text.is_none(),
            Kind::Upstream { body, ended, .. } => *ended || body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Words(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Kind::Upstream { body, .. } => body.size_hint(),
        }
    }
}
