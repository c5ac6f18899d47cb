//! What a policy takes the arguments to be, so that Cedar's own validator can check it strictly.
//!
//! Arguments are an open record, which Cedar cannot type. But each policy names the ones it looks at, and how it uses
//! them says of what type it takes them to be: `context.args.n > 3` a Long, `context.args.path like "…"` a String. So each
//! policy is validated against a schema of its own, in which the arguments it names are *optional* attributes of the types
//! it uses them with; from there on, it is the validator that asks for `has` before each access and finds
//! contradictions. A wrong guess here can only refuse a sound policy, never let an unsound one pass; and a call whose
//! arguments are of other types than the policy takes them to be makes the policy fail, which denies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::listing::{attributes, is_context};

/// How often types may flow from one argument to another before it is enough.
const ROUNDS: usize = 16;

/// A type, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Type {
    #[default]
    Unknown,
    Bool,
    Long,
    String,
    Extension(&'static str),
    Set(Box<Type>),
    Record(BTreeMap<String, Type>),
}

/// The type of the arguments that a policy looks at, as the text of a schema.
pub(super) fn arguments_of(policy: &Value) -> String {
    let mut arguments = Type::Record(BTreeMap::new());
    for _ in 0..ROUNDS {
        let before = arguments.clone();
        let clauses = policy.get("conditions").and_then(Value::as_array);
        for clause in clauses.into_iter().flatten() {
            if let Some(body) = clause.get("body") {
                arguments.expect(body, &Type::Bool);
                arguments.walk(body);
            }
        }
        if arguments == before {
            break;
        }
    }
    let mut text = String::new();
    arguments.write(&mut text);
    text
}

/// The operator of an expression and its operands.
fn split(expression: &Value) -> Option<(&str, &Value)> {
    let (operator, operands) = expression.as_object()?.iter().next()?;
    Some((operator, operands))
}

/// The attributes that lead from `context.args` to what an expression names, if that is what it does.
fn path(expression: &Value) -> Option<Vec<String>> {
    let access = expression.get(".")?;
    let (left, names) = (access.get("left")?, attributes(access));
    if is_context(left) {
        return (names == ["args"]).then(Vec::new);
    }
    let mut path = path(left)?;
    path.extend(names.into_iter().map(str::to_owned));
    Some(path)
}

impl Type {
    /// The type at the end of a path from here; it comes to be by being named.
    fn at(&mut self, path: &[String]) -> &mut Self {
        let Some((first, rest)) = path.split_first() else { return self };
        if *self == Self::Unknown {
            *self = Self::Record(BTreeMap::new());
        }
        match self {
            Self::Record(members) => members.entry(first.clone()).or_default().at(rest),
            // Used as two things; the validator will say so.
            other => other,
        }
    }

    /// Takes over what another use says, where nothing is known yet.
    fn learn(&mut self, from: &Self) {
        match (&mut *self, from) {
            (Self::Unknown, known) => *self = known.clone(),
            (Self::Set(mine), Self::Set(theirs)) => mine.learn(theirs),
            (Self::Record(mine), Self::Record(theirs)) => {
                for (name, known) in theirs {
                    mine.entry(name.clone()).or_default().learn(known);
                }
            }
            _ => {}
        }
    }

    /// Notes that an expression is used as `used`, if it names an argument.
    fn expect(&mut self, expression: &Value, used: &Self) {
        if let Some(path) = path(expression) {
            self.at(&path).learn(used);
            return;
        }
        match split(expression) {
            Some(("if-then-else", parts)) => {
                for part in ["then", "else"].into_iter().filter_map(|name| parts.get(name)) {
                    self.expect(part, used);
                }
            }
            Some(("Set", Value::Array(items))) => {
                if let Self::Set(element) = used {
                    items.iter().for_each(|item| self.expect(item, element));
                }
            }
            _ => {}
        }
    }

    /// Two expressions that must be of one type.
    fn same(&mut self, left: &Value, right: &Value) {
        let (of_left, of_right) = (self.of(left), self.of(right));
        self.expect(left, &of_right);
        self.expect(right, &of_left);
    }

    /// The type of an expression; `self` is that of the arguments.
    fn of(&self, expression: &Value) -> Self {
        if let Some(path) = path(expression) {
            let found = path.iter().try_fold(self, |at, name| match at {
                Self::Record(members) => members.get(name),
                _ => None,
            });
            return found.cloned().unwrap_or_default();
        }
        let Some((operator, operands)) = split(expression) else { return Self::Unknown };
        match operator {
            "Value" => of_literal(operands),
            "." => of_attribute(operands),
            "Set" => {
                let items = operands.as_array().map(Vec::as_slice).unwrap_or_default();
                let mut element = Self::Unknown;
                items.iter().for_each(|item| element.learn(&self.of(item)));
                Self::Set(Box::new(element))
            }
            "if-then-else" => {
                let mut found = operands.get("then").map(|then| self.of(then)).unwrap_or_default();
                found.learn(&operands.get("else").map(|other| self.of(other)).unwrap_or_default());
                found
            }
            "+" | "-" | "*" | "neg" | "toMilliseconds" | "toSeconds" | "toMinutes" | "toHours" | "toDays" => {
                Self::Long
            }
            "decimal" => Self::Extension("decimal"),
            "datetime" | "offset" | "toDate" => Self::Extension("datetime"),
            "duration" | "durationSince" | "toTime" => Self::Extension("duration"),
            "ip" => Self::Extension("ipaddr"),
            "Var" | "Record" | "Slot" | "getTag" => Self::Unknown,
            _ => Self::Bool,
        }
    }

    /// Learns from every part of an expression.
    fn walk(&mut self, expression: &Value) {
        let Some((operator, operands)) = split(expression) else { return };
        if let Some(path) = path(expression) {
            self.at(&path);
        }
        let part = |name: &str| operands.get(name).unwrap_or(&Value::Null);
        let (left, right) = (part("left"), part("right"));
        match operator {
            "&&" | "||" => [left, right].into_iter().for_each(|side| self.expect(side, &Self::Bool)),
            "!" => self.expect(part("arg"), &Self::Bool),
            "if-then-else" => {
                self.expect(part("if"), &Self::Bool);
                self.same(part("then"), part("else"));
            }
            "==" | "!=" => self.same(left, right),
            "<" | "<=" | ">" | ">=" => {
                self.same(left, right);
                // Dates and durations can be compared, too; what is compared to neither is a number.
                if [left, right].iter().all(|side| matches!(self.of(side), Self::Unknown | Self::Long)) {
                    [left, right].into_iter().for_each(|side| self.expect(side, &Self::Long));
                }
            }
            "+" | "-" | "*" => [left, right].into_iter().for_each(|side| self.expect(side, &Self::Long)),
            "neg" => self.expect(part("arg"), &Self::Long),
            "like" => self.expect(left, &Self::String),
            "contains" => {
                self.expect(left, &Self::Set(Box::new(self.of(right))));
                if let Self::Set(element) = self.of(left) {
                    self.expect(right, &element);
                }
            }
            "containsAll" | "containsAny" => {
                [left, right].into_iter().for_each(|side| self.expect(side, &Self::Set(Box::default())));
                self.same(left, right);
            }
            "isEmpty" => self.expect(part("arg"), &Self::Set(Box::default())),
            "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => {
                for side in operands.as_array().into_iter().flatten() {
                    self.expect(side, &Self::Extension("decimal"));
                }
            }
            "has" => self.tested(left, &attributes(operands)),
            _ => {}
        }
        match operands {
            Value::Object(parts) if operator != "Value" => parts.values().for_each(|part| self.walk(part)),
            Value::Array(parts) => parts.iter().for_each(|part| self.walk(part)),
            _ => {}
        }
    }

    /// A test names an argument, too. `context has args.path` is one.
    fn tested(&mut self, left: &Value, names: &[&str]) {
        let start =
            if is_context(left) && names.first() == Some(&"args") { Some(Vec::new()) } else { path(left) };
        let Some(mut path) = start else { return };
        let names = if is_context(left) { names.get(1..).unwrap_or_default() } else { names };
        path.extend(names.iter().map(|&name| name.to_owned()));
        self.at(&path);
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Bool => out.push_str("Bool"),
            Self::Long => out.push_str("Long"),
            // Looked at in ways that fit every type.
            Self::String | Self::Unknown => out.push_str("String"),
            Self::Extension(name) => out.push_str(name),
            Self::Set(element) => {
                out.push_str("Set<");
                element.write(out);
                out.push('>');
            }
            Self::Record(members) => {
                out.push('{');
                for (name, member) in members {
                    // Writing to a string does not fail.
                    let _ = write!(out, "\"{}\"?: ", name.escape_debug());
                    member.write(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }
}

fn of_literal(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Long,
        Value::String(_) => Type::String,
        Value::Array(items) => Type::Set(Box::new(items.first().map(of_literal).unwrap_or_default())),
        _ => Type::Unknown,
    }
}

/// The type of an attribute that the schema fixes.
fn of_attribute(access: &Value) -> Type {
    let variable = access.get("left").and_then(|left| left.get("Var")).and_then(Value::as_str);
    match (variable, attributes(access).as_slice()) {
        (Some("principal"), ["groups" | "scopes"]) => Type::Set(Box::new(Type::String)),
        (Some("principal" | "resource"), [_]) => Type::String,
        (Some("context"), ["now"]) => Type::Extension("datetime"),
        (Some("context"), ["hour" | "weekday"]) => Type::Long,
        _ => Type::Unknown,
    }
}
