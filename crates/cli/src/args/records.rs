//! The commands on records: people, clients, agents, tokens, tools, the trail, keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
        /// A group it is in
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// List the accounts
    List,
    /// Put an account into exactly these groups; what it may not use any more is refused at once
    Groups {
        /// The account
        name: String,
        /// The groups, separated by commas; nothing takes it out of all
        #[arg(long, value_name = "GROUPS", value_delimiter = ',', required = true, num_args = 0..)]
        set: Vec<String>,
    },
    /// Tell all that is kept about a person, one JSON object a line
    Export {
        /// The account, or the id of one that was removed
        name: String,
    },
    /// Remove an account and erase what the audit trail knows of the person; the trail stays whole
    Erase {
        /// The account, or the id of one that was removed
        name: String,
    },
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
    /// Tie an account to a person at an identity provider
    Link {
        /// The account
        name: String,
        /// The provider, by its name
        #[arg(long, value_name = "NAME")]
        provider: String,
        /// The person there: `sub`, or the persistent name identifier
        #[arg(long, value_name = "SUBJECT")]
        subject: String,
    },
    /// Give an account an e-mail address, by which a provider with `link_by_email` leads to it; without one, take it
    Address {
        /// The account
        name: String,
        /// The address
        address: Option<String>,
    },
    /// Untie an account from its identity provider
    Unlink {
        /// The account
        name: String,
    },
    /// Remove an account and end its agents
    Remove {
        /// The account
        name: String,
    },
}

/// `sso`.
#[derive(Debug, Subcommand)]
pub(crate) enum Sso {
    /// List the providers, and what is entered there
    List,
    /// Look at a provider without a person: is it there, and as it is configured?
    Check {
        /// The provider
        name: String,
    },
    /// Walk a sign-in at a provider, and tell every claim and what became of it
    Test {
        /// The provider
        name: String,
    },
    /// Switch a provider off: its people and their agents are refused at once
    Disable {
        /// The provider
        name: String,
    },
    /// Switch it on again
    Enable {
        /// The provider
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
    /// Switch a client off, with all its agents, until it is switched on again
    Disable {
        /// Its `client_id`
        id: String,
    },
    /// Switch a client on again
    Enable {
        /// Its `client_id`
        id: String,
    },
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
    /// Show everything about one agent
    Show {
        /// Its id
        id: String,
    },
    /// Cut an agent off, or all of a client, of a host's clients or of a person; returns when it is enforced
    Revoke(Cut),
    /// Let a suspended machine agent in again
    Restore {
        /// Its id
        id: String,
    },
}

/// What is cut off: exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Cut {
    /// One agent, by its id
    pub(crate) id: Option<String>,
    /// All agents of a client; machine agents wait to be restored
    #[arg(long, value_name = "CLIENT_ID")]
    pub(crate) client: Option<String>,
    /// All agents of the clients whose ids are URLs on this host
    #[arg(long, value_name = "HOST")]
    pub(crate) domain: Option<String>,
    /// All agents of a person
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
}

/// `tokens`.
#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Make a token for a person; it is printed once
    Create(TokenCreate),
    /// List the tokens, without what they are
    List {
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
    },
    /// Cut a token off; returns when it is enforced
    Revoke {
        /// Its id
        id: String,
    },
}

/// `tokens create`.
#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    /// The person it acts for
    #[arg(long = "for", value_name = "USER")]
    pub(crate) user: String,
    /// What it is called
    #[arg(long)]
    pub(crate) name: String,
    /// All it may do, separated by spaces
    #[arg(long)]
    pub(crate) scope: String,
    /// When it ends, at most 365d from now
    #[arg(long, value_name = "SPAN", default_value = "90d")]
    pub(crate) expires: String,
    /// The resource it is for [default: the first one]
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
}

/// `tools`.
#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List tools, and whether they are accepted, new or changed
    List {
        /// Of this resource only
        #[arg(long, value_name = "URI")]
        resource: Option<String>,
    },
    /// Let agents see and call tools as they are defined now
    Accept {
        /// The tools
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All that the server lists now
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// The one tool's definition that you looked at, from `tools list --json`: if it changed since, it is not accepted
        #[arg(long, value_name = "HEX", conflicts_with = "all")]
        digest: Option<String>,
        /// Of this resource [default: the first one]
        #[arg(long, value_name = "URI")]
        resource: Option<String>,
    },
    /// Propose scopes from what the server says of its tools, to be put into the configuration
    Propose {
        /// Of this resource [default: the first one]
        #[arg(long, value_name = "URI")]
        resource: Option<String>,
    },
}

/// `audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) verify: Option<AuditVerify>,
    /// What this agent did, by its id
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// What concerns this person, by name or id
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// What concerns this client
    #[arg(long, value_name = "CLIENT_ID")]
    pub(crate) client: Option<String>,
    /// What concerns this resource
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
    /// Calls of this tool
    #[arg(long)]
    pub(crate) tool: Option<String>,
    /// What was decided so, such as `hidden` or `scope_lacking`
    #[arg(long)]
    pub(crate) decision: Option<String>,
    /// Events of this kind, such as `tool_called`
    #[arg(long, value_name = "KIND")]
    pub(crate) event: Option<String>,
    /// From this time on: so long ago, as `2h`, or a date, as `2026-05-01T12:00:00Z`
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,
    /// How many rows at the most, the newest [default: 50 as a table, all otherwise]
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<usize>,
    /// Go on with what happens from now on, until interrupted
    #[arg(long, conflicts_with_all = ["until", "limit"])]
    pub(crate) follow: bool,
    /// How rows are printed; `--json` is `ndjson`
    #[arg(long, value_enum, default_value_t = AuditFormat::Table)]
    pub(crate) format: AuditFormat,
}

/// How rows of the trail are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AuditFormat {
    /// Columns, the newest row first
    Table,
    /// One JSON object a line, the oldest first
    Ndjson,
    /// RFC 4180, with a head, the oldest first
    Csv,
}

/// `audit verify`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerify {
    /// Tell whether the trail is whole; exit code 3 names the first row that is not as it was written
    Verify {
        /// The head that an earlier run printed: the trail must still hold it
        #[arg(long, value_name = "HEAD")]
        expect_head: Option<String>,
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
    /// Refuse every token that a key has signed; if it is the signing one, the next takes its place at once
    Revoke {
        /// Its id
        kid: String,
    },
}
