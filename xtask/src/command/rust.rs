//! `cargo xtask rust`: what Rust's own tools say.

use crate::step::{Steps, cargo};

/// Formatting, lints, tests and documentation of the whole workspace.
pub(crate) fn add(steps: &mut Steps) {
    let lint = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let document =
        ["doc", "--quiet", "--workspace", "--exclude", "portcullis-cli", "--exclude", "xtask", "--no-deps"];
    steps
        .program("rustfmt", &mut cargo(&["fmt", "--all", "--check"]))
        .program("tests in Rust", &mut cargo(&["test", "--workspace", "--no-fail-fast"]))
        .program("clippy", &mut cargo(&lint))
        .program("documentation", cargo(&document).env("RUSTDOCFLAGS", "-D warnings"));
}
