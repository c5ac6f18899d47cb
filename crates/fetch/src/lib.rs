//! The one hardened outbound client: checked address is dialled address.
//!
//! A stranger can steer the server to a URL: the `client_id` of a client that is known by its document, the
//! `jwks_uri` in that document, the metadata of another authorization server. Each of those requests is made
//! here and nowhere else, because each of them could be aimed at the network the server stands in.
//!
//! One fetch is one connection and one request:
//!
//! 1. `target`: `https`, port 443, no user name, no fragment. WHATWG parsing has already turned `0x7f.1`,
//!    `2130706433` and `017700000001` into the address they mean.
//! 2. `resolve`: a name is looked up once. A literal needs no look-up and meets the same check.
//! 3. [`special_use`]: one special-use address (RFC 6890) among the answers refuses the whole name.
//! 4. `dial`: exactly the addresses that were checked are dialled; the name is not looked up again.
//! 5. TLS by the name, HTTP/1.1, `200` only, no redirect, no compression, a cap on every size, one deadline
//!    over all of it.
//!
//! A document is fetched with [`Fetcher::fetch`]. An endpoint of an identity provider, which is no stranger's URL but an
//! administrator's, is asked with [`Fetcher::ask`]: a form or a bearer goes there, and a refusal in its body is read. An
//! administrator may also say that a provider stands on a private network ([`Reach`]).
//!
//! Nothing is pooled, so no later request can ride on a connection that was checked for another host. No proxy
//! is read from the environment. How *often* a stranger may cause a fetch is for the caller to limit.

mod accept;
mod address;
mod allowance;
mod ask;
mod dial;
mod error;
mod exchange;
mod fetcher;
mod freshness;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

pub use accept::Accept;
pub use address::{SpecialUse, special_use};
pub use ask::{Answer, Ask};
pub use error::{FetchError, SetupError};
pub use fetcher::{Document, Fetcher, Limits, Loopback, Reach, Settings};
pub use resolve::{Resolve, Resolving, SystemResolver};
