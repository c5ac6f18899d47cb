//! The controls of the threat list that only a whole server can hold, each by its name there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "../inprocess/mod.rs"]
mod inprocess;

mod authorize;
mod binding;
mod guarded;
mod linear;
mod pages;
mod secrets;
mod tokens;
