//! Reading a file of policies: every fault with its line, and nothing half understood.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};

use super::RuleFault;
use super::infer::arguments_of;
use super::listing::{for_lists, mentions};
use super::text::{Statement, position, statements};

/// Longest file of policies, in bytes.
const FILE: usize = 256 * 1024;
/// Most policies in one file.
const POLICIES: usize = 500;
/// Most signs (operators, brackets, dots) in one policy, which bounds how deep it can be.
const SIGNS: usize = 1000;
/// Longest name of a policy, in bytes.
const NAME: usize = 64;
/// Stack for reading, in bytes: Cedar reads and checks by recursion, and the largest policy must not depend on who asks.
const STACK: usize = 64 * 1024 * 1024;

/// What policies may speak of.
pub(super) const SCHEMA: &str = include_str!("schema.cedarschema");

/// A policy that may be asked.
pub(super) struct Rule {
    /// Its name in the audit trail.
    pub(super) name: String,
    /// As it stands.
    pub(super) policy: Policy,
    /// As it counts while arguments are not known.
    pub(super) for_lists: Policy,
    /// Whether it looks at arguments.
    pub(super) is_open: bool,
}

/// A file, while it is read.
struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    faults: Vec<RuleFault>,
    /// Validators by the type of arguments they hold.
    validators: HashMap<String, Validator>,
}

/// Reads all policies, in the order of the file.
pub(super) fn load(text: &str, file: &str) -> Result<Vec<Rule>, Vec<RuleFault>> {
    let mut reader = Reader { text, file, faults: Vec::new(), validators: HashMap::new() };
    let rules = std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || reader.read());
        reading.ok()?.join().ok()
    });
    if rules.is_none() {
        reader.fault(0, None, "the file cannot be read for want of memory".to_owned(), None);
    }
    let mut faults = reader.faults;
    // Cedar tells one fault once for each kind of operation.
    faults.sort_by(|a, b| (a.line, a.column, &a.text).cmp(&(b.line, b.column, &b.text)));
    faults.dedup_by_key(|fault| (fault.line, fault.column));
    match rules {
        Some(rules) if faults.is_empty() => Ok(rules),
        _ => Err(faults),
    }
}

impl Reader<'_> {
    fn read(&mut self) -> Vec<Rule> {
        if self.text.len() > FILE {
            self.fault(0, None, format!("the file is longer than {} KiB", FILE / 1024), None);
            return Vec::new();
        }
        let statements = statements(self.text);
        if let Some(beyond) = statements.get(POLICIES) {
            self.fault(beyond.at.start, None, format!("a file holds at most {POLICIES} policies"), None);
        }
        for large in statements.iter().filter(|one| one.signs > SIGNS) {
            let hint = "split it into several policies, or list values in a set";
            self.fault(large.at.start, None, "the policy is too large".to_owned(), Some(hint));
        }
        if !self.faults.is_empty() {
            return Vec::new();
        }
        let set: PolicySet = match self.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                errors.iter().for_each(|error| self.detailed(&DetailedError::from(error), 0, None));
                return Vec::new();
            }
        };
        let mut names = HashMap::new();
        let mut rules = Vec::new();
        for (index, statement) in statements.iter().enumerate() {
            let Some(policy) = set.policy(&PolicyId::new(format!("policy{index}"))) else {
                let text = "templates with `?principal` or `?resource` are not supported".to_owned();
                self.fault(statement.at.start, None, text, Some("name whom the policy is about"));
                continue;
            };
            let Some(name) = self.name(policy, statement) else { continue };
            let line = position(self.text, statement.at.start).0;
            if let Some(first) = names.insert(name.clone(), line) {
                let text = format!("the name stands at line {first} already");
                self.fault(statement.at.start, Some(&name), text, Some("names of policies differ"));
                continue;
            }
            rules.extend(self.rule(policy, name, statement));
        }
        rules
    }

    fn name(&mut self, policy: &Policy, statement: &Statement) -> Option<String> {
        let Some(name) = policy.annotation("id") else {
            return Some(format!("policy at line {}", position(self.text, statement.at.start).0));
        };
        let is_name = (1..=NAME).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
        if !is_name {
            let text = format!("a name has 1 to {NAME} letters, digits and `-`, `_`, `.`, `:`");
            self.fault(statement.at.start, None, text, None);
        }
        is_name.then(|| name.to_owned())
    }

    fn rule(&mut self, policy: &Policy, name: String, statement: &Statement) -> Option<Rule> {
        let start = statement.at.start;
        if policy.effect() == Effect::Permit {
            let text = "this policy permits; scopes permit, and policies only forbid".to_owned();
            let hint = "write what shall not be as `forbid (…) when { … };`, or, to leave only what this policy permits, as \
                        `forbid (…) unless { … };`";
            self.fault(start, Some(&name), text, Some(hint));
            return None;
        }
        let policy = policy.new_id(PolicyId::new(&name));
        let json = match policy.to_json() {
            Ok(json) => json,
            Err(error) => {
                self.fault(start, Some(&name), error.to_string(), None);
                return None;
            }
        };
        let before = self.faults.len();
        self.validate(&policy, &name, arguments_of(&json), start);
        if self.faults.len() > before {
            return None;
        }
        let is_open = mentions(&json);
        let for_lists = match is_open {
            true => Policy::from_json(Some(PolicyId::new(&name)), for_lists(&json)),
            false => Ok(policy.clone()),
        };
        match for_lists {
            Ok(for_lists) => Some(Rule { name, policy, for_lists, is_open }),
            Err(error) => {
                self.fault(start, Some(&name), error.to_string(), None);
                None
            }
        }
    }

    fn validate(&mut self, policy: &Policy, name: &str, arguments: String, start: usize) {
        let found = PolicySet::from_policies([policy.clone()]).map_err(|error| error.to_string());
        let found =
            found.and_then(|set| Ok(self.validator(arguments)?.validate(&set, ValidationMode::Strict)));
        let found = match found {
            Ok(found) => found,
            Err(text) => return self.fault(start, Some(name), text, None),
        };
        for error in found.validation_errors() {
            self.detailed(&DetailedError::from(error), start, Some(name));
        }
        if !found.validation_passed() {
            return;
        }
        for warning in found.validation_warnings() {
            // A rule that never forbids anything is not what its author wanted.
            let is_fault = matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_)
                    | ValidationWarning::InvalidActionApplication(_)
                    | ValidationWarning::BidiCharsInString(_)
                    | ValidationWarning::BidiCharsInIdentifier(_)
            );
            if is_fault {
                self.detailed(&DetailedError::from(warning), start, Some(name));
            }
        }
    }

    /// The validator for policies that take their arguments to be of this type.
    fn validator(&mut self, arguments: String) -> Result<&Validator, String> {
        Ok(match self.validators.entry(arguments) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let schema = SCHEMA.replacen("args: {}", &format!("args: {}", new.key()), 1);
                let (schema, _) = Schema::from_cedarschema_str(&schema).map_err(|error| error.to_string())?;
                new.insert(Validator::new(schema))
            }
        })
    }

    /// Takes over what Cedar says, without the policy's name, which stands before it.
    fn detailed(&mut self, error: &DetailedError, start: usize, name: Option<&str>) {
        let prefix = name.map(|name| format!("for policy `{name}`, ")).unwrap_or_default();
        let mut text = error.message.strip_prefix(&prefix).unwrap_or(&error.message).to_owned();
        let label = error.source_locations.first();
        if let Some(said) = label.and_then(|label| label.label.as_deref()) {
            text = format!("{text}: {said}");
        }
        self.fault(label.map_or(start, |label| label.loc.start), name, text, error.help.as_deref());
    }

    fn fault(&mut self, at: usize, policy: Option<&str>, text: String, hint: Option<&str>) {
        let (line, column) = position(self.text, at);
        let (policy, hint) = (policy.map(str::to_owned), hint.map(str::to_owned));
        self.faults.push(RuleFault { file: self.file.to_owned(), line, column, policy, text, hint });
    }
}
