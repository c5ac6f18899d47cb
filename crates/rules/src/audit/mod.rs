//! The audit trail: a chain of entries that nobody can change, leave out or put in without its being seen.
//!
//! One chain per node, numbered from 1 in the order its writer commits. This is the whole of what a third party needs to
//! verify one; ‖ joins bytes, `u32` and `u64` are big-endian, and texts are UTF-8.
//!
//! - A **field** is its length in bytes as `u32`, then its bytes. One that is absent is `ff ff ff ff` and nothing more.
//! - An **entry** is these fields, one after another: `at` (8 bytes: milliseconds since 1970, two's complement), `kind`,
//!   `user`, `client`, `agent`, `resource`, `scopes`, `reason`, `count` (8 bytes), `request`, `trace`, `method`, `name`,
//!   `decision`, `rule`, `latency` (8 bytes: microseconds), `ending`. Ids are spelled as in output (`usr_…`, `agt_…`).
//! - What is **personal** is these: `name`, `arguments` (32 bytes), `values`. It is kept beside the chain with a random
//!   salt of 32 bytes; the chain holds `mac = HMAC-SHA-256(salt, "portcullis audit personal v1\n" ‖ fields)`. When the salt
//!   and the fields are erased, nothing tells what they were, and the chain still verifies.
//! - `hash(n) = SHA-256("portcullis audit entry v1\n" ‖ hash(n-1) ‖ n as u64 ‖ entry ‖ mac as a field)`, where
//!   `hash(0) = SHA-256("portcullis audit chain v1\n" ‖ node)` and `node` is the 16 random bytes the chain is named by.
//! - A **checkpoint** is a signed statement (JWS) of what `hash(n)` was, with the heads of the chains of other nodes that
//!   were known then ([`CheckpointClaims`]). Whoever can write to the file can make a chain anew, but not its checkpoints;
//!   and that the last entries were cut away is seen by whoever kept a later checkpoint or head ([`Verifier::expecting`]).
//!
//! Nothing here reads a clock or draws a random byte: time, salts and names come in.

mod chain;
mod checkpoint;
mod entry;
pub mod hex;
mod query;
mod verify;

pub use chain::{AuditRow, Head, NodeId, Salt, SideRow};
pub use checkpoint::{Checkpoint, CheckpointClaims, checkpoint_claims, heads_text};
pub use entry::{Entry, bounded};
pub use query::{AuditKeep, AuditQuery};
pub use verify::{Bad, Summary, Verifier, Wrong};

/// Longest id of a request that is kept, in bytes.
pub const REQUEST_ID: usize = 128;
/// Longest trace id that is kept, in bytes.
pub const TRACE_ID: usize = 64;
/// Longest JSON-RPC method that is kept, in bytes.
pub const METHOD: usize = 128;
/// Longest name of a tool or prompt, or URI of a resource, that is kept, in bytes.
pub const NAME: usize = 512;
/// Longest word for a decision or an ending that is kept, in bytes.
pub const WORD: usize = 64;
/// Longest name of a rule that is kept, in bytes.
pub const RULE: usize = 256;
/// Longest name of an account that is kept, in bytes.
pub const PERSON: usize = 320;
/// Longest arguments of a call that are kept, in bytes, where the owner wants them.
pub const VALUES: usize = 16 * 1024;
/// Most other chains' heads in one checkpoint.
pub const HEADS: usize = 64;
/// The most entries that are kept, unless set otherwise: beyond, the oldest go, as far as a checkpoint reaches.
pub const KEEP_ROWS: u64 = 2_000_000;
/// How long entries are kept, unless set otherwise.
pub const KEEP_FOR: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 60 * 60);
