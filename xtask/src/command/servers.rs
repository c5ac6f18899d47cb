//! `cargo xtask servers`: the binary in front of MCP servers that nobody here wrote, and the official server suite.

use super::build_binary;
use crate::step::{Steps, program};

/// Builds the binary and runs the parts whose names contain one of `words`, or all.
pub(crate) fn add(steps: &mut Steps, words: &[&str]) {
    build_binary(steps);
    drive(steps, words);
}

/// Runs the parts against the binary that is there.
pub(crate) fn drive(steps: &mut Steps, words: &[&str]) {
    let words = ["tests/servers/run.mjs"].iter().chain(words);
    steps.program("real servers", &mut program("node", words));
}
