//! A tower layer and an extractor that protect an MCP server with OAuth 2.1 (RFC 6750, RFC 9068, RFC 9728).
//!
//! One short path, with no store in it: the bearer token is read from its header, refused cheaply where it can be,
//! verified by the issuer's key (or found among those verified before), its claims are held against this resource
//! and this moment, and what is left is an [`Agent`]. [`Guard::verify`] holds all the thought; the layer that
//! [`Guard::require`] makes only carries it, and looks into the message where single tools need scopes of their own.
//!
//! A guard cannot be built without an issuer and a resource, and it has no permissive mode.
//!
//! ```
//! # use std::sync::Arc;
//! # use portcullis_guard::{Clock, Guard, Keys, Require};
//! # use portcullis_mcp::ToolTable;
//! # use portcullis_wire::{resource::{Issuer, Resource}, scope::Scopes};
//! # type Fault = Box<dyn std::error::Error>;
//! fn notes(keys: Arc<dyn Keys>, clock: Arc<dyn Clock>) -> Result<Require, Fault> {
//!     let issuer = Issuer::parse("https://auth.example.com")?;
//!     let resource = Resource::parse("https://notes.example.com/mcp")?;
//!     let tools = ToolTable::default().tool("delete_note", &Scopes::parse("notes:delete")?);
//!     let guard = Guard::builder(issuer, resource, keys, clock).tools(tools).build();
//!     Ok(guard.require(&Scopes::parse("mcp:tools")?)) // a tower layer; behind it a handler asks for an `Agent`
//! }
//! ```

mod agent;
mod bearer;
mod cors;
mod denied;
mod guard;
mod layer;
mod manners;
mod ports;
mod site;
mod stream;

pub use agent::{Agent, Known, Unguarded};
pub use denied::{Denied, TokenFault};
pub use guard::{Guard, GuardBuilder, SEEN_TOKENS, STREAM_LIFE};
pub use layer::{Guarded, Require};
pub use ports::{BoxFuture, Clock, Keys, NoRevocations, OpaqueFault, OpaqueTokens, Revocations, StaticKeys};
