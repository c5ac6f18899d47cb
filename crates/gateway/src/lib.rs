//! One door in front of an MCP server: a reverse proxy that stands behind the guard, and that the caller's token
//! never passes.
//!
//! [`Gateway`] takes a request that was already let in and carries it to the one upstream its owner named. On the way
//! up it leaves behind every credential, every claim about who is calling, and everything that belongs to one
//! connection only (RFC 9110 §7.6.1); on the way down every cookie, challenge and word about origins, since the
//! upstream speaks for none of them here. Bodies stream through untouched in both directions, at the pace of the
//! slower side.
//!
//! [`LegacySse`] does the same before a server of the transport of 2024-11-05. Either shows the upstream what its owner
//! configured: a fixed secret, an access token of the gateway's own ([`Credential`]), and an assertion about who is
//! calling ([`Identity`]). Where the upstream fails, whoever posted a message gets a JSON-RPC error that says so.
//!
//! [`door`] stands before either, or before any other MCP server: it lets agents in, judges every message by the owner's
//! policy, asks people, counts, writes down, and carries back what the agent may see.
//!
//! The upstream is chosen by the owner of the server, never by a stranger: private and loopback addresses are allowed,
//! redirects are not followed, and no proxy is taken from the environment.

mod answer;
mod body;
mod connect;
pub mod door;
mod gateway;
mod headers;
pub mod ports;
mod reply;
mod settings;
mod target;
mod timer;
mod upstream;

pub use body::{BoxError, RelayBody};
pub use gateway::{Gateway, Relaying};
pub use reply::RequestId;
pub use settings::{GatewayError, GatewaySettings};
pub use upstream::{
    Asserting, Assertions, ClientCredentials, ClientSecret, Credential, Identity, LegacySse, Refusal,
    SecretPlace, SseSettings,
};

#[cfg(test)]
mod tests;
