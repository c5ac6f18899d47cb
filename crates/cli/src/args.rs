//! The command line, as written. Secrets are never arguments: other people can list a program's arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Keys that sign tokens
    #[command(subcommand)]
    Keys(Keys),
    /// The configuration file
    #[command(subcommand)]
    Config(Config),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
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
    pub(crate) insecure: Insecure,
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

/// `users`.
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Add an account; its password comes from standard input
    Add {
        /// The name to sign in with
        name: String,
        #[command(flatten)]
        password: Password,
        /// Let it administer
        #[arg(long)]
        admin: bool,
    },
    /// List the accounts
    List,
    /// Give an account another password, from standard input
    Passwd {
        /// The account
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Keep an account from doing anything, and its agents too
    Disable {
        /// The account
        name: String,
    },
    /// Let a disabled account in again
    Enable {
        /// The account
        name: String,
    },
    /// Remove an account and end its agents
    Remove {
        /// The account
        name: String,
    },
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Password {
    /// Read the password from standard input; a line break at its end is not part of it
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// `clients`.
#[derive(Debug, Subcommand)]
pub(crate) enum Clients {
    /// Add a client; its secret is printed once
    Add(ClientAdd),
    /// List the clients
    List,
    /// Remove a client and end its agents
    Remove {
        /// Its `client_id`
        id: String,
    },
}

/// `clients add`.
#[derive(Debug, Args)]
pub(crate) struct ClientAdd {
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// `client_credentials`, for a machine that acts for itself
    #[arg(long, value_parser = ["client_credentials"])]
    pub(crate) grant: Option<String>,
    /// All it may ever have, separated by spaces
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// The resource it is for [default: the first one]
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
    /// Its public keys, as a JWK set; then it has no secret and signs with one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,
    /// Where people are sent back to; then it acts for people
    #[arg(long = "redirect-uri", value_name = "URI", conflicts_with = "grant")]
    pub(crate) redirect_uris: Vec<String>,
    /// Credentials for this resource server, to ask whether tokens are good
    #[arg(long, value_name = "URI", conflicts_with_all = ["grant", "scope", "resource", "redirect_uris"])]
    pub(crate) resource_server: Option<String>,
}

/// `agents`.
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List the agents
    List {
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
    },
    /// Cut an agent off; returns when it is enforced
    Revoke {
        /// Its id
        id: String,
    },
    /// Let a suspended machine agent in again
    Restore {
        /// Its id
        id: String,
    },
}

/// `keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the keys
    List,
    /// Sign with the next key from now on, and publish a new next one
    ///
    /// A key is published for five minutes before it signs, so that every verifier has seen it: a second rotation is
    /// refused until then.
    Rotate,
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
