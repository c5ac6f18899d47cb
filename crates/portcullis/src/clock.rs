//! The system's clock: with `entropy.rs`, one of the two files that ask the operating system for what no rule may
//! ask for itself.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_guard::Clock;
use portcullis_wire::time::UnixTime;

/// The clock of this computer, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the system's time is read")]
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_has_passed_the_day_this_was_written() {
        assert!(SystemClock.now() > UnixTime::from_seconds(1_780_000_000));
    }
}
