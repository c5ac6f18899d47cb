//! `cargo xtask fuzz`: mutated input at every parser that meets strangers.

use std::process::ExitCode;

use crate::step::{Steps, cargo};

/// How long one fuzzes when nothing is said, in seconds.
const DEFAULT_SECONDS: &str = "60";

/// Reads `--seconds N` and fuzzes; other words go to the program (`--target NAME`, `--seed N`).
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let mut all = vec!["run", "--quiet", "--package", "portcullis-fuzz", "--"];
    if !words.contains(&"--seconds") {
        all.extend(["--seconds", DEFAULT_SECONDS]);
    }
    all.extend(words);
    super::hand_over(&mut cargo(&all))
}

/// The slice of a test run.
pub(crate) fn add(steps: &mut Steps, seconds: &str) {
    let words = ["run", "--quiet", "--package", "portcullis-fuzz", "--", "--seconds", seconds];
    steps.program("fuzz slice", &mut cargo(&words));
}
