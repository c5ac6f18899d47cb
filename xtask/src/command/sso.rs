//! `cargo xtask sso`: people sign in at identity providers that nobody here wrote.

use super::build_binary;
use crate::step::{Steps, program};

/// Builds the binary and runs the parts whose names contain one of `words`, or all.
pub(crate) fn add(steps: &mut Steps, words: &[&str]) {
    build_binary(steps);
    drive(steps, words);
}

/// Runs the parts against the binary that is there.
pub(crate) fn drive(steps: &mut Steps, words: &[&str]) {
    let words = ["tests/sso/run.mjs"].iter().chain(words);
    steps.program("identity providers", &mut program("node", words));
}
