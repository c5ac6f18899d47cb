//! `cargo xtask bench`: speed and memory, as ratios within one run.

use std::process::ExitCode;

use super::hand_over;
use crate::step::{Steps, cargo};

/// With `--smoke` a short run in the dev profile; else the release build, and the whole.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let smoke = words.contains(&"--smoke");
    let mut binary = vec!["build", "--quiet", "--package", "portcullis-cli"];
    if !smoke {
        binary.push("--release");
    }
    if hand_over(&mut cargo(&binary)) != ExitCode::SUCCESS {
        return ExitCode::FAILURE;
    }
    let mut all = vec!["run", "--quiet", "--package", "portcullis-bench"];
    if !smoke {
        all.push("--release");
    }
    all.push("--");
    all.extend(words);
    hand_over(&mut cargo(&all))
}

/// The smoke of a test run: every measurement is made, none is judged for its speed.
pub(crate) fn smoke(steps: &mut Steps) {
    let words = ["run", "--quiet", "--package", "portcullis-bench", "--", "--smoke"];
    steps.program("bench smoke", &mut cargo(&words));
}
