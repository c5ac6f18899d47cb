//! A stream that stops reading once its allowance is spent. Header and body have caps of their own; this one
//! holds what those do not see: interim answers without end, chunks of one byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The error kind of a read beyond the allowance.
pub(crate) const SPENT: io::ErrorKind = io::ErrorKind::FileTooLarge;

pub(crate) struct Allowance<S> {
    stream: S,
    remaining: usize,
}

impl<S> Allowance<S> {
    /// At most `bytes` may be read from `stream`.
    pub(crate) const fn new(stream: S, bytes: usize) -> Self {
        Self { stream, remaining: bytes }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Allowance<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let came = buf.filled().len().saturating_sub(before);
        let Some(remaining) = this.remaining.checked_sub(came) else {
            buf.set_filled(before);
            return Poll::Ready(Err(SPENT.into()));
        };
        this.remaining = remaining;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Allowance<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
