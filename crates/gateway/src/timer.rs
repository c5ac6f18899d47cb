//! Patience with one side: a timer that is set only while nothing comes, and asked rather than waited for.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Sleep;

/// How long a side may be silent. As long as pieces come, no timer is made.
#[derive(Debug)]
pub(crate) struct Patience {
    bound: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) const fn new(bound: Duration) -> Self {
        Self { bound, sleep: None }
    }

    /// Something came.
    pub(crate) fn renew(&mut self) {
        self.sleep = None;
    }

    /// Nothing came; whether it is too late. Wakes the task when it is.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let bound = self.bound;
        self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(bound))).as_mut().poll(cx)
    }
}

/// A time from now on that passes by itself.
#[derive(Debug)]
pub(crate) struct Span(Pin<Box<Sleep>>);

impl Span {
    pub(crate) fn of(length: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep(length)))
    }

    /// Whether it has passed.
    pub(crate) fn is_over(&mut self) -> bool {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}
