//! The binary `portcullis`: commands, configuration, output.
//!
//! `args` is the command line as written, `command/` has a file for each command, `config/` goes from a file to
//! settings, `run/` is the running server, and `reach` is how a command reaches the records. Data goes to standard
//! output, talk to standard error.

mod args;
mod command;
mod config;
mod failure;
mod output;
mod reach;
mod run;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::command::Desk;
use crate::failure::{Exit, Failure, Outcome};

/// Threads that serve requests. Passwords are hashed and files written on others.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; all else the caller can fix.
            let exit = if error.use_stderr() { Exit::Fixable } else { Exit::Done };
            let _ = error.print(); // nobody is left to tell
            return exit.into();
        }
    };
    let outcome = prepare(&cli).and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::say(&failure.to_string());
            failure.exit.into()
        }
    }
}

fn prepare(cli: &Cli) -> Result<tokio::runtime::Runtime, Failure> {
    let filter = EnvFilter::try_new(&cli.shared.log).map_err(|_| {
        Failure::fixable(format!("`{}` is no filter for the log", cli.shared.log)).advise("say `--log info`")
    })?;
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::ours(format!("cannot start: {error}")))
}

async fn run(cli: Cli) -> Outcome {
    let Cli { shared, command } = cli;
    match command {
        Command::Guard(wish) => command::guard::run(&shared, *wish).await,
        Command::Serve { config, insecure } => command::serve::run(&shared, &config, insecure).await,
        Command::SetupLink { reset } => command::setup_link::run(&Desk::new(&shared)?, reset).await,
        Command::Users(users) => command::users::run(&Desk::new(&shared)?, users).await,
        Command::Clients(clients) => command::clients::run(&Desk::new(&shared)?, *clients).await,
        Command::Agents(agents) => command::agents::run(&Desk::new(&shared)?, agents).await,
        Command::Tokens(tokens) => command::tokens::run(&Desk::new(&shared)?, tokens).await,
        Command::Tools(tools) => command::tools::run(&Desk::new(&shared)?, tools).await,
        Command::Audit(wish) => command::audit::run(&Desk::new(&shared)?, *wish).await,
        Command::Keys(keys) => command::keys::run(&Desk::new(&shared)?, keys).await,
        Command::Config(wish) => command::config::run(&shared, wish),
        Command::Completions { shell } => command::completions::run(shell),
    }
}
