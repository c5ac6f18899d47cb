//! The clock that measures.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "what is measured here is time itself")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
