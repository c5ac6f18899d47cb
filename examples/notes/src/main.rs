//! An MCP server of notes made with rmcp, protected by Portcullis: who calls is known, reading needs `notes:read`,
//! deleting needs a right of its own and the person's word for each call, and every call is in the audit trail.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use portcullis::{Effect, Portcullis};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// What the note says.
    text: String,
}

#[tool_router]
impl Notes {
    #[tool(description = "List all notes.")]
    async fn list_notes(&self) -> String {
        self.0.lock().map(|notes| notes.join("\n")).unwrap_or_default()
    }

    #[tool(description = "Add a note.")]
    async fn add_note(&self, Parameters(note): Parameters<Note>) -> String {
        self.0.lock().map(|mut notes| notes.push(note.text)).map_or("not added", |()| "added").to_owned()
    }

    #[tool(description = "Delete a note.")]
    async fn delete_note(&self, Parameters(note): Parameters<Note>) -> String {
        self.0
            .lock()
            .map(|mut notes| notes.retain(|text| *text != note.text))
            .map_or("not deleted", |()| "deleted")
            .to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Notes {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Portcullis::builder()
        .database("sqlite:notes.db")
        .issuer("http://127.0.0.1:3000")
        .resource("http://127.0.0.1:3000/mcp", ["notes:read"])
        .name("Notes")
        .scope_title("notes:read", "Read and add notes", Effect::Changes)
        .tool("delete_note", ["notes:delete"])
        .scope_title("notes:delete", "Delete notes", Effect::Deletes)
        .confirm("delete_note")
        .build()
        .await?;

    let notes = Notes::default();
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(
        move || Ok(notes.clone()),
        sessions,
        StreamableHttpServerConfig::default(),
    );
    let app = Router::new().route_service("/mcp", mcp).layer(auth.door(["notes:read"])).merge(auth.router());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
