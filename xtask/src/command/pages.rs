//! `cargo xtask pages`: every page, looked at in a real browser.

use super::build_binary;
use crate::step::{Steps, program};

/// Builds the binary and visits its pages.
pub(crate) fn add(steps: &mut Steps) {
    build_binary(steps);
    visit(steps);
}

/// Visits the pages of the binary that is there.
pub(crate) fn visit(steps: &mut Steps) {
    steps.program("pages", &mut program("node", ["tests/browser/pages.mjs"]));
}
