//! MCP servers that speak over stdio, in a process of their own and each in its sandbox.
//!
//! There are three programs here, and all are the same file. The *front* holds keys, store and listener; it starts
//! the *runner* before any of them is open ([`spawn`]) and then gives up executing programs ([`forbid_exec`]). The
//! runner ([`run`]) keeps the servers and knows nothing but what it was told to run. Each server begins as a
//! *launcher* ([`launch`]), which locks itself in before it becomes the server. [`Stdio`] stands where any other
//! upstream stands, and speaks Streamable HTTP on one side and lines on the other.
//!
//! Nothing here judges who may call what: the door in front of it has done so.

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod children;
mod frame;
#[cfg(unix)]
mod front;
#[cfg(unix)]
mod launch;
pub mod limits;
#[cfg(unix)]
mod link;
mod sandbox;
mod spec;

#[cfg(unix)]
pub mod bridge;

#[cfg(unix)]
pub use bridge::{BridgeBody, Caller, Stdio, StdioSettings};
#[cfg(unix)]
pub use children::run;
pub use frame::Closed;
#[cfg(unix)]
pub use front::{ExecForbidden, Spawned, StartError, forbid_exec, spawn};
#[cfg(unix)]
pub use launch::launch;
#[cfg(unix)]
pub use link::{Channel, Runner};
pub use sandbox::SandboxReport;
pub use spec::{Sandbox, Server, Sharing, Spec};
