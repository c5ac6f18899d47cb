//! Speed and memory beside a bare route, in one run: `cargo xtask bench`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its caller")]

mod binary;
mod clock;
mod doors;
mod hop;
mod load;
mod measure;
mod plant;
mod process;
mod relay;
mod report;
mod revoke;
mod site;
mod stream;
mod upstream;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

/// What goes wrong ends the run, with a text.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How much is done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Whether this is a short run that says nothing about speed.
    pub(crate) smoke: bool,
    /// Whether only the gateway is measured.
    pub(crate) gateway: bool,
    /// Seconds of one measurement.
    pub(crate) seconds: u64,
    /// Measurements of the same thing, of which the median counts.
    pub(crate) rounds: usize,
    /// Codes to redeem.
    pub(crate) codes: usize,
    /// Tokens that the guard has never seen.
    pub(crate) first: usize,
    /// Grants of the large installation.
    pub(crate) grants: usize,
    /// Agents that are cut off under load.
    pub(crate) revocations: usize,
    /// Streams that are open at once while nothing flows in them.
    pub(crate) idle: usize,
    /// Events of one long stream.
    pub(crate) events: usize,
    /// Where databases lie.
    pub(crate) dir: PathBuf,
}

impl Plan {
    fn read(words: &[String]) -> Outcome<Self> {
        let mut plan = Self {
            smoke: false,
            gateway: false,
            seconds: 4,
            rounds: 3,
            codes: 60_000,
            first: 120_000,
            grants: 100_000,
            revocations: 20,
            idle: 5_000,
            events: 200_000,
            dir: std::env::temp_dir(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--smoke" => {
                    plan = Self { smoke: true, seconds: 1, rounds: 1, codes: 2_000, first: 2_000, ..plan };
                    plan = Self { grants: 5_000, revocations: 5, idle: 200, events: 5_000, ..plan };
                }
                "--gateway" => plan.gateway = true,
                "--dir" => plan.dir = words.next().ok_or("--dir needs a directory")?.into(),
                other => {
                    return Err(format!("`{other}` is not understood: --smoke, --gateway, --dir DIR").into());
                }
            }
        }
        Ok(plan)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((word, rest)) if word == site::WORD => site::run(rest).map(|()| true),
        Some((word, _)) if word == upstream::WORD => upstream::run().map(|()| true),
        Some((word, rest)) if word == relay::WORD => relay::run(rest).map(|()| true),
        _ => Plan::read(&words).and_then(|plan| measure::run(&plan)),
    };
    match outcome {
        Ok(held) => ExitCode::from(u8::from(!held)),
        Err(why) => {
            eprintln!("the bench cannot go on: {why}");
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}
