//! The command line, as written. Secrets are never arguments: other people can list a program's arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod new;
mod records;

pub(crate) use new::{New, Template};
pub(crate) use records::{
    Agents, Audit, AuditFormat, AuditVerify, ClientAdd, Clients, Cut, Keys, Password, Sso, TokenCreate,
    Tokens, Tools, Users,
};

/// OAuth 2.1 in front of any MCP server.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shared {
    /// Where keys and records lie [default: portcullis in the user's data directory]
    #[arg(long, global = true, env = "PORTCULLIS_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print data as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to log: error, warn, info, debug, or by module, such as `portcullis_server=debug`
    #[arg(long, global = true, env = "RUST_LOG", default_value = "warn", value_name = "FILTER")]
    pub(crate) log: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put OAuth in front of one MCP server, or of a small built-in one
    Guard(Box<Guard>),
    /// Run what a configuration file says
    Serve {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        insecure: Insecure,
    },
    /// Write a new MCP server, protected, with a test and what to do next
    New(Box<New>),
    /// Print a link that makes the first account, or gives an account a new password
    SetupLink {
        /// The account that shall get a new password
        #[arg(long, value_name = "USER")]
        reset: Option<String>,
    },
    /// People who may sign in
    #[command(subcommand)]
    Users(Users),
    /// Software that may ask for tokens
    #[command(subcommand)]
    Clients(Box<Clients>),
    /// Connected agents: who may do what for whom
    #[command(subcommand)]
    Agents(Agents),
    /// Personal tokens: agents without OAuth, for scripts
    #[command(subcommand)]
    Tokens(Tokens),
    /// Tools of guarded servers, and which of them are accepted
    #[command(subcommand)]
    Tools(Tools),
    /// Search the audit trail, follow it, export it, or verify that it is whole
    Audit(Box<Audit>),
    /// Keys that sign tokens
    #[command(subcommand)]
    Keys(Keys),
    /// Identity providers that people sign in through
    #[command(subcommand)]
    Sso(Sso),
    /// The configuration file
    #[command(subcommand)]
    Config(Config),
    /// Keeps MCP servers over stdio; started by `guard` and `serve`
    #[command(hide = true)]
    Runner {
        #[command(subcommand)]
        part: Option<RunnerPart>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The parts of the keeper of servers.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum RunnerPart {
    /// Becomes one server, inside its sandbox
    Launch,
}

/// `guard`.
#[derive(Debug, Args)]
pub(crate) struct Guard {
    /// The MCP server, by its http or https URL; without it, a small built-in one
    pub(crate) upstream: Option<String>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8414", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// The URL under which all this is reached [default: the address listened on]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Certificates, in PEM; read again when the file changes
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy whose X-Forwarded-For is believed, as an address or a block of addresses
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    pub(crate) trusted_proxies: Vec<String>,
    /// What people call the server
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) stdio: Stdio,
    #[command(flatten)]
    pub(crate) insecure: Insecure,
    /// The program that is the MCP server, with its arguments; it speaks over stdio
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "upstream")]
    pub(crate) command: Vec<String>,
}

/// How a program that speaks over stdio is kept.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Stdio {
    /// `off` lets the program read all that you may read, the keys included
    #[arg(long, value_parser = ["on", "off"], value_name = "on|off")]
    pub(crate) sandbox: Option<String>,
    /// A further file or folder that the program may read
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<String>,
    /// A further file or folder that it may change
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<String>,
    /// A name of the environment that it is given; it gets no others
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
}

/// Switches for tests, refused unless the issuer is on this computer.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Insecure {
    /// Test only: a further certificate authority to trust, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) insecure_extra_ca: Option<PathBuf>,
    /// Test only: let clients' metadata documents lie on this computer
    #[arg(long)]
    pub(crate) insecure_cimd_loopback: bool,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Tell everything that is wrong with a configuration file
    Check {
        /// The file
        #[arg(default_value = "portcullis.toml")]
        file: PathBuf,
    },
    /// Say what a setting means, and what it is by default; without a name, all of them
    Explain {
        /// The setting, such as `lifetimes.access_token`
        key: Option<String>,
    },
}
