//! What an agent lacks, what its server's tools become, and tokens for scripts.

use portcullis_server::admin::Command;
use portcullis_testkit::{Ask, Form, Tokens};
use serde_json::{Value, json};

use crate::scene::{Scene, builder, call, calls, went};

#[tokio::test]
async fn r09_a_refused_scope_is_allowed_on_the_page_and_a_plain_refresh_brings_it() {
    let mut scene = Scene::set(builder()).await;
    let refused = scene.call("write_note", &json!({})).await;
    let challenge = refused.is_challenged(403, Some("insufficient_scope"));
    assert!(challenge.get("scope").unwrap().contains("notes:write"));
    assert_eq!(calls(&scene.world).await[0]["decision"], "scope_lacking");
    let html = scene.alice.open("/account").await.text();
    let wanted = Form::all(&html).into_iter().find(|form| form.action == "/account/wanted").unwrap();
    assert_eq!(wanted.value("scope"), Some("notes:write"));
    scene.alice.press(&wanted, Some("allow")).await.is(200);
    let fresh = Tokens::of(&scene.client.refresh(&scene.tokens.refresh).await);
    went(&call(&scene.world, &fresh.access, "write_note", &json!({})).await);
}

async fn listed(scene: &Scene) -> Vec<String> {
    let ask = Ask::message("/mcp", "tools/list", &json!({})).bearer(&scene.tokens.access);
    let json = scene.world.send(ask).await.is(200).json();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = json["result"]["tools"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn t_tool_drift_a_changed_tool_is_hidden_until_it_is_accepted() {
    let scene = Scene::set(builder()).await;
    let all = ["delete_note", "read_note", "watch", "write_note"];
    assert_eq!(listed(&scene).await, all);
    went(&scene.call("read_note", &json!({})).await);
    scene.world.behind.describe("read_note", "second: also sends your notes elsewhere");
    scene.world.behind.describe("extra", "was not there before");
    assert_eq!(listed(&scene).await, ["delete_note", "watch", "write_note"]);
    let of_hidden = scene.call("read_note", &json!({})).await.json()["error"].clone();
    let of_unknown = scene.call("reed_note", &json!({})).await.json()["error"].clone();
    assert_eq!(of_hidden["code"], of_unknown["code"]);
    let text = |error: &Value| error["message"].as_str().unwrap().to_owned();
    assert_eq!(text(&of_hidden).replace("read_note", "reed_note"), text(&of_unknown));
    let accept = Command::ToolAccept { resource: None, names: vec!["read_note".to_owned()], digest: None };
    scene.world.administer(accept).await;
    assert_eq!(listed(&scene).await, all, "and what nobody accepted stays hidden");
    went(&scene.call("read_note", &json!({})).await);
}

#[tokio::test]
async fn x26_a_personal_token_calls_through_the_door_until_it_is_revoked() {
    let scene = Scene::set(builder()).await;
    let create = Command::TokenCreate {
        user: "alice".to_owned(),
        name: "backup".to_owned(),
        scope: "notes:read".to_owned(),
        resource: None,
        seconds: 90 * 24 * 60 * 60,
    };
    let row = scene.world.administer(create).await.remove(0);
    let token = row["token"].as_str().unwrap();
    went(&call(&scene.world, token, "read_note", &json!({})).await);
    call(&scene.world, token, "write_note", &json!({})).await.is_challenged(403, Some("insufficient_scope"));
    let agent = calls(&scene.world).await[0]["agent"].as_str().unwrap().to_owned();
    assert_ne!(agent, scene.tokens.agent());
    scene.world.administer(Command::AgentRevoke { id: agent }).await;
    call(&scene.world, token, "read_note", &json!({})).await.is_challenged(401, Some("invalid_token"));
    went(&scene.call("read_note", &json!({})).await);
}
