//! {{name}}: an MCP server with its own authorization server. This file says who may do what.

mod notes;

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use portcullis::admin::Command;
use portcullis::{BuildError, Effect, NewTools, Portcullis};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};

/// What agents get when they ask for nothing more.
pub const READ: &str = "{{scope}}:read";
/// What they have to ask their person for.
pub const WRITE: &str = "{{scope}}:write";

/// Where the server stands. Each has a variable of the environment, and a default for this computer.
pub struct Settings {
    /// `PUBLIC_URL`: the URL people use, without a path; https, unless it is on this computer.
    pub public_url: String,
    /// `DATABASE`: where records are kept. Keys lie beside it: neither belongs into version control.
    pub database: String,
}

impl Settings {
    /// As the environment says.
    pub fn from_environment() -> Self {
        let variable =
            |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let public_url = variable("PUBLIC_URL", "http://127.0.0.1:{{port}}");
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            database: variable("DATABASE", "sqlite:{{package}}.db"),
        }
    }
}

/// The whole program: the MCP server behind its door, and the authorization server beside it.
pub async fn program(settings: &Settings) -> Result<(Portcullis, Router), BuildError> {
    let auth = Portcullis::builder()
        .database(&settings.database)
        .issuer(&settings.public_url)
        .resource(&format!("{}/mcp", settings.public_url), [READ])
        .name("{{name}}")
        .scope_title(READ, "Read notes", Effect::Reads)
        .tool("add_note", [WRITE])
        .tool("delete_note", [WRITE])
        .scope_title(WRITE, "Add and delete notes", Effect::Deletes)
        // Each call waits until its person approves it, on a page that shows the arguments.
        .confirm("delete_note")
        // The tools are our own: a new one is there as soon as it is written.
        .new_tools(NewTools::Allow)
        .build()
        .await?;

    // A website that points its own name here is refused: only the public name counts.
    let authority = settings
        .public_url
        .parse::<Uri>()
        .ok()
        .and_then(|url| url.authority().map(ToString::to_string));
    let config = StreamableHttpServerConfig::default().with_allowed_hosts(authority);
    let notes = notes::Notes::default();
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(move || Ok(notes.clone()), sessions, config);
    let app = Router::new()
        .route_service("/mcp", mcp)
        .layer(auth.door([READ]))
        .merge(auth.router());
    Ok((auth, app))
}

/// The link that makes the first account, as long as there is none.
pub async fn first_account(auth: &Portcullis) -> Option<String> {
    if !auth.administer(Command::UserList).await.ok()?.is_empty() {
        return None;
    }
    let rows = auth
        .administer(Command::SetupLink { reset: None })
        .await
        .ok()?;
    rows.first()?.get("url")?.as_str().map(str::to_owned)
}
