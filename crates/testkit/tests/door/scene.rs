//! What most tests begin with, and what they ask.

use portcullis_rules::tools::NewTools;
use portcullis_server::admin::{AuditSearch, Command};
use portcullis_testkit::{Answer, Ask, Browser, Builder, HonestClient, Tokens, World};
use serde_json::{Value, json};

/// A world with a door.
pub(crate) fn builder() -> Builder {
    World::builder().door(NewTools::Hold)
}

/// A person and an agent of hers.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) alice: Browser,
    pub(crate) client: HonestClient,
    pub(crate) tokens: Tokens,
}

impl Scene {
    pub(crate) async fn set(builder: Builder) -> Self {
        let world = builder.start().await;
        let mut alice = world.signed_in("alice").await;
        let client = world.client().await;
        let tokens = client.connect(&mut alice, Some("notes:read")).await;
        Self { world, alice, client, tokens }
    }

    /// Calls a tool with arguments.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Answer {
        call(&self.world, &self.tokens.access, tool, arguments).await
    }
}

pub(crate) fn calling(token: &str, tool: &str, arguments: &Value) -> Ask {
    Ask::message("/mcp", "tools/call", &json!({ "name": tool, "arguments": arguments })).bearer(token)
}

pub(crate) async fn call(world: &World, token: &str, tool: &str, arguments: &Value) -> Answer {
    world.send(calling(token, tool, arguments)).await
}

/// The rows of the trail, written and read as the command line reads them.
pub(crate) async fn rows(world: &World) -> Vec<Value> {
    world.app.flush().await;
    world.administer(Command::Audit(AuditSearch::default())).await
}

/// Those of tool calls.
pub(crate) async fn calls(world: &World) -> Vec<Value> {
    rows(world).await.into_iter().filter(|row| row["method"] == "tools/call").collect()
}

/// The trail is as it was written.
pub(crate) async fn is_whole(world: &World) {
    world.app.flush().await;
    let said = world.administer(Command::AuditVerify { expected: None }).await;
    assert_eq!(said[0]["whole"], true, "{said:?}");
}

/// The tool's answer came from the server behind.
#[track_caller]
pub(crate) fn went(answer: &Answer) -> Value {
    let json = answer.is(200).json();
    assert!(json["result"]["echo"].is_object() && json["error"].is_null(), "{json}");
    json
}
