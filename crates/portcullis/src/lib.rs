//! OAuth 2.1 in front of any MCP server: what a program in Rust adds to be protected.
//!
//! - [`Portcullis`]: an authorization server and the guards of its resources inside one's own axum program: a router
//!   to merge, a layer [`Portcullis::require`] or the whole [`Portcullis::door`], and an extractor [`Agent`].
//! - [`Foreign`]: the same guard for tokens of somebody else's authorization server, by its metadata and keys, with
//!   no store at all.
//!
//! This room also owns what no other may touch: the system's clock and its randomness ([`SystemClock`],
//! [`SystemEntropy`]), the data directory ([`home`]) and the control socket ([`control`]).

mod builder;
mod clock;
mod confirm;
pub mod control;
mod describe;
mod embedded;
mod entropy;
pub mod foreign;
pub mod home;
mod provider;
pub mod running;

pub use builder::{BuildError, Builder};
pub use clock::SystemClock;
pub use confirm::{Confirmation, Question};
pub use describe::{DescribeError, plain_words};
pub use embedded::Portcullis;
pub use entropy::SystemEntropy;
pub use foreign::{Foreign, ForeignBuilder};
pub use portcullis_gateway::door::{Door, DoorLayer};
pub use portcullis_guard::{Agent, Clock, Denied, Guard, Guarded, Keys, Require, Revocations, Unguarded};
pub use portcullis_mcp::ToolTable;
pub use portcullis_rules::budget::{Each, Limit, Of, Only};
pub use portcullis_rules::catalog::Effect;
pub use portcullis_rules::settings::Lifetimes;
pub use portcullis_rules::tools::NewTools;
pub use portcullis_server::admin;
pub use portcullis_server::{AuditSettings, Calls, Entropy, IpNetwork, WhenFull};
pub use portcullis_wire::resource::{Issuer, Resource};
pub use portcullis_wire::scope::{Scope, Scopes};
pub use provider::Provider;
