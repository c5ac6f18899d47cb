//! `cargo xtask demo`: a guarded MCP server to try things at.

use std::process::ExitCode;

use super::hand_over;
use crate::step::cargo;

/// Runs the built-in server in a data directory of its own; further words go to `portcullis guard`.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let mut all =
        vec!["run", "--quiet", "--package", "portcullis-cli", "--", "guard", "--data-dir", "target/demo"];
    all.extend(words);
    hand_over(&mut cargo(&all))
}
