//! The upstream's side: what the gateway shows it for itself, the one way on which it is asked, and servers that
//! speak the transport of 2024-11-05.

mod credential;
mod identity;
mod sse;
mod token;
mod way;

pub use credential::{ClientCredentials, ClientSecret, Credential, SecretPlace};
pub use identity::{Asserting, Assertions, Identity, Refusal};
pub use sse::{LegacySse, SseSettings};

pub(crate) use sse::EventStream;
pub(crate) use way::Way;
