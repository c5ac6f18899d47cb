//! Rules in Cedar, loaded from a file and asked of every operation. Without the feature `cedar` there are none, and a
//! file of them is refused: nobody's rules are ignored.

#[cfg(not(feature = "cedar"))]
mod absent;
#[cfg(feature = "cedar")]
mod convert;
#[cfg(feature = "cedar")]
mod engine;
#[cfg(feature = "cedar")]
mod infer;
#[cfg(feature = "cedar")]
mod listing;
#[cfg(feature = "cedar")]
mod load;
#[cfg(feature = "cedar")]
mod text;

use std::fmt;
use std::sync::Arc;

use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

#[cfg(not(feature = "cedar"))]
use self::absent as engine;
use crate::operation::Operation;
use crate::standing::Caller;

/// What is wrong with a file of rules, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// The policy's name, if the fault lies in one.
    pub policy: Option<String>,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if let Some(policy) = &self.policy {
            write!(f, "policy `{policy}`: ")?;
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RuleFault {}

/// Rules that were read and found sound. Cheap to clone.
#[derive(Clone)]
pub struct Rules(Arc<engine::Engine>);

impl Rules {
    /// Reads the text of a file of Cedar policies, and checks each of them strictly. `file` is what faults call it.
    ///
    /// # Errors
    /// Every [`RuleFault`] that was found, in the order of lines.
    pub fn load(text: &str, file: &str) -> Result<Self, Vec<RuleFault>> {
        engine::Engine::load(text, file).map(|engine| Self(Arc::new(engine)))
    }

    /// The names of the policies, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names().iter().map(String::as_str)
    }

    /// The rule that forbids an operation, if one does.
    pub(crate) fn forbid(
        &self,
        caller: &Caller<'_>,
        held: &Scopes,
        operation: &Operation<'_>,
        now: UnixTime,
    ) -> Option<String> {
        self.0.forbid(caller, held, operation, now)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
#[cfg(feature = "cedar")]
mod tests;
