//! The guarded servers: from what was written to catalog, table of tools and what stands behind.

use std::path::PathBuf;

use portcullis::{ToolTable, plain_words};
use portcullis_rules::catalog::{Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::groups::People;
use portcullis_runner::Sharing;
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::{Scope, Scopes};
use url::Url;

use super::door::{self, DoorPlan};
use super::fault::Fault;
use super::file::{ResourceFile, ScopeFile};
use super::reader::At;
use crate::run::builtin;

/// Paths of the authorization server's own, which no guarded server can have.
const RESERVED: [&str; 14] = [
    "/",
    "/authorize",
    "/token",
    "/register",
    "/revoke",
    "/introspect",
    "/sign-in",
    "/sign-out",
    "/consent",
    "/account",
    "/setup",
    "/approve",
    "/callback",
    "/saml",
];

/// What stands behind a guarded path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// The small server of notes that comes with us.
    Builtin,
    /// An MCP server of the owner's, over HTTP.
    Upstream(Url),
    /// One that speaks the transport of 2024-11-05.
    LegacySse(Url),
    /// A program that speaks over stdio.
    Command(Box<Program>),
    /// Nothing here: the server is elsewhere, and verifies tokens itself.
    Elsewhere,
}

/// A program to be run for agents. Its `Debug` shows no argument: they may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) sharing: Sharing,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    pub(crate) unix_sockets: bool,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("command", &self.command).finish_non_exhaustive()
    }
}

/// One guarded server.
#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    pub(crate) entry: ResourceEntry,
    pub(crate) tools: ToolTable,
    pub(crate) require: Scopes,
    pub(crate) behind: Behind,
    pub(crate) door: DoorPlan,
}

/// All of them, the default one first.
pub(crate) fn resolve_all(files: &[ResourceFile], issuer: &Issuer, faults: &mut Vec<Fault>) -> Vec<Guarded> {
    if files.is_empty() {
        faults.push(
            Fault::new(0, "resource", "there is nothing to guard")
                .advise("add a [[resource]] with `path = \"/mcp\"` and `upstream = \"http://…\"`"),
        );
    }
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for file in files {
        let Some(one) = resolve(file, issuer, faults) else { continue };
        let is_default = file.default.as_ref().is_some_and(|at| at.value);
        if is_default { first.push(one) } else { rest.push(one) }
    }
    if first.len() > 1 {
        let second = files.iter().filter_map(|file| file.default.as_ref().filter(|at| at.value)).nth(1);
        faults.push(Fault::new(
            second.map_or(0, |at| at.line),
            "resource.default",
            "only one can be the default",
        ));
    }
    first.append(&mut rest);
    first
}

fn resolve(file: &ResourceFile, issuer: &Issuer, faults: &mut Vec<Fault>) -> Option<Guarded> {
    let before = faults.len();
    let resource = identity(file, issuer, faults);
    let behind = behind(file, faults);
    let scopes = scopes(file, &behind, faults);
    let mut require = Scopes::none();
    let base = file.require.clone().unwrap_or_else(|| implied_base(&scopes, &behind));
    for At { value, line } in base {
        match scopes.iter().find(|entry| entry.scope.as_str() == value) {
            Some(entry) => require.insert(entry.scope.clone()),
            None => faults.push(
                Fault::new(line, "resource.require", format!("`{value}` is none of this resource's scopes"))
                    .advise("add a [[resource.scope]] of this name"),
            ),
        }
    }
    let resource = resource?;
    if behind != Behind::Elsewhere {
        served_here(file, &resource, issuer, faults);
    }
    let name = file.name.as_ref().map(|at| at.value.clone()).unwrap_or_else(|| match behind {
        Behind::Builtin => builtin::NAME.to_owned(),
        _ => issuer.authority(),
    });
    let tools = table(&scopes, &file.scopes);
    let rs256 = file.rs256.as_ref().is_some_and(|at| at.value);
    let people = door::people("resource.people", file.people.as_ref(), faults);
    let entry = ResourceEntry { resource, name, scopes, rs256, people };
    let door = door::door(file, faults);
    (faults.len() == before).then_some(Guarded { entry, tools, require, behind, door })
}

fn identity(file: &ResourceFile, issuer: &Issuer, faults: &mut Vec<Fault>) -> Option<Resource> {
    let (text, line, key) = match (&file.uri, &file.path) {
        (Some(uri), None) => (uri.value.clone(), uri.line, "resource.uri"),
        (None, Some(path)) if path.value.starts_with('/') => {
            (format!("{}{}", issuer.origin(), path.value), path.line, "resource.path")
        }
        (None, Some(path)) => {
            faults.push(
                Fault::new(
                    path.line,
                    "resource.path",
                    format!("`{}` does not begin with a slash", path.value),
                )
                .advise(format!("write \"/{}\"", path.value)),
            );
            return None;
        }
        (Some(_), Some(path)) => {
            faults.push(
                Fault::new(
                    path.line,
                    "resource.path",
                    "a resource has either a path below the issuer or a whole URI",
                )
                .advise("keep `path`, unless the server is elsewhere"),
            );
            return None;
        }
        (None, None) => {
            faults.push(
                Fault::new(file.line, "resource.path", "the resource has no place")
                    .advise("write `path = \"/mcp\"`"),
            );
            return None;
        }
    };
    match Resource::parse(&text) {
        Ok(resource) => Some(resource),
        Err(error) => {
            faults.push(Fault::new(line, key, format!("`{text}`: {error}")));
            None
        }
    }
}

/// What is reached through our own listener must have a place there.
fn served_here(file: &ResourceFile, resource: &Resource, issuer: &Issuer, faults: &mut Vec<Fault>) {
    let at = file.path.as_ref().or(file.uri.as_ref());
    let line = at.map_or(file.line, |at| at.line);
    let key = if file.path.is_some() { "resource.path" } else { "resource.uri" };
    let path = resource.path();
    let bare = path.trim_end_matches('/');
    let reserved = RESERVED.contains(&if bare.is_empty() { "/" } else { bare });
    if reserved || bare.starts_with("/.well-known") || bare.starts_with("/account/") {
        let message = format!("`{path}` is the authorization server's own");
        faults.push(Fault::new(line, key, message).advise("choose another, such as \"/mcp\""));
    }
    if !resource.is_on(issuer) {
        let message =
            format!("`{resource}` is not on the issuer `{issuer}`, and cannot have an upstream here");
        faults.push(Fault::new(line, key, message).advise("leave `upstream` out, or write a `path`"));
    }
    if resource.as_str().contains('?') {
        faults.push(Fault::new(line, key, "a server behind a path of ours has no query"));
    }
}

fn behind(file: &ResourceFile, faults: &mut Vec<Fault>) -> Behind {
    if let (Some(At { line, .. }), Some(_)) = (&file.upstream, &file.command) {
        faults.push(
            Fault::new(
                *line,
                "resource.upstream",
                "a server is reached by a URL or run as a command, not both",
            )
            .advise("keep one of `upstream` and `command`"),
        );
    }
    if let Some(words) = &file.command {
        return program(file, words, faults);
    }
    let Some(At { value, line }) = &file.upstream else { return Behind::Elsewhere };
    if value == "builtin" {
        return Behind::Builtin;
    }
    let url = match Url::parse(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => url,
        _ => {
            faults.push(
                Fault::new(*line, "upstream", format!("`{value}` is no http or https URL"))
                    .advise("write the whole URL of the MCP server, such as http://127.0.0.1:3000/mcp"),
            );
            return Behind::Elsewhere;
        }
    };
    match file.transport.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None | Some(("http", _)) => Behind::Upstream(url),
        Some(("sse", _)) => Behind::LegacySse(url),
        Some((other, line)) => {
            faults.push(
                Fault::new(line, "resource.transport", format!("`{other}` is no transport"))
                    .advise("write \"http\" or \"sse\""),
            );
            Behind::Upstream(url)
        }
    }
}

fn program(file: &ResourceFile, words: &[At<String>], faults: &mut Vec<Fault>) -> Behind {
    let Some((command, args)) = words.split_first().filter(|(command, _)| !command.value.is_empty()) else {
        faults.push(
            Fault::new(file.line, "resource.command", "there is no program to run")
                .advise("write command = [\"npx\", \"-y\", \"some-mcp-server\"]"),
        );
        return Behind::Elsewhere;
    };
    let sharing = match file.processes.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None | Some(("per-agent", _)) => Sharing::PerAgent,
        Some(("shared", _)) => Sharing::Shared,
        Some((other, line)) => {
            faults.push(
                Fault::new(line, "resource.processes", format!("`{other}` is no choice"))
                    .advise("write \"per-agent\" or \"shared\""),
            );
            Sharing::PerAgent
        }
    };
    let texts = |list: &Option<Vec<At<String>>>| -> Vec<String> {
        list.iter().flatten().map(|at| at.value.clone()).collect()
    };
    let paths = |list: &Option<Vec<At<String>>>| texts(list).into_iter().map(PathBuf::from).collect();
    Behind::Command(Box::new(Program {
        command: command.value.clone(),
        args: args.iter().map(|at| at.value.clone()).collect(),
        env: texts(&file.env),
        sharing,
        read: paths(&file.read),
        write: paths(&file.write),
        unix_sockets: file.unix_sockets.as_ref().is_some_and(|at| at.value),
    }))
}

fn scopes(file: &ResourceFile, behind: &Behind, faults: &mut Vec<Fault>) -> Vec<ScopeEntry> {
    if file.scopes.is_empty() {
        return match behind {
            Behind::Builtin => builtin::scopes(),
            _ => Scope::parse("mcp:tools").map(every_tool).into_iter().collect(),
        };
    }
    let mut all: Vec<ScopeEntry> = Vec::new();
    for written in &file.scopes {
        let Some(entry) = scope(written, faults) else { continue };
        if all.iter().any(|other| other.scope == entry.scope) {
            faults.push(Fault::new(
                written.line,
                "resource.scope.name",
                format!("`{}` is there twice", entry.scope),
            ));
        } else {
            all.push(entry);
        }
    }
    if !all.is_empty() && !all.iter().any(|entry| entry.default) {
        faults.push(
            Fault::new(
                file.line,
                "resource.scope.default",
                "no scope is given to a client that asks for none",
            )
            .advise("write `default = true` at the least useful one"),
        );
    }
    all
}

/// The one scope of a server about which nothing was said.
fn every_tool(scope: Scope) -> ScopeEntry {
    let title = "Use every tool of this server".to_owned();
    ScopeEntry {
        scope,
        title,
        effect: Effect::Changes,
        tools: Vec::new(),
        default: true,
        people: People::Everyone,
    }
}

fn scope(file: &ScopeFile, faults: &mut Vec<Fault>) -> Option<ScopeEntry> {
    let Some(name) = &file.name else {
        faults.push(Fault::new(file.line, "resource.scope.name", "the scope has no name"));
        return None;
    };
    let scope = match Scope::parse(&name.value) {
        Ok(scope) => scope,
        Err(error) => {
            faults.push(Fault::new(name.line, "resource.scope.name", format!("`{}`: {error}", name.value)));
            return None;
        }
    };
    let (words, guessed) = plain_words(&name.value);
    let effect = match file.effect.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None => guessed,
        Some(("reads", _)) => Effect::Reads,
        Some(("changes", _)) => Effect::Changes,
        Some(("deletes", _)) => Effect::Deletes,
        Some((other, line)) => {
            faults.push(
                Fault::new(line, "resource.scope.effect", format!("`{other}` is no effect"))
                    .advise("write \"reads\", \"changes\" or \"deletes\""),
            );
            guessed
        }
    };
    Some(ScopeEntry {
        scope,
        title: file.title.as_ref().map_or(words, |at| at.value.clone()),
        effect,
        tools: file.tools.iter().flatten().map(|at| at.value.clone()).collect(),
        default: file.default.as_ref().is_some_and(|at| at.value),
        people: door::people("resource.scope.people", file.people.as_ref(), faults),
    })
}

/// What every request needs where the file does not say: the default scopes that name no tools. The built-in server
/// is ours, and nothing in it is of use without reading: a client that steps up and asks for just what the challenge
/// names then keeps what it had.
fn implied_base(scopes: &[ScopeEntry], behind: &Behind) -> Vec<At<String>> {
    let whole = *behind == Behind::Builtin;
    let base = scopes.iter().filter(|entry| entry.default && (whole || entry.tools.is_empty()));
    base.map(|entry| At::nowhere(entry.scope.to_string())).collect()
}

/// Which scopes the tools and methods need.
fn table(scopes: &[ScopeEntry], files: &[ScopeFile]) -> ToolTable {
    let only = |scope: &Scope| -> Scopes { std::iter::once(scope.clone()).collect() };
    let named = scopes.iter().flat_map(|entry| entry.tools.iter().map(move |tool| (tool, &entry.scope)));
    let table = named.fold(ToolTable::default(), |table, (tool, scope)| table.tool(tool, &only(scope)));
    let named = files.iter().flat_map(|file| {
        let scope = file.name.as_ref().and_then(|name| Scope::parse(&name.value).ok());
        let methods = file.methods.iter().flatten();
        methods.filter_map(move |method| Some((&method.value, scope.clone()?)))
    });
    named.fold(table, |table, (method, scope)| table.method(method, &only(&scope)))
}
