//! The control socket: how a command reaches the server that holds the data directory.
//!
//! The caller sends one line of JSON, `{"key": …, "command": …}`, and gets lines back: one `{"row": …}` for each
//! object of the answer, then `{"done": true}` or `{"error": {"kind": …, "message": …}}`. The socket is open to its
//! owner alone (0600), and the caller proves besides that it can read `control.key`. An answer means that what was
//! changed is enforced.

mod ask;
mod listen;
mod place;

use std::time::Duration;

pub use ask::{ControlError, administer};
pub use listen::{Administer, Control};
use serde::{Deserialize, Serialize};

/// Most bytes in the line that carries a command: a key set and a little more.
pub const COMMAND_LINE: usize = 128 * 1024;
/// Most bytes in a whole answer.
pub const ANSWER: u64 = 64 * 1024 * 1024;
/// Most callers served at once.
pub const CALLERS: usize = 8;
/// How long a caller may take to send its command.
pub const COMMAND_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Why a command was not done, and who can help it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// What was asked cannot be done as things are; the caller can ask for something else.
    Refused,
    /// The store did not answer.
    Unavailable,
}

/// One line of an answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Row(serde_json::Value),
    Done(bool),
    Error { kind: FaultKind, message: String },
}

#[cfg(test)]
mod tests;
