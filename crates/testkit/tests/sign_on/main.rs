//! Signing in through a company, over a real server and its store: out to a provider, back from it, and what a hostile
//! one gains.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod admin;
mod back;
mod out;
mod saml;
mod scene;
