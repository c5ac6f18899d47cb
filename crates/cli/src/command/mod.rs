//! One file for each command.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod guard;
pub(crate) mod keys;
pub(crate) mod new;
pub(crate) mod serve;
pub(crate) mod setup_link;
pub(crate) mod sso;
pub(crate) mod tokens;
pub(crate) mod tools;
pub(crate) mod users;

use portcullis::admin::Command;
use serde_json::Value;

use crate::args::Shared;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, say};
use crate::reach::administer;

/// What the commands that administer have in common: where, and how to print.
pub(crate) struct Desk {
    directory: std::path::PathBuf,
    output: Output,
}

impl Desk {
    pub(crate) fn new(shared: &Shared) -> Result<Self, Failure> {
        Ok(Self { directory: shared.directory()?, output: Output::new(shared.json) })
    }

    async fn rows(&self, command: Command) -> Result<Vec<Value>, Failure> {
        administer(&self.directory, command).await
    }

    /// Prints a list.
    async fn list(&self, command: Command, columns: &[&str], none: &str) -> Outcome {
        let rows = self.rows(command).await?;
        self.output.list(&rows, columns, none);
        Ok(Exit::Done)
    }

    /// Does it, prints what there is to print, and says that it is done.
    async fn done(&self, command: Command, said: &str) -> Outcome {
        let rows = self.rows(command).await?;
        rows.iter().for_each(|row| self.output.object(row));
        if !self.output.is_json() {
            say(said);
        }
        Ok(Exit::Done)
    }
}
