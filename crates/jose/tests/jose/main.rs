//! The room from outside: what others may rely on, and what strangers may not get past.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod claims;
mod differential;
mod fixture;
mod forged;
mod header;
mod keys;
mod opaque;
mod sealed;
mod vectors;
