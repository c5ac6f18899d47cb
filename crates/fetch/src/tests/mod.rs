//! Tests of the room as a whole, against an internet in memory: names, addresses and sites of the test's own,
//! behind the same look-up and dial that the real one stands behind. Time is tokio's paused clock.

mod ask;
mod internet;
mod outbound;
mod ssrf;
mod time;
