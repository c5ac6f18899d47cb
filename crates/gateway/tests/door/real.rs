//! A server of the official Rust SDK behind the door, in both eras.

use std::convert::Infallible;
use std::sync::Arc;

use axum_core::body::Body;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portcullis_gateway::door::Door;
use portcullis_gateway::{Gateway, GatewaySettings};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_service::Service;

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

fn notes() -> StreamableHttpService<Notes, LocalSessionManager> {
    let config = StreamableHttpServerConfig::default().with_allowed_hosts(["notes.example.com", "127.0.0.1"]);
    StreamableHttpService::new(|| Ok(Notes), Arc::new(LocalSessionManager::default()), config)
}

#[tokio::test]
async fn t_versions_a_server_of_the_rust_sdk_is_served_in_both_eras() {
    let world = World::new();
    serves(&world, world.door_to(notes())).await;
}

#[tokio::test]
async fn t_versions_a_server_behind_the_proxy_is_served_in_both_eras() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    let service = TowerToHyperService::new(notes());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(socket), service.clone()));
        }
    });
    let world = World::new();
    let gateway = Gateway::new(&upstream, GatewaySettings::default()).unwrap();
    serves(&world, world.door_to(gateway)).await;
}

async fn serves<S>(world: &World, door: Door<S>)
where
    Door<S>: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
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
