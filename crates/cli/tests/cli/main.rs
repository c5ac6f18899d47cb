//! The real binary, as people and scripts use it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stands")]

mod admin;
mod config;
mod gateway;
mod mcp;
mod new;
mod providers;
mod records;
mod sign_in_docs;
mod sso;
mod start;
mod tls;
mod world;
