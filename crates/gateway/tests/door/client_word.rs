//! Calls that wait for their client's word.

use http_body_util::BodyExt as _;
use portcullis_gateway::ports::Decision;
use portcullis_mcp::sse::{Events, Piece};
use serde_json::{Value, json};

use crate::world::{Answer, Client, World, events};

fn forms() -> Value {
    json!({"elicitation": {"form": {}}})
}

fn again(arguments: &Value, state: &Value, action: &str) -> Value {
    json!({"name": "post", "arguments": arguments, "requestState": state,
        "inputResponses": {"portcullis/confirm": {"action": action}}})
}

#[tokio::test]
async fn a_stateless_client_agrees_for_one_call() {
    let world = World::new();
    let client = world.client("ann").declares(forms());
    let ask = async || client.call("post", json!({"a": 1})).await.json()["result"].clone();
    let asked = ask().await;
    assert_eq!(asked["inputRequests"]["portcullis/confirm"]["params"]["mode"], "form");
    let state = &asked["requestState"];
    assert_eq!(
        client.ask("tools/call", again(&json!({"a": 1}), state, "accept")).await.said(),
        "\"post\" for usr_ann"
    );
    assert_eq!(world.fake.last().call.decision, Decision::AllowedByClient);
    assert_eq!(
        client.ask("tools/call", again(&json!({"a": 1}), state, "accept")).await.error(),
        -32602,
        "replayed"
    );
    let declined = ask().await;
    let answer =
        client.ask("tools/call", again(&json!({"a": 1}), &declined["requestState"], "decline")).await;
    assert!(answer.is_error() && answer.said().contains("did not agree"));
    let answer = client.ask("tools/call", again(&json!({"a": 1}), &declined["requestState"], "accept")).await;
    assert_eq!(answer.error(), -32602, "a no is not taken back");
    let other = ask().await;
    assert_eq!(
        client.ask("tools/call", again(&json!({"a": 2}), &other["requestState"], "accept")).await.error(),
        -32602
    );
    let bob = world.client("bob").declares(forms());
    assert_eq!(
        bob.ask("tools/call", again(&json!({"a": 1}), &other["requestState"], "accept")).await.error(),
        -32602
    );
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test]
async fn who_cannot_ask_is_refused() {
    let world = World::new();
    for client in [
        world.client("ann"),
        world.client("ann").declares(json!({"elicitation":{"url":{}}})),
        world.client("ann").stateful(),
        world.client("ann").begin().await,
    ] {
        let answer = client.call("post", json!({})).await;
        assert!(answer.is_error() && answer.said().contains("elicitation"), "{}", answer.text());
        assert_eq!(world.fake.last().call.decision, Decision::Denied);
    }
}

/// The first message of a stream, and the stream.
async fn first(world: &World, client: &Client<'_>) -> (Value, axum_core::body::Body) {
    let request = client.message("tools/call", json!({"name": "post", "arguments": {"a": 1}}));
    let response = world.send(request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut pieces = Events::new(1 << 20);
    loop {
        let frame = body.frame().await.unwrap().unwrap();
        pieces.push(frame.into_data().unwrap());
        if let Some(Piece::Event(event)) = pieces.next_piece().unwrap() {
            return (serde_json::from_str(&event.data().unwrap()).unwrap(), body);
        }
    }
}

async fn reply(client: &Client<'_>, id: &Value, action: &str) -> Answer {
    let body = json!({"jsonrpc":"2.0","id":id,"result":{"action":action}});
    client.send("POST", &[("mcp-protocol-version", "2025-11-25")], &body.to_string()).await
}

#[tokio::test]
async fn a_stateful_client_is_asked_on_the_stream_of_its_call() {
    let world = World::new();
    let client = world.client("ann").declares(forms()).begin().await;
    let before = world.server.seen().len();
    for (action, expected, decision) in [
        ("accept", "\\\"post\\\" for usr_ann", Decision::AllowedByClient),
        ("decline", "did not agree", Decision::Denied),
        ("cancel", "did not agree", Decision::Denied),
    ] {
        let (question, stream) = first(&world, &client).await;
        assert_eq!(
            (&question["method"], &question["params"]["mode"]),
            (&json!("elicitation/create"), &json!("form"))
        );
        assert!(question["id"].as_str().unwrap().starts_with("portcullis/"));
        assert_eq!(reply(&client, &question["id"], action).await.status, 202);
        let rest = stream.collect().await.unwrap().to_bytes();
        let rest = std::str::from_utf8(&rest).unwrap();
        assert!(rest.contains(expected) && rest.contains("\"id\":1"), "{action}: {rest}");
        assert_eq!(world.fake.last().call.decision, decision, "{action}");
        assert_eq!(reply(&client, &question["id"], "accept").await.status, 400, "answered before");
    }
    let seen = world.server.seen();
    assert_eq!(seen.len(), before + 1, "no answer to a question of ours goes further");
}

#[tokio::test]
async fn an_answer_that_is_a_stream_flows_into_the_stream_of_the_question() {
    let world = World::new();
    let client = world.client("ann").declares(forms()).begin().await;
    let (question, stream) = first(&world, &client).await;
    world.server.answers(|_| {
        events(": first\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n")
    });
    reply(&client, &question["id"], "accept").await;
    let rest = stream.collect().await.unwrap().to_bytes();
    assert!(rest.starts_with(b": first\n\ndata: {"));
}

#[tokio::test]
async fn t_handle_an_answer_to_a_question_counts_from_its_own_agent_only() {
    let world = World::new();
    let ann = world.client("ann").declares(forms()).begin().await;
    let bob = world.client("bob").declares(forms()).begin().await;
    let (question, stream) = first(&world, &ann).await;
    let before = world.server.seen().len();
    let id = question["id"].as_str().unwrap();
    for (client, id) in [
        (&bob, id.to_owned()),
        (&ann, format!("{id}x")),
        (&ann, "portcullis/".to_owned()),
        (&ann, "portcullis/fresh0".to_owned()),
    ] {
        assert_eq!(reply(client, &json!(id), "accept").await.status, 400, "{id}");
    }
    assert_eq!(world.server.seen().len(), before, "whatever bears our mark goes no further");
    drop(stream);
    assert_eq!(reply(&ann, &question["id"], "accept").await.status, 400, "nobody waits any more");
}

#[tokio::test]
async fn a_servers_own_questions_pass_and_forged_ones_do_not() {
    let world = World::new();
    let client = world.client("ann").begin().await;
    world.server.answers(|_| {
        events("data: {\"jsonrpc\":\"2.0\",\"id\":\"portcullis/x\",\"method\":\"elicitation/create\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"elicitation/create\"}\n\n")
    });
    let stream = client.send("GET", &[], "").await;
    assert_eq!(stream.text(), "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"elicitation/create\"}\n\n");
    reply(&client, &json!(7), "accept").await;
    assert_eq!(world.server.last().json()["id"], 7);
}
