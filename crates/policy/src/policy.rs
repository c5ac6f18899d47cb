//! The one function that answers.

use std::borrow::Cow;

use portcullis_mcp::{ByName, Message, ToolTable, Unite};
use portcullis_wire::digest::Digest;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::known::KnownTools;
use crate::operation::{Kind, Operation};
use crate::rules::Rules;
use crate::standing::{Caller, Cure, Standing, Why};

/// Who confirms a single call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirm {
    /// The client, whose word it is that its user agreed.
    Client,
    /// The token's person, on a page of ours.
    Person,
}

impl Unite for Confirm {
    /// The stricter of the two.
    fn unite(&mut self, other: &Self) {
        *self = (*self).max(*other);
    }
}

/// Everything that decides about operations at one guarded server.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    table: ToolTable,
    confirm: ByName<Confirm>,
    rules: Option<Rules>,
}

impl Policy {
    /// A policy in which scopes decide.
    pub fn new(table: ToolTable) -> Self {
        Self { table, ..Self::default() }
    }

    /// Says that every request needs `more` beside what the table says.
    #[must_use]
    pub fn require(mut self, more: &Scopes) -> Self {
        self.table = self.table.require(more);
        self
    }

    /// Says that each call of a tool needs confirmation. `pattern` is a name or a pattern; which counts is as in
    /// [`ToolTable::tool`], and of two that are equally specific the stricter.
    #[must_use]
    pub fn confirm(mut self, pattern: &str, by: Confirm) -> Self {
        self.confirm.insert(pattern, &by);
        self
    }

    /// Adds rules. Without this, no engine is asked.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// The table of scopes.
    pub const fn table(&self) -> &ToolTable {
        &self.table
    }

    /// Where a message stands. A response to a request of the server's needs the base scopes alone.
    pub fn judge(
        &self,
        caller: &Caller<'_>,
        known: &KnownTools,
        message: &Message,
        now: UnixTime,
    ) -> Standing {
        match Operation::of(message) {
            Some(operation) => {
                let needs = self.table.needs(message);
                self.decide(caller, known, &operation, None, &needs, now)
            }
            None => self.by_scopes(caller, self.table.base()),
        }
    }

    /// Where a tool stands that is to be listed, with the digest of the definition it is listed with. What a rule
    /// makes of arguments is left to the call: only what is forbidden with all arguments is hidden.
    pub fn judge_tool(
        &self,
        caller: &Caller<'_>,
        known: &KnownTools,
        name: &str,
        definition: Option<&Digest>,
        now: UnixTime,
    ) -> Standing {
        let needs = self.table.tool_needs(name);
        self.decide(caller, known, &Operation::listed(name), definition, &needs, now)
    }

    fn decide(
        &self,
        caller: &Caller<'_>,
        known: &KnownTools,
        operation: &Operation<'_>,
        definition: Option<&Digest>,
        needs: &Scopes,
        now: UnixTime,
    ) -> Standing {
        let is_tool = operation.kind == Kind::Call;
        if is_tool && let Some(why) = known.hides(operation.name, definition) {
            return Standing::Hidden(Why(Cow::Borrowed(why)));
        }
        if let Some(rules) = &self.rules {
            let held = self.table.expand(caller.scopes);
            if let Some(why) = rules.forbid(caller, &held, operation, now) {
                return Standing::Hidden(Why(Cow::Owned(why)));
            }
        }
        let by_scopes = self.by_scopes(caller, needs);
        if is_tool
            && matches!(by_scopes, Standing::Allowed(_))
            && let Some(by) = self.confirm.find(operation.name)
        {
            let cure = match *by {
                Confirm::Person => Cure::Person,
                Confirm::Client => Cure::Client,
            };
            return Standing::Obtainable(cure, Why(Cow::Borrowed("confirm")));
        }
        by_scopes
    }

    fn by_scopes(&self, caller: &Caller<'_>, needs: &Scopes) -> Standing {
        let why = |of: &Scopes| match of.is_empty() {
            true => Why(Cow::Borrowed("no scope needed")),
            false => Why(Cow::Owned(format!("scope {of}"))),
        };
        match self.table.lacking(caller.scopes, needs) {
            None => Standing::Allowed(why(needs)),
            Some(all) => {
                let lacking = needs.minus(&self.table.expand(caller.scopes));
                Standing::Obtainable(Cure::Scopes(all), why(&lacking))
            }
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
pub(crate) mod tests;
