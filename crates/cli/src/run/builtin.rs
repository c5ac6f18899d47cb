//! The MCP server that comes with us, so that everything can be tried at once: an echo, and a few notes that one
//! may read, and that can be changed and deleted with a further scope. Notes are kept in memory, for each person
//! apart, and end with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use portcullis::Agent;
use portcullis_rules::catalog::{Effect, ScopeEntry};
use portcullis_wire::resource::Issuer;
use portcullis_wire::scope::Scope;
use rmcp::handler::server::common::Extension;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

/// What people call it.
pub(crate) const NAME: &str = "Notes";

/// Notes of one person.
const NOTES: usize = 100;
/// Bytes of a note's text.
const TEXT: usize = 16 * 1024;
/// Bytes of a note's name.
const NAME_SIZE: usize = 100;
/// People whose notes are kept; whoever comes later reads the first notes and writes none.
const PEOPLE: usize = 1000;

/// Its scopes, and the tools that need them.
pub(crate) fn scopes() -> Vec<ScopeEntry> {
    let entry = |name, title: &str, effect, tools: &[&str], default| {
        Some(ScopeEntry {
            scope: Scope::parse(name).ok()?,
            title: title.to_owned(),
            effect,
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
            default,
            people: portcullis_rules::groups::People::Everyone,
        })
    };
    let read = entry(
        "notes:read",
        "Read your notes, and echo text",
        Effect::Reads,
        &["echo", "list_notes", "read_note"],
        true,
    );
    let write = entry(
        "notes:write",
        "Write and delete your notes",
        Effect::Deletes,
        &["write_note", "delete_note"],
        false,
    );
    [read, write].into_iter().flatten().collect()
}

/// The service, for requests that passed a guard.
pub(crate) fn service(issuer: &Issuer) -> StreamableHttpService<Notes, LocalSessionManager> {
    // The guard has judged Host and Origin; this holds the same for whoever takes the guard away.
    let host = issuer.url().host_str().unwrap_or_default().to_owned();
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), "::1".to_owned(), host];
    let config = StreamableHttpServerConfig::default().with_allowed_hosts(hosts);
    let notes = Notes::new();
    StreamableHttpService::new(move || Ok(notes.clone()), Arc::new(LocalSessionManager::default()), config)
}

type Shelf = BTreeMap<String, String>;

/// The server.
#[derive(Clone)]
pub(crate) struct Notes {
    tool_router: ToolRouter<Self>,
    shelves: Arc<Mutex<BTreeMap<String, Shelf>>>,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    /// The text.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// The name of the note.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Written {
    /// The name of the note.
    name: String,
    /// What it shall say.
    text: String,
}

#[tool_router]
impl Notes {
    fn new() -> Self {
        Self { tool_router: Self::tool_router(), shelves: Arc::default() }
    }

    #[tool(description = "Say the same text back.", annotations(title = "Echo", read_only_hint = true))]
    async fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }

    #[tool(
        description = "List the names of your notes.",
        annotations(title = "List notes", read_only_hint = true)
    )]
    async fn list_notes(&self, Extension(parts): Extension<Parts>) -> String {
        self.with(&parts, |shelf| shelf.keys().map(String::as_str).collect::<Vec<_>>().join("\n"))
    }

    #[tool(
        description = "Read one of your notes.",
        annotations(title = "Read a note", read_only_hint = true)
    )]
    async fn read_note(
        &self,
        Parameters(Named { name }): Parameters<Named>,
        Extension(parts): Extension<Parts>,
    ) -> Result<String, String> {
        self.with(&parts, |shelf| shelf.get(&name).cloned().ok_or_else(|| missing(&name)))
    }

    #[tool(
        description = "Write a note, in place of one of the same name if there is one.",
        annotations(title = "Write a note", destructive_hint = true, idempotent_hint = true)
    )]
    async fn write_note(
        &self,
        Parameters(Written { name, text }): Parameters<Written>,
        Extension(parts): Extension<Parts>,
    ) -> Result<String, String> {
        if name.is_empty() || name.len() > NAME_SIZE || text.len() > TEXT {
            return Err(format!("a name has 1 to {NAME_SIZE} bytes, and a text at most {TEXT}"));
        }
        self.with(&parts, |shelf| {
            if shelf.len() >= NOTES && !shelf.contains_key(&name) {
                return Err(format!("there are {NOTES} notes already; delete one first"));
            }
            let said = format!("wrote {name}");
            shelf.insert(name, text);
            Ok(said)
        })
    }

    #[tool(
        description = "Delete one of your notes. It cannot be brought back.",
        annotations(title = "Delete a note", destructive_hint = true, idempotent_hint = true)
    )]
    async fn delete_note(
        &self,
        Parameters(Named { name }): Parameters<Named>,
        Extension(parts): Extension<Parts>,
    ) -> Result<String, String> {
        self.with(&parts, |shelf| match shelf.remove(&name) {
            Some(_) => Ok(format!("deleted {name}")),
            None => Err(missing(&name)),
        })
    }

    /// The shelf of whoever calls.
    fn with<T>(&self, parts: &Parts, act: impl FnOnce(&mut Shelf) -> T) -> T {
        let person = parts.extensions.get::<Agent>().map_or("", |agent| agent.subject.as_str());
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if shelves.len() >= PEOPLE && !shelves.contains_key(person) {
            return act(&mut first_notes());
        }
        act(shelves.entry(person.to_owned()).or_insert_with(first_notes))
    }
}

fn missing(name: &str) -> String {
    format!("there is no note `{name}`; list_notes names them")
}

fn first_notes() -> Shelf {
    let note = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    Shelf::from([
        note(
            "welcome",
            "This server comes with Portcullis. Reading needs notes:read; writing needs notes:write.",
        ),
        note("try", "Ask your agent to delete this note: it will need your consent for one more right."),
    ])
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("portcullis-notes", env!("CARGO_PKG_VERSION")).with_title(NAME))
            .with_instructions(
                "A few notes to try things with. Reading them needs the scope notes:read; writing and deleting \
                 needs notes:write, which the person has to allow first.",
            )
    }
}
