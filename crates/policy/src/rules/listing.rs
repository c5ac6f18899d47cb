//! What a rule says when arguments are not known yet: it forbids an entry of a list only if it forbids it with all
//! arguments.
//!
//! Expressions are Cedar's own JSON form. A part that mentions `context.args` is unknown, and the logic is that of
//! three values (Kleene): `certain` is true where the whole is true whatever the unknown parts are, `possible` where it
//! is true for some.

use serde_json::{Map, Value, json};

/// Whether an expression, or a whole policy, depends on arguments.
pub(super) fn mentions(expression: &Value) -> bool {
    match expression {
        Value::Object(members) => match members.get(".").or_else(|| members.get("has")) {
            Some(access) if access.get("left").is_some_and(is_context) => {
                attributes(access).first().is_none_or(|attribute| *attribute == "args")
            }
            _ => is_context(expression) || members.values().any(mentions),
        },
        Value::Array(items) => items.iter().any(mentions),
        _ => false,
    }
}

/// Whether an expression is `context` itself.
pub(super) fn is_context(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("context")
}

/// The attributes of an access or a test: one, or those of a path.
pub(super) fn attributes(access: &Value) -> Vec<&str> {
    match access.get("attr") {
        Some(Value::Array(path)) => path.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}

/// The policy as it counts for a list.
pub(super) fn for_lists(policy: &Value) -> Value {
    let mut policy = policy.clone();
    let clauses = policy.get_mut("conditions").and_then(Value::as_array_mut);
    for clause in clauses.into_iter().flatten() {
        let is_unless = clause.get("kind").and_then(Value::as_str) == Some("unless");
        if let Some(body) = clause.get_mut("body") {
            *body = resolve(body, if is_unless { Side::Possible } else { Side::Certain });
        }
    }
    policy
}

/// What an unknown part is taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// False, so that what is true is true for certain.
    Certain,
    /// True, so that what is true may be true.
    Possible,
}

fn resolve(expression: &Value, side: Side) -> Value {
    if !mentions(expression) {
        return expression.clone();
    }
    let unknown = || json!({"Value": side == Side::Possible});
    let Some((operator, operands)) = expression.as_object().and_then(|one| one.iter().next()) else {
        return unknown();
    };
    let part = |name: &str, side| resolve(operands.get(name).unwrap_or(&Value::Null), side);
    match operator.as_str() {
        "&&" | "||" => binary(operator, part("left", side), part("right", side)),
        "!" => {
            let other = if side == Side::Certain { Side::Possible } else { Side::Certain };
            json!({"!": {"arg": part("arg", other)}})
        }
        "if-then-else" => {
            let (then, other) = (part("then", side), part("else", side));
            match operands.get("if") {
                Some(condition) if !mentions(condition) => {
                    json!({"if-then-else": {"if": condition, "then": then, "else": other}})
                }
                _ if side == Side::Certain => binary("&&", then, other),
                _ => binary("||", then, other),
            }
        }
        _ => unknown(),
    }
}

fn binary(operator: &str, left: Value, right: Value) -> Value {
    let operands = Map::from_iter([("left".to_owned(), left), ("right".to_owned(), right)]);
    Value::Object(Map::from_iter([(operator.to_owned(), Value::Object(operands))]))
}
