//! `cargo xtask test`: everything. A tool that is missing is a failure, never a skip.

use std::process::ExitCode;

use super::{
    architecture, bench, build_binary, clients, fuzz, ledger, new, pages, rust, servers, settings, setup,
    sso, tutorial,
};
use crate::step::Steps;

/// The fuzz slice of a test run, in seconds.
const FUZZ_SECONDS: &str = "45";

/// Runs every step, also after one failed, and ends with the count of all.
pub(crate) fn run() -> ExitCode {
    let mut steps = Steps::begin();
    setup::add(&mut steps);
    rust::add(&mut steps);
    architecture::add(&mut steps);
    ledger::add(&mut steps);
    build_binary(&mut steps);
    settings::compare(&mut steps, false);
    clients::drive(&mut steps, &[]);
    servers::drive(&mut steps, &[]);
    new::drive(&mut steps, &[]);
    sso::drive(&mut steps, &[]);
    tutorial::follow(&mut steps, false);
    pages::visit(&mut steps);
    fuzz::add(&mut steps, FUZZ_SECONDS);
    bench::smoke(&mut steps);
    steps.end()
}
