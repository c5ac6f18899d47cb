//! The whole door before an MCP server, with the server's own ports on SQLite: what an owner is promised of every call.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod agents;
mod confirmed;
mod limited;
mod scene;
mod scopes;
#[path = "../inprocess/sluice.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared; not every test needs each of its gates")]
mod sluice;
mod trail;
