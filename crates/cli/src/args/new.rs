//! `new`, as written.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What a new server is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// axum and rmcp, with the authorization server inside
    Rust,
    /// Configuration only, in front of a server in any language
    Gateway,
    /// A server on the vendor's SDK for Node that verifies our tokens
    Typescript,
    /// A server on the vendor's SDK for Python that verifies our tokens
    Python,
}

/// `new`. What is not said is asked on a terminal, and has a default elsewhere.
#[derive(Clone, Debug, Args)]
pub(crate) struct New {
    /// The folder to make; its last part names the package
    pub(crate) folder: PathBuf,
    /// What to make it from [default: rust]
    #[arg(long, value_enum)]
    pub(crate) template: Option<Template>,
    /// What people call the server [default: the folder's name, in words]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The first part of its scopes, such as `notes` in `notes:read` [default: notes]
    #[arg(long, value_name = "WORD")]
    pub(crate) scope: Option<String>,
    /// The port to listen on [default: 3000; of the gateway: 8414]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Template gateway: the MCP server behind it [default: http://127.0.0.1:3000/mcp]
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// Templates typescript and python: the authorization server [default: http://127.0.0.1:8414]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Template rust: a checkout of Portcullis to take its crates from [default: the one this program lies in]
    #[arg(long, value_name = "CHECKOUT")]
    pub(crate) path: Option<PathBuf>,
    /// Ask nothing; what is not said has its default
    #[arg(short, long)]
    pub(crate) yes: bool,
}
