//! Resources described in few words: scopes by name, tools by the scopes they need. What is left unsaid gets a
//! default that a person can understand.

use std::path::PathBuf;

use portcullis_mcp::ToolTable;
use portcullis_policy::Confirm;
use portcullis_rules::catalog::{Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::groups::People;
use portcullis_rules::tools::NewTools;
use portcullis_wire::resource::{Resource, ResourceError};
use portcullis_wire::scope::{Scope, ScopeError, Scopes};

/// A description that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// The resource's URI.
    #[error("the resource `{0}`: {1}")]
    Resource(String, #[source] ResourceError),
    /// A scope.
    #[error("the scope `{0}`: {1}")]
    Scope(String, #[source] ScopeError),
    /// Something was said about a scope that the resource does not have.
    #[error("the resource `{0}` has no scope `{1}`: name it first")]
    NoScope(String, String),
}

/// A resource in the making.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) uri: String,
    pub(crate) name: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) tools: Vec<(String, Vec<String>)>,
    pub(crate) titles: Vec<(String, String, Effect)>,
    pub(crate) confirm: Vec<(String, Confirm)>,
    pub(crate) people: Option<Vec<String>>,
    pub(crate) scope_people: Vec<(String, Vec<String>)>,
    pub(crate) new_tools: NewTools,
    pub(crate) keep_values: Vec<String>,
    pub(crate) policy_file: Option<PathBuf>,
}

impl Description {
    pub(crate) fn new<S: Into<String>>(uri: &str, scopes: impl IntoIterator<Item = S>) -> Self {
        Self {
            uri: uri.to_owned(),
            name: None,
            scopes: scopes.into_iter().map(Into::into).collect(),
            tools: Vec::new(),
            titles: Vec::new(),
            confirm: Vec::new(),
            people: None,
            scope_people: Vec::new(),
            new_tools: NewTools::default(),
            keep_values: Vec::new(),
            policy_file: None,
        }
    }

    /// The resource's place in the catalog, and what its tools need. Scopes named for the resource are given by
    /// default; those that only a tool needs must be asked for.
    pub(crate) fn resolve(&self) -> Result<(ResourceEntry, ToolTable), DescribeError> {
        let resource =
            Resource::parse(&self.uri).map_err(|error| DescribeError::Resource(self.uri.clone(), error))?;
        let mut scopes = Vec::new();
        for name in &self.scopes {
            add(&mut scopes, name, true)?;
        }
        let mut table = ToolTable::default();
        for (tool, needs) in &self.tools {
            for name in needs {
                add(&mut scopes, name, false)?.tools.push(tool.clone());
            }
            table = table.tool(tool, &scopes_of(needs)?);
        }
        for (name, title, effect) in &self.titles {
            let Some(entry) = scopes.iter_mut().find(|entry: &&mut ScopeEntry| entry.scope.as_str() == name)
            else {
                return Err(DescribeError::NoScope(self.uri.clone(), name.clone()));
            };
            entry.title.clone_from(title);
            entry.effect = *effect;
        }
        let name = self.name.clone().unwrap_or_else(|| host_of(&self.uri));
        Ok((ResourceEntry { resource, name, scopes, rs256: false, people: People::Everyone }, table))
    }
}

/// Scopes from their names.
pub(crate) fn scopes_of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Scopes, DescribeError> {
    names.into_iter().map(|name| scope(name.as_ref())).collect()
}

fn scope(name: &str) -> Result<Scope, DescribeError> {
    Scope::parse(name).map_err(|error| DescribeError::Scope(name.to_owned(), error))
}

fn add<'a>(
    scopes: &'a mut Vec<ScopeEntry>,
    name: &str,
    default: bool,
) -> Result<&'a mut ScopeEntry, DescribeError> {
    let scope = scope(name)?;
    let index = scopes.iter().position(|entry| entry.scope == scope).unwrap_or_else(|| {
        let (title, effect) = plain_words(name);
        scopes.push(ScopeEntry {
            scope,
            title,
            effect,
            tools: Vec::new(),
            default,
            people: People::Everyone,
        });
        scopes.len() - 1
    });
    Ok(&mut scopes[index])
}

/// What to tell a person about a scope nobody described. What it does is not known, so that it is not called
/// harmless.
pub fn plain_words(name: &str) -> (String, Effect) {
    match name {
        "mcp:tools" => ("Use the tools of this server".to_owned(), Effect::Changes),
        "mcp:resources" => ("Read the resources of this server".to_owned(), Effect::Reads),
        "mcp:prompts" => ("Read the prompts of this server".to_owned(), Effect::Reads),
        other => {
            let effect = match other.rsplit([':', '.', '/']).next() {
                Some("read" | "list" | "view") => Effect::Reads,
                Some("delete" | "remove" | "purge" | "pay" | "spend") => Effect::Deletes,
                _ => Effect::Changes,
            };
            (format!("Do what the server calls {other}"), effect)
        }
    }
}

fn host_of(uri: &str) -> String {
    url::Url::parse(uri)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Description {
        let mut notes = Description::new("https://notes.example.com/mcp", ["mcp:tools"]);
        notes.tools.push(("delete_note".to_owned(), vec!["notes:delete".to_owned()]));
        notes
    }

    #[test]
    fn a15_scopes_of_single_tools_are_not_given_unasked() {
        let (entry, table) = notes().resolve().unwrap();
        assert_eq!(entry.default_scopes().to_string(), "mcp:tools");
        assert_eq!(entry.offered().to_string(), "mcp:tools notes:delete");
        assert_eq!(entry.name, "notes.example.com");
        let delete = entry.scopes.iter().find(|scope| scope.scope.as_str() == "notes:delete").unwrap();
        assert_eq!((delete.effect, &delete.tools[..]), (Effect::Deletes, &["delete_note".to_owned()][..]));
        assert!(!table.may(&Scopes::parse("mcp:tools").unwrap(), "delete_note"));
        assert!(table.may(&Scopes::parse("mcp:tools notes:delete").unwrap(), "delete_note"));
    }

    #[test]
    fn faults_name_what_is_wrong() {
        let mut titled = notes();
        titled.titles.push(("notes:write".to_owned(), "Write".to_owned(), Effect::Changes));
        for (name, given, expected) in [
            ("relative", Description::new("/mcp", ["a"]), "`/mcp`"),
            ("plain http", Description::new("http://h.example/mcp", ["a b"]), "`a b`"),
            ("scope", Description::new("https://h.example/mcp", ["\""]), "`\"`"),
            ("unknown title", titled, "`notes:write`"),
        ] {
            let fault = given.resolve().unwrap_err().to_string();
            assert!(fault.contains(expected), "{name}: {fault}");
        }
    }
}
