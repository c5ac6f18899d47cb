//! The caller's body on its way up. Bytes go through as they come and only when the other side takes them. Trailers
//! stay behind, since they are headers that came too late to be judged.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

pub use crate::answer::RelayBody;
use crate::reply::Failure;
use crate::timer::Patience;

/// Any error, as bodies and connectors know it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong with the caller's body, where both the sender and the one who answers can see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerFault(Arc<AtomicU8>);

/// Why a caller's body did not reach its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the request body is larger than the gateway lets through")]
    TooLarge,
    #[error("the request body broke off")]
    Broken,
    #[error("the request body did not come in time")]
    Stalled,
}

const FAULTS: [BodyFault; 3] = [BodyFault::TooLarge, BodyFault::Broken, BodyFault::Stalled];

impl CallerFault {
    fn set(&self, fault: BodyFault) {
        self.0.store(fault as u8 + 1, Ordering::Release);
    }

    fn seen(&self) -> Option<BodyFault> {
        let code = self.0.load(Ordering::Acquire).checked_sub(1)?;
        FAULTS.get(usize::from(code)).copied()
    }

    /// A request that failed because the caller's body did is the caller's.
    pub(crate) fn blame(&self, failed: Failure) -> Failure {
        match self.seen() {
            Some(BodyFault::TooLarge) => Failure::BodyTooLarge,
            Some(BodyFault::Broken) => Failure::BodyBroken,
            Some(BodyFault::Stalled) => Failure::BodyStalled,
            None => failed,
        }
    }
}

/// The caller's body on its way up, within its limits.
pub(crate) struct CallerBody(Way);

enum Way {
    Streamed(Streamed),
    Whole(Option<Bytes>),
}

struct Streamed {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    left: u64,
    patience: Patience,
    fault: CallerFault,
    ended: bool,
}

impl CallerBody {
    pub(crate) fn new<B>(body: B, limit: u64, patience: Duration, fault: CallerFault) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let ended = body.is_end_stream();
        let inner = body.map_err(Into::into).boxed_unsync();
        Self(Way::Streamed(Streamed { inner, left: limit, patience: Patience::new(patience), fault, ended }))
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Way::Whole(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty())))
    }

    pub(crate) fn empty() -> Self {
        Self(Way::Whole(None))
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// The caller's fault.
    pub(crate) async fn bytes(self) -> Result<Bytes, Failure> {
        match self.0 {
            Way::Whole(bytes) => Ok(bytes.unwrap_or_default()),
            Way::Streamed(streamed) => {
                let fault = streamed.fault.clone();
                let read = Self(Way::Streamed(streamed)).collect().await;
                read.map(http_body_util::Collected::to_bytes).map_err(|_| fault.blame(Failure::BodyBroken))
            }
        }
    }

    /// The same body, held whole if that is known to take no more than `most` bytes.
    pub(crate) async fn held(self, most: u64) -> Result<Self, Failure> {
        match self.size_hint().upper() {
            Some(size) if size <= most => Ok(Self::whole(self.bytes().await?)),
            _ => Ok(self),
        }
    }

    /// The same body once more, if it is held whole.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.0 {
            Way::Whole(bytes) => Some(Self(Way::Whole(bytes.clone()))),
            Way::Streamed(_) => None,
        }
    }
}

impl Streamed {
    fn fail(&mut self, fault: BodyFault) -> BoxError {
        self.ended = true;
        self.fault.set(fault);
        fault.into()
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            return self.patience.poll_over(cx).map(|()| Some(Err(self.fail(BodyFault::Stalled))));
        };
        self.patience.renew();
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(_)) => return Poll::Ready(Some(Err(self.fail(BodyFault::Broken)))),
            None => None,
        };
        let Some(data) = data else {
            self.ended = true;
            return Poll::Ready(None);
        };
        match self.left.checked_sub(data.len() as u64) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(data)))
            }
            None => Poll::Ready(Some(Err(self.fail(BodyFault::TooLarge)))),
        }
    }
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Way::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Way::Streamed(streamed) => {
                streamed.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Way::Whole(bytes) => bytes.is_none(),
            Way::Streamed(streamed) => streamed.ended || streamed.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Way::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Way::Streamed(streamed) => streamed.inner.size_hint(),
        }
    }
}
