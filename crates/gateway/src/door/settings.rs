//! What the owner says about a door, beside its policy.

use std::fmt;
use std::sync::Arc;

use portcullis_guard::Clock;
use portcullis_mcp::Pattern;

/// Knows in which groups people are.
pub trait Groups: Send + Sync {
    /// Those of a subject, as far as known now. It must not wait.
    fn of(&self, subject: &str) -> Arc<[String]>;
}

/// How a door behaves. Made by [`DoorSettings::new`].
#[derive(Clone)]
#[non_exhaustive]
pub struct DoorSettings {
    /// The time that rules and expiries are held against.
    pub clock: Arc<dyn Clock>,
    /// Who is in which group. Without it nobody is in any.
    pub groups: Option<Arc<dyn Groups>>,
    /// Lets messages of 2026-07-28 pass whose `Mcp-Method` or `Mcp-Name` header is missing or wrong, for clients known
    /// to get them wrong: what goes on bears headers written anew from the body. Off unless said.
    pub lenient_headers: bool,
    /// The tools whose arguments are kept in the trail, and not only a digest of them. None unless said.
    pub keep_values: Vec<Pattern>,
}

impl DoorSettings {
    /// The strict behaviour.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, groups: None, lenient_headers: false, keep_values: Vec::new() }
    }

    /// With what is known of groups.
    #[must_use]
    pub fn groups(mut self, groups: Arc<dyn Groups>) -> Self {
        self.groups = Some(groups);
        self
    }

    /// With wrong mirrored headers put right.
    #[must_use]
    pub const fn lenient_headers(mut self, lenient: bool) -> Self {
        self.lenient_headers = lenient;
        self
    }

    /// With the arguments kept of a tool, by name or pattern.
    #[must_use]
    pub fn keep_values(mut self, tool: &str) -> Self {
        self.keep_values.push(Pattern::parse(tool));
        self
    }
}

impl fmt::Debug for DoorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorSettings").field("lenient_headers", &self.lenient_headers).finish_non_exhaustive()
    }
}
