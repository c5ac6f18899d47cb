//! No rules, in a build without them.

use std::convert::Infallible;

use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use super::RuleFault;
use crate::operation::Operation;
use crate::standing::Caller;

/// There is none.
pub(super) struct Engine(Infallible);

impl Engine {
    pub(super) fn load(_text: &str, file: &str) -> Result<Self, Vec<RuleFault>> {
        Err(vec![RuleFault {
            file: file.to_owned(),
            line: 1,
            column: 1,
            policy: None,
            text: "this program was built without rules".to_owned(),
            hint: Some(
                "build it with the feature `cedar`, or take the file out of the configuration".to_owned(),
            ),
        }])
    }

    pub(super) fn names(&self) -> &[String] {
        match self.0 {}
    }

    pub(super) fn forbid(
        &self,
        _: &Caller<'_>,
        _: &Scopes,
        _: &Operation<'_>,
        _: UnixTime,
    ) -> Option<String> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use crate::Rules;

    #[test]
    fn t_policy_sandbox_rules_that_cannot_be_asked_are_refused_and_not_ignored() {
        let faults = Rules::load("forbid (principal, action, resource);", "rules.cedar").unwrap_err();
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert!(matches!(told.as_slice(), [one] if one.contains("built without rules")), "{told:?}");
    }
}
