//! How a command ends, and how it says so: one plain line with the value in backticks, and a hint.

use std::fmt;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It is done.
    Done = 0,
    /// Whoever called can fix it.
    Fixable = 1,
    /// We failed.
    Ours = 2,
    /// It ran, and found problems.
    Found = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
    hint: Option<String>,
}

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// Something the caller can fix.
    pub(crate) fn fixable(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Fixable, message: message.to_string(), hint: None }
    }

    /// Something only we, or the machine, can be blamed for.
    pub(crate) fn ours(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Ours, message: message.to_string(), hint: None }
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says what to do, in fixed words.
    pub(crate) fn advise(self, hint: &str) -> Self {
        self.hint(hint.to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_and_a_hint() {
        let failure = Failure::fixable("the port `80` is taken").advise("choose another");
        assert_eq!(failure.to_string(), "error: the port `80` is taken\n\nhint: choose another");
        assert_eq!(Failure::ours("disk").to_string(), "error: disk");
    }
}
