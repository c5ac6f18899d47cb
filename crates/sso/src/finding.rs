//! What a look at a provider found, one sentence at a time.

use crate::Fault;

/// One thing that was looked at, before anybody signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, and what is there.
    pub what: String,
    /// What is wrong with it; `None` where it is in order.
    pub fault: Option<Fault>,
}
