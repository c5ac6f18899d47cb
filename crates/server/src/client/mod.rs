//! What is learned of clients from outside: their metadata documents, their keys, and the assertions they sign. Also
//! how often a stranger may make us look.
//!
//! The one room of the server that causes outbound requests; each of them goes through `portcullis_fetch`.

mod assertion;
#[cfg(test)]
mod assertion_tests;
mod document;
#[cfg(test)]
mod document_tests;
mod fault;
mod keys;
mod shelf;
#[cfg(test)]
mod testsite;
mod throttle;

pub use assertion::{AssertionFault, assertion_client_id, assertion_proof};
pub use document::{
    DOCUMENT_FRESH_LEAST, DOCUMENT_FRESH_MOST, DOCUMENTS, Documents, FETCHES_AT_ONCE, FETCHES_PER_HOST,
    FETCHES_PER_SOURCE, drift, same_origin_or_loopback, verified_domain,
};
pub use fault::DocumentFault;
pub use keys::{KEY_SETS, UNKNOWN_KEY_PAUSE};
pub use throttle::{
    Attempt, Buckets, Prefix, Rate, SIGN_IN_FIRST_WAIT, SIGN_IN_LONGEST_WAIT, SIGN_IN_PAIRS,
    SIGN_IN_PER_SOURCE, SIGN_IN_REFUSALS_TOLD, SignInThrottle, Standing, source_prefix,
};
