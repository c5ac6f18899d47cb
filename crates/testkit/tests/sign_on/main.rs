//! Signing in through a company, over a real server and its store: out to a provider, back from it, and what a hostile
//! one gains.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod admin;
mod back;
mod disable;
mod hostile;
mod link;
mod out;
#[path = "../../../sso/tests/oidc/provider.rs"]
#[allow(dead_code, reason = "shared; not every test needs each of its moods")]
mod provider;
mod saml;
mod scene;
mod whole;
