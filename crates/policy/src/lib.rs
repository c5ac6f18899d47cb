//! Allowed, obtainable or hidden: where one operation stands for one agent. One function answers, for an entry of a
//! list and for a call alike, from the table of scopes, the tools whose definitions were accepted, the tools that
//! need confirmation and, behind the feature `cedar`, rules on arguments, agents, people and time.
//!
//! Scopes permit, rules forbid: no rule can open what no scope opens. There is no I/O here, no clock and nothing
//! asynchronous; the same question has the same answer.

mod definition;
mod known;
mod operation;
mod policy;
mod rules;
mod standing;

pub use definition::{Claim, ProposedScope, annotations, canonical, definition_digest, propose};
pub use known::{KnownTools, NewTools};
pub use policy::{Confirm, Policy};
pub use rules::{RuleFault, Rules};
pub use standing::{Caller, Cure, Standing, Why};
