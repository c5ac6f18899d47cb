//! `cargo xtask new`: what `portcullis new` writes is built, tested and driven by a real client.

use super::build_binary;
use crate::step::{Steps, program};

/// Builds the binary and tries the templates whose names contain one of `words`, or all.
pub(crate) fn add(steps: &mut Steps, words: &[&str]) {
    build_binary(steps);
    drive(steps, words);
}

/// Tries the templates with the binary that is there.
pub(crate) fn drive(steps: &mut Steps, words: &[&str]) {
    let words = ["tests/new/run.mjs"].iter().chain(words);
    steps.program("new servers", &mut program("node", words));
}
