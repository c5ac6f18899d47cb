//! What an owner says about the door of one resource: who may come, which tools need a word, which rules hold, and what
//! the server behind is shown.

use std::collections::BTreeSet;

use portcullis_gateway::{ClientCredentials, ClientSecret, Credential, SecretPlace};
use portcullis_policy::{Confirm, Rules};
use portcullis_rules::groups::{Group, People};
use portcullis_rules::tools::NewTools;
use url::Url;

use super::fault::Fault;
use super::file::{CredentialFile, ResourceFile, ToolFile};
use super::reader::At;
use super::secret::Written;

/// A tool, by name or pattern, that needs a word first.
pub(crate) type Asked = (String, Confirm);

/// The door of one resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct DoorPlan {
    pub(crate) new: NewTools,
    pub(crate) confirm: Vec<Asked>,
    pub(crate) keep_values: Vec<String>,
    pub(crate) lenient: bool,
    pub(crate) rules: Option<Rules>,
    pub(crate) identity: bool,
    pub(crate) credential: Option<Credential>,
}

/// Who may use what `key` stands beside: everyone, unless groups are named.
pub(super) fn people(key: &str, written: Option<&Vec<At<String>>>, faults: &mut Vec<Fault>) -> People {
    let Some(names) = written else { return People::Everyone };
    if names.iter().any(|at| at.value == "*") {
        if names.len() > 1 {
            let line = names.first().map_or(0, |at| at.line);
            faults.push(
                Fault::new(line, key, "`*` is everyone already")
                    .advise("name groups, or write people = [\"*\"]"),
            );
        }
        return People::Everyone;
    }
    let mut groups = BTreeSet::new();
    for At { value, line } in names {
        match Group::parse(value) {
            Some(group) => drop(groups.insert(group)),
            None => faults.push(
                Fault::new(*line, key, format!("`{value}` is no name of a group"))
                    .advise("a group has small letters, digits and -_.@"),
            ),
        }
    }
    People::Groups(groups)
}

pub(super) fn door(file: &ResourceFile, faults: &mut Vec<Fault>) -> DoorPlan {
    let is_set = |flag: &Option<At<bool>>| flag.as_ref().is_some_and(|at| at.value);
    let new = match file.new_tools.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None | Some(("hold", _)) => NewTools::Hold,
        Some(("allow", _)) => NewTools::Allow,
        Some((other, line)) => {
            faults.push(
                Fault::new(line, "resource.new_tools", format!("`{other}` is no choice"))
                    .advise("write \"hold\" or \"allow\""),
            );
            NewTools::Hold
        }
    };
    let mut plan = DoorPlan {
        new,
        lenient: is_set(&file.lenient_headers),
        identity: is_set(&file.identity),
        rules: file.policy.as_ref().and_then(|at| rules(at, faults)),
        credential: file.credential.as_ref().and_then(|written| credential(written, faults)),
        ..DoorPlan::default()
    };
    for tool in &file.tools {
        asked(tool, &mut plan, faults);
    }
    plan
}

fn asked(file: &ToolFile, plan: &mut DoorPlan, faults: &mut Vec<Fault>) {
    let Some(name) = &file.name else {
        faults.push(Fault::new(file.line, "resource.tool.name", "which tool, or which pattern of names?"));
        return;
    };
    match file.confirm.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None => {}
        Some(("person", _)) => plan.confirm.push((name.value.clone(), Confirm::Person)),
        Some(("client", _)) => plan.confirm.push((name.value.clone(), Confirm::Client)),
        Some((other, line)) => faults.push(
            Fault::new(line, "resource.tool.confirm", format!("`{other}` cannot be asked"))
                .advise("write \"person\" or \"client\""),
        ),
    }
    if file.audit_values.as_ref().is_some_and(|at| at.value) {
        plan.keep_values.push(name.value.clone());
    }
}

fn rules(at: &At<std::path::PathBuf>, faults: &mut Vec<Fault>) -> Option<Rules> {
    let shown = at.value.display().to_string();
    let text = match std::fs::read_to_string(&at.value) {
        Ok(text) => text,
        Err(error) => {
            faults.push(Fault::new(at.line, "resource.policy", format!("`{shown}`: {error}")));
            return None;
        }
    };
    match Rules::load(&text, &shown) {
        Ok(rules) => Some(rules),
        Err(wrong) => {
            faults.extend(wrong.iter().map(|fault| Fault::new(at.line, "resource.policy", fault)));
            None
        }
    }
}

fn credential(file: &CredentialFile, faults: &mut Vec<Fault>) -> Option<Credential> {
    let written = Written {
        key: "resource.credential.value",
        line: file.line,
        file: file.value_file.as_ref(),
        env: file.value_env.as_ref(),
    };
    let value = written.required(faults)?;
    let (kind, line) = file.kind.as_ref().map_or(("bearer", file.line), |at| (at.value.as_str(), at.line));
    let told = |fault: &dyn std::fmt::Display| Fault::new(line, "resource.credential", fault);
    let made = match kind {
        "bearer" => Credential::bearer(&value),
        "header" => {
            let name = file.header.as_ref().and_then(|at| at.value.parse().ok());
            let Some(name) = name else {
                faults.push(
                    told(&"a header needs its name")
                        .advise("write `header = \"X-Api-Key\"`, or kind = \"bearer\""),
                );
                return None;
            };
            Credential::header(name, &value)
        }
        "client_credentials" => {
            let url = file.token_url.as_ref().and_then(|at| Url::parse(&at.value).ok());
            let (Some(token_url), Some(client_id)) = (url, &file.client_id) else {
                faults.push(told(&"a client needs `token_url` and `client_id`"));
                return None;
            };
            let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
            return Some(Credential::client(ClientCredentials {
                token_url,
                client_id: client_id.value.clone(),
                secret: ClientSecret::new(&value),
                place: SecretPlace::Basic,
                scope: text(&file.scope),
                resource: text(&file.resource),
            }));
        }
        other => {
            faults.push(
                told(&format!("`{other}` is no kind of credential"))
                    .advise("write \"bearer\", \"header\" or \"client_credentials\""),
            );
            return None;
        }
    };
    made.map_err(|error| faults.push(told(&error))).ok()
}
