//! A server of the official Rust SDK behind the door, in both eras.

use std::sync::Arc;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::{Answer, World};

#[derive(Clone, Default)]
struct Notes;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// What the note says.
    text: String,
}

#[tool_router]
impl Notes {
    #[tool(description = "Read a note.")]
    async fn read_note(&self, Parameters(note): Parameters<Note>) -> String {
        format!("read {}", note.text)
    }

    #[tool(description = "Delete a note.")]
    async fn delete_note(&self, Parameters(note): Parameters<Note>) -> String {
        format!("deleted {}", note.text)
    }
}

#[tool_handler]
impl ServerHandler for Notes {}

/// The answer, whether it came as JSON or as the last event of a stream.
fn message(answer: &Answer) -> Value {
    let text = answer.text();
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).rfind(|data| !data.is_empty());
    serde_json::from_str(last.unwrap_or(text)).unwrap_or_else(|_| panic!("no message: {text}"))
}

#[tokio::test]
async fn t_versions_a_server_of_the_rust_sdk_is_served_in_both_eras() {
    let world = World::new();
    let config = StreamableHttpServerConfig::default().with_allowed_hosts(["notes.example.com"]);
    let service = StreamableHttpService::new(|| Ok(Notes), Arc::new(LocalSessionManager::default()), config);
    let door = world.door_to(service);
    let ask = async |request| {
        let answer = Answer::of(door.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    };
    let begin =
        json!({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}});
    let begun = ask(world.client("ann").stateful().message("initialize", begin)).await;
    assert_eq!(message(&begun)["result"]["protocolVersion"], "2025-11-25");
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let stateful = world.client("ann").stateful().header("mcp-session-id", &session);
    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let ready = stateful.request("POST", &[("mcp-protocol-version", "2025-11-25")], ready);
    assert_eq!(door.clone().oneshot(ready).await.unwrap().status(), 202);
    for client in [stateful, world.client("bob")] {
        let list = message(&ask(client.message("tools/list", json!({}))).await);
        let names: Vec<_> =
            list["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, [&json!("delete_note"), &json!("read_note")]);
        let call = json!({"name":"read_note","arguments":{"text":"x"}});
        assert_eq!(
            message(&ask(client.message("tools/call", call)).await)["result"]["content"][0]["text"],
            "read x"
        );
        let refused = client.message("tools/call", json!({"name":"delete_note","arguments":{"text":"x"}}));
        assert_eq!(door.clone().oneshot(refused).await.unwrap().status(), 403);
    }
    let foreign = world.client("bob").stateful().header("mcp-session-id", &session);
    let foreign = foreign.message("tools/list", json!({}));
    assert_eq!(door.clone().oneshot(foreign).await.unwrap().status(), 404);
}
