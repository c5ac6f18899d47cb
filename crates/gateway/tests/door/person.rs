//! Calls that wait for their person.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_gateway::ports::{Decision, Ending};
use serde_json::{Value, json};

use crate::world::{World, json_answer};

const PAGES: &str = r#"{"elicitation":{"url":{}}}"#;

fn pages() -> Value {
    serde_json::from_str(PAGES).unwrap()
}

/// The call again, with the state and the client's word that the page was opened.
fn again(arguments: &Value, state: &Value, action: &str) -> Value {
    json!({"name": "wipe", "arguments": arguments, "requestState": state,
        "inputResponses": {"portcullis/confirm": {"action": action}}})
}

#[tokio::test]
async fn a_client_without_pages_gets_the_link_and_the_same_call_passes_once() {
    let world = World::new();
    for (agent, client) in [("ann", world.client("ann")), ("bob", world.client("bob").stateful())] {
        let arguments = json!({"all": true});
        let told = client.call("wipe", arguments.clone()).await;
        assert!(
            told.is_error() && told.said().contains("https://auth.example.com/approve/"),
            "{}",
            told.text()
        );
        assert_eq!(told.json()["result"]["resultType"] == "complete", agent == "ann");
        assert_eq!(world.fake.last().call.decision, Decision::AwaitsApproval);
        world.fake.says(agent, "wipe", &arguments, true);
        assert!(client.call("wipe", json!({"all": false})).await.is_error(), "other arguments, another call");
        assert_eq!(client.call("wipe", arguments.clone()).await.said(), format!("\"wipe\" for usr_{agent}"));
        let row = world.fake.last();
        assert_eq!((row.call.decision, row.ending), (Decision::AllowedByPerson, Some(Ending::Answered)));
        assert!(client.call("wipe", arguments).await.is_error(), "once");
    }
    assert_eq!(world.server.seen().len(), 2);
}

#[tokio::test]
async fn t_once_an_approval_is_one_agents() {
    let world = World::new();
    world.fake.says("ann", "wipe", &json!({}), true);
    assert!(world.client("bob").call("wipe", json!({})).await.is_error());
    assert!(!world.client("ann").call("wipe", json!({})).await.is_error());
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test]
async fn who_acts_for_nobody_and_who_is_denied_is_told_so() {
    let world = World::new();
    world.fake.says("ann", "wipe", &json!({}), false);
    let denied = world.client("ann").call("wipe", json!({})).await;
    assert!(denied.is_error() && denied.said().contains("denied"));
    let nobody = world.client("nobody").call("wipe", json!({})).await;
    assert!(nobody.is_error() && nobody.said().contains("nobody"));
    assert_eq!(world.fake.decisions(), [Decision::Denied, Decision::Denied]);
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn t_json_diff_arguments_that_two_readers_may_tell_apart_are_not_approved() {
    let world = World::new();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe","arguments":{"n":123456789012345678901234567890}}}"#;
    let answer = world.client("ann").stateful().send("POST", &[], body).await;
    assert!(answer.is_error() && answer.said().contains("digits"));
}

#[tokio::test]
async fn a_stateless_client_with_pages_is_asked_and_comes_again() {
    let world = World::new();
    let client = world.client("ann").declares(pages());
    let arguments = json!({"all": true});
    let asked = client.call("wipe", arguments.clone()).await.json();
    let result = &asked["result"];
    assert_eq!(result["resultType"], "input_required");
    let request = &result["inputRequests"]["portcullis/confirm"];
    assert_eq!(
        (&request["method"], &request["params"]["mode"]),
        (&json!("elicitation/create"), &json!("url"))
    );
    assert!(request["params"]["url"].as_str().unwrap().starts_with("https://auth.example.com/approve/"));
    let state = &result["requestState"];
    // Nobody answered yet: after a while it is asked again.
    tokio::time::pause();
    let waits = client.ask("tools/call", again(&arguments, state, "accept")).await.json();
    assert_eq!(waits["result"]["resultType"], "input_required");
    // The person answers while the call waits.
    let (answer, ()) = tokio::join!(client.ask("tools/call", again(&arguments, state, "accept")), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.fake.says("ann", "wipe", &arguments, true);
    });
    assert_eq!(answer.said(), "\"wipe\" for usr_ann");
    let seen = world.server.last().json();
    assert!(seen["params"].get("requestState").is_none() && seen["params"].get("inputResponses").is_none());
    // Who is cut off while the call waits is refused, whatever the person says.
    let asked = client.call("wipe", json!({"cut": 1})).await.json();
    let (answer, ()) = tokio::join!(
        client.ask("tools/call", again(&json!({"cut": 1}), &asked["result"]["requestState"], "accept")),
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.sky.cut();
            world.fake.says("ann", "wipe", &json!({"cut": 1}), true);
        }
    );
    assert_eq!(answer.status, 401);
    world.sky.cut_after.store(0, Ordering::SeqCst);
    // The same once more is another call.
    let replay = client.ask("tools/call", again(&arguments, state, "decline")).await;
    assert!(replay.is_error() && replay.said().contains("not opened"));
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test]
async fn t_handle_t_once_a_swapped_question_opens_nothing() {
    let world = World::new();
    let client = world.client("ann").declares(pages());
    let asked = client.call("wipe", json!({"all": true})).await.json();
    let state = asked["result"]["requestState"].clone();
    for (agent, arguments) in [("ann", json!({"all": false})), ("bob", json!({"all": true}))] {
        world.fake.says(agent, "wipe", &arguments, true);
        let client = world.client(agent).declares(pages());
        let answer = client.ask("tools/call", again(&arguments, &state, "accept")).await;
        assert_eq!(answer.error(), -32602, "{agent} {arguments}");
    }
    // A state of ours opens no other tool, whether or not that one waits for a word.
    for tool in ["post", "delete_note"] {
        let mut params = again(&json!({"all": true}), &state, "accept");
        params["name"] = json!(tool);
        let client =
            world.client_with("ann", "mcp:tools notes:delete").declares(json!({"elicitation":{"form":{}}}));
        let answer = client.ask("tools/call", params).await;
        assert!(answer.json()["result"].is_null() || tool == "delete_note", "{tool}");
    }
    assert!(world.server.seen().iter().all(|seen| seen.json()["params"].get("requestState").is_none()));
    assert!(
        world
            .server
            .seen()
            .iter()
            .all(|seen| !seen.asks("tools/call") || seen.json()["params"]["name"] != "wipe")
    );
}

#[tokio::test]
async fn a_stateful_client_with_pages_gets_the_error_of_its_revision() {
    let world = World::new();
    let client = world.client("ann").declares(pages()).begin().await;
    let answer = client.call("wipe", json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.error()), (200, -32042));
    let asked = &answer.json()["error"]["data"]["elicitations"][0];
    assert_eq!(asked["mode"], "url");
    assert!(asked["elicitationId"].is_string() && asked["url"].as_str().unwrap().starts_with("https://"));
    world.fake.says("ann", "wipe", &json!({}), true);
    assert_eq!(client.call("wipe", json!({})).await.said(), "\"wipe\" for usr_ann");
    // One that declared nothing in its session is told in words, whatever it says now.
    let plain = world.client("bob").begin().await;
    assert!(plain.call("wipe", json!({})).await.is_error());
}

#[tokio::test]
async fn t_once_a_confirmed_call_of_several_rounds_is_asked_about_once_and_each_round_is_good_once() {
    let world = World::new();
    world.server.answers(|seen| {
        let message = seen.json();
        let result = match message["params"].get("inputResponses") {
            None => {
                json!({"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create"}}})
            }
            Some(_) => json!({"resultType":"complete","content":[{"type":"text","text":"done"}]}),
        };
        json_answer(&json!({"jsonrpc":"2.0","id":message["id"],"result":result}))
    });
    let client = world.client("ann").declares(pages());
    world.fake.says("ann", "wipe", &json!({}), true);
    let first = client.call("wipe", json!({})).await.json();
    let state =
        first["result"]["requestState"].as_str().expect("a round of ours, though the server keeps none");
    let round = |arguments: Value| json!({"name":"wipe","arguments":arguments,"requestState":state,"inputResponses":{"q":{"action":"accept"}}});
    assert_eq!(client.ask("tools/call", round(json!({"other": 1}))).await.error(), -32602);
    let lost = client.ask("tools/call", round(json!({}))).await;
    assert_eq!(lost.error(), -32602, "a round that was tried with other arguments is gone");
    world.fake.says("ann", "wipe", &json!({}), true);
    let first = client.call("wipe", json!({})).await.json();
    let mut round = json!({"name":"wipe","arguments":{},"inputResponses":{"q":{"action":"accept"}}});
    round["requestState"] = first["result"]["requestState"].clone();
    assert_eq!(client.ask("tools/call", round.clone()).await.said(), "done");
    assert!(world.server.last().json()["params"].get("requestState").is_none());
    assert_eq!(client.ask("tools/call", round).await.error(), -32602, "replayed");
}
