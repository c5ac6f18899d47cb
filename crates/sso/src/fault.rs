//! What went wrong between us and a provider, told so that somebody can mend it.

/// Who has to do something about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Whoever administers this installation.
    Administrator,
    /// Whoever administers the identity provider.
    Provider,
    /// The person who signs in: by beginning again.
    Person,
}

/// A refusal of this room.
///
/// `code` is for the audit trail and for tests, and never changes its meaning; the texts are for administrators.
/// Neither holds a token, a secret, or what a claim says of the person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Fault {
    /// One stable word, such as `id_token_audience`.
    pub code: &'static str,
    /// What happened.
    pub what: String,
    /// Why it is refused.
    pub why: String,
    /// Who must act.
    pub act: Act,
    /// The next step.
    pub fix: String,
    /// Whether trying again may help by itself: the provider did not answer. Everything else stays refused.
    pub transient: bool,
}

impl Fault {
    /// A fault that stays until somebody acts.
    pub fn new(
        code: &'static str,
        act: Act,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { code, what: what.into(), why: why.into(), act, fix: fix.into(), transient: false }
    }

    /// A fault that may be gone at the next try.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.transient = true;
        self
    }
}
