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
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use portcullis_runner::Spawned;

use crate::args::{Cli, Command, RunnerPart, Shared};
use crate::command::Desk;
use crate::config::File;
use crate::failure::{Exit, Failure, Outcome};

/// Threads that serve requests. Passwords are hashed and files written on others.
const WORKERS: usize = 2;

/// What shells say of a program that cannot be executed.
const CANNOT_EXECUTE: u8 = 126;

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
    if let Command::Runner { part } = cli.command {
        return keep(part);
    }
    let outcome = prepare(cli).and_then(|(runtime, errand)| runtime.block_on(errand.run()));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::say(&failure.to_string());
            failure.exit.into()
        }
    }
}

/// Keeps servers, or becomes one: see [`portcullis_runner`].
fn keep(part: Option<RunnerPart>) -> ExitCode {
    let said: String = match part {
        Some(RunnerPart::Launch) => portcullis_runner::launch().to_string(),
        None => {
            tracing_subscriber::fmt()
                .with_env_filter(
                    EnvFilter::try_from_default_env()
                        .unwrap_or_else(|_| EnvFilter::new("warn,portcullis_runner=info")),
                )
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .init();
            match portcullis_runner::run() {
                Ok(()) => return ExitCode::SUCCESS,
                Err(error) => error.to_string(),
            }
        }
    };
    output::say(&said);
    ExitCode::from(CANNOT_EXECUTE)
}

/// What is to be done once the async runtime is there.
enum Errand {
    /// Serve, with the process that was started beforehand.
    Serve { shared: Shared, file: Box<File>, source: Option<PathBuf>, spawned: Option<Spawned> },
    /// Any other command.
    Other(Box<Cli>),
}

impl Errand {
    async fn run(self) -> Outcome {
        match self {
            Self::Serve { shared, file, source, spawned } => {
                run::run(&shared, &file, source.as_deref(), spawned).await
            }
            Self::Other(cli) => other(*cli).await,
        }
    }

    /// Starts what must be started while this process has but one thread, and no key in memory.
    fn begin(cli: Cli) -> Result<Self, Failure> {
        let Cli { shared, command } = cli;
        let (file, source) = match command {
            Command::Guard(wish) => (command::guard::file(*wish), None),
            Command::Serve { config, insecure } => (command::serve::file(&config, insecure)?, Some(config)),
            command => return Ok(Self::Other(Box::new(Cli { shared, command }))),
        };
        let spawned = run::prepare(&shared, &file, source.as_deref())?;
        Ok(Self::Serve { shared, file: Box::new(file), source, spawned })
    }
}

fn prepare(cli: Cli) -> Result<(tokio::runtime::Runtime, Errand), Failure> {
    let filter = EnvFilter::try_new(&cli.shared.log).map_err(|_| {
        Failure::fixable(format!("`{}` is no filter for the log", cli.shared.log)).advise("say `--log info`")
    })?;
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
    let errand = Errand::begin(cli)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map(|runtime| (runtime, errand))
        .map_err(|error| Failure::ours(format!("cannot start: {error}")))
}

async fn other(cli: Cli) -> Outcome {
    let Cli { shared, command } = cli;
    match command {
        // These are begun elsewhere.
        Command::Guard(_) | Command::Serve { .. } | Command::Runner { .. } => Ok(Exit::Done),
        Command::New(wish) => command::new::run(&shared, &wish),
        Command::SetupLink { reset } => command::setup_link::run(&Desk::new(&shared)?, reset).await,
        Command::Users(users) => command::users::run(&Desk::new(&shared)?, users).await,
        Command::Clients(clients) => command::clients::run(&Desk::new(&shared)?, *clients).await,
        Command::Agents(agents) => command::agents::run(&Desk::new(&shared)?, agents).await,
        Command::Tokens(tokens) => command::tokens::run(&Desk::new(&shared)?, tokens).await,
        Command::Tools(tools) => command::tools::run(&Desk::new(&shared)?, tools).await,
        Command::Audit(wish) => command::audit::run(&Desk::new(&shared)?, *wish).await,
        Command::Keys(keys) => command::keys::run(&Desk::new(&shared)?, keys).await,
        Command::Sso(sso) => command::sso::run(&Desk::new(&shared)?, sso).await,
        Command::Config(wish) => command::config::run(&shared, wish),
        Command::Completions { shell } => command::completions::run(shell),
    }
}
