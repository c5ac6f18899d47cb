//! The real binary, as people and scripts use it.

mod admin;
mod config;
mod mcp;
mod start;
mod tls;
mod world;
