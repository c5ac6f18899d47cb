//! The index of what one can do in this repository: `cargo xtask help`.
//!
//! Only the standard library is used, so that this builds before anything else does.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its caller")]

mod architecture;
mod command;
mod ledger;
mod place;
mod step;
mod tally;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.split_first() {
        None => command::help::run(),
        Some((name, rest)) => command::call(name, rest),
    }
}
