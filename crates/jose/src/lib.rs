//! Keys, signatures, sealed values and typed claims, strict by construction.
//!
//! Three kinds of strings are made and read here, and no other:
//!
//! - **JSON Web Tokens** (RFC 7519 in RFC 7515's compact form): [`jws`] checks form, header, type, key and
//!   signature; [`claims`] says what must stand inside; [`key`] holds the keys, each with one algorithm.
//! - **Opaque strings** ([`mint`]): codes, refresh tokens, secrets. They carry the number of their row and a tag
//!   of ours, so that a made-up one costs no look-up.
//! - **Sealed values** ([`seal`]): what must be read back later, and by nobody else.
//!
//! There is no clock here and no source of randomness: both come in as values. Only new signing keys are drawn
//! by the provider itself, which takes no seed for them. All arithmetic is done by `aws-lc-rs`.

pub mod claims;
mod error;
pub mod jws;
pub mod key;
pub mod master;
pub mod mint;
pub mod seal;

pub use error::JoseError;
