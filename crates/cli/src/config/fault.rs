//! What is wrong with a configuration, and how it is said.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use crate::failure::Failure;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line in the file, counted from 1; 0 for what was not written there.
    pub(crate) line: usize,
    /// The setting, or what it is about.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(line: usize, key: &str, message: impl fmt::Display) -> Self {
        Self { line, key: key.to_owned(), message: message.to_string(), hint: None }
    }

    pub(crate) fn advise(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "line": self.line, "key": self.key, "message": self.message, "hint": self.hint })
    }

    /// For people: where, which, what.
    pub(crate) fn told(&self, file: Option<&Path>) -> String {
        let mut out = String::new();
        if let Some(file) = file {
            out.push_str(&file.display().to_string());
            if self.line > 0 {
                out.push_str(&format!(":{}", self.line));
            }
            out.push_str(": ");
        }
        if !self.key.is_empty() {
            out.push_str(&format!("`{}`: ", self.key));
        }
        out + &self.message
    }
}

/// All faults as the failure of a command.
pub(crate) fn failure(faults: &[Fault], file: Option<&Path>) -> Failure {
    match faults {
        [one] => Failure::fixable(one.told(file)).hint(one.hint.clone()),
        many => {
            let lines: Vec<String> = many.iter().map(|fault| format!("  {}", fault.told(file))).collect();
            let hints = many.iter().find_map(|fault| fault.hint.clone());
            Failure::fixable(format!("the configuration has {} faults\n{}", many.len(), lines.join("\n")))
                .hint(hints)
        }
    }
}
