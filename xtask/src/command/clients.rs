//! `cargo xtask clients`: MCP clients that nobody here wrote, against the real binary.

use super::build_binary;
use crate::step::{Steps, program};

/// Builds the binary and drives the clients whose names contain one of `words`, or all.
pub(crate) fn add(steps: &mut Steps, words: &[&str]) {
    build_binary(steps);
    drive(steps, words);
}

/// Drives the clients against the binary that is there.
pub(crate) fn drive(steps: &mut Steps, words: &[&str]) {
    let words = ["tests/clients/run.mjs"].iter().chain(words);
    steps.program("real clients", &mut program("node", words));
}
