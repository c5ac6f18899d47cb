//! `completions`: for a shell.

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::failure::{Exit, Outcome};

pub(crate) fn run(shell: clap_complete::Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut text);
    crate::output::print(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Done)
}
