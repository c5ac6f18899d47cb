//! What rules are refused, and what rules refuse.

mod asked;
mod loaded;

use serde_json::{Map, Value};

use crate::operation::{Arguments, Kind, Operation};
use crate::policy::tests::{NOW, scopes, with_caller};
use crate::{RuleFault, Rules};

/// Reads policies that are sound.
fn rules(text: &str) -> Rules {
    match Rules::load(text, "rules.cedar") {
        Ok(rules) => rules,
        Err(faults) => panic!("{}", said(&faults)),
    }
}

fn said(faults: &[RuleFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The rule that forbids a call of `tool` with these arguments.
fn forbids(rules: &Rules, tool: &str, arguments: &Map<String, Value>) -> Option<String> {
    let operation = Operation { kind: Kind::Call, name: tool, arguments: Arguments::Given(Some(arguments)) };
    with_caller("mcp", |caller| rules.forbid(caller, &scopes("mcp notes:write"), &operation, NOW))
}

/// The same, with arguments as JSON.
fn forbids_call(rules: &Rules, tool: &str, arguments: &str) -> Option<String> {
    forbids(rules, tool, &serde_json::from_str(arguments).unwrap())
}

/// The rule that hides `tool` from a list.
fn hides(rules: &Rules, tool: &str) -> Option<String> {
    with_caller("mcp", |caller| {
        rules.forbid(caller, &scopes("mcp notes:write"), &Operation::listed(tool), NOW)
    })
}
