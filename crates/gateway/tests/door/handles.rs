//! Sessions, states, tasks and events: sealed to one agent, and worth nothing to another.

use std::sync::atomic::Ordering;

use portcullis_gateway::ports::Decision;
use serde_json::{Value, json};

use crate::world::{NOW, World, events, json_answer};

fn state_answer(seen: &crate::world::Seen) -> http::Response<axum_core::body::Body> {
    json_answer(&json!({"jsonrpc":"2.0","id":seen.json()["id"],"result":{"resultType":"input_required",
        "requestState":"upstream-state","inputRequests":{"q":{"method":"elicitation/create","params":{}},
        "portcullis/x":{"method":"elicitation/create","params":{}}}}}))
}

#[tokio::test]
async fn w09_a_session_is_known_to_its_client_by_another_name() {
    let world = World::new();
    let client = world.client("ann").begin().await;
    assert!(!client.session().contains("upstream"));
    client.call("read_note", json!({})).await;
    assert_eq!(world.server.last().headers["mcp-session-id"], "upstream-usr_ann");
    client.send("GET", &[], "").await;
    assert_eq!(world.server.last().headers["mcp-session-id"], "upstream-usr_ann");
    client.send("DELETE", &[], "").await;
    let last = world.server.last();
    assert_eq!((last.method.as_str(), last.header("mcp-session-id")), ("DELETE", "upstream-usr_ann"));
    // A server that repeats its session's name tells it to nobody.
    world.server.answers(|_| {
        let mut response = json_answer(&json!({"jsonrpc":"2.0","id":1,"result":{}}));
        response.headers_mut().insert("mcp-session-id", "upstream-usr_ann".parse().unwrap());
        response
    });
    assert_eq!(client.call("read_note", json!({})).await.header("mcp-session-id"), Some(client.session()));
}

#[tokio::test]
async fn r19_t_handle_a_session_of_another_agent_is_a_lost_one() {
    let world = World::new();
    let session = world.client("ann").begin().await.session().to_owned();
    let before = world.server.seen().len();
    let bent = session.replacen('f', "g", 1);
    for (name, session, other) in [
        ("foreign", session.as_str(), "bob"),
        ("garbled", bent.as_str(), "ann"),
        ("the server's own", "upstream-usr_ann", "ann"),
        ("empty", "", "ann"),
    ] {
        let client = world.client(other).stateful().header("mcp-session-id", session);
        let call = client.call("read_note", json!({})).await;
        assert_eq!((call.status.as_u16(), call.json()["id"].clone()), (404, json!(1)), "{name}");
        for verb in ["GET", "DELETE"] {
            assert_eq!(client.send(verb, &[], "").await.status, 404, "{name} {verb}");
        }
        let stateless = world.client(other).header("mcp-session-id", session);
        assert_eq!(stateless.call("read_note", json!({})).await.status, 404, "{name}, the other era");
    }
    let twice = world.client("ann").header("mcp-session-id", &session).header("mcp-session-id", &session);
    assert_eq!(twice.send("GET", &[], "").await.status, 404);
    assert_eq!(world.server.seen().len(), before);
}

#[tokio::test]
async fn r19_a_session_goes_on_when_its_client_gets_a_new_grant() {
    let world = World::new();
    let first = world.client("ann").begin().await;
    first.call("read_note", json!({})).await;
    let kept = world.server.last().key.clone();
    let after = world.client("ann@2").stateful().header("mcp-session-id", first.session());
    assert_eq!(after.call("read_note", json!({})).await.status, 200);
    let last = world.server.last();
    assert_eq!(last.header("mcp-session-id"), "upstream-usr_ann");
    assert_eq!(last.key, kept, "what runs for the session is found under the name it began with");
    let own = world.client("ann@2").begin().await;
    own.call("read_note", json!({})).await;
    assert_ne!(world.server.last().key, kept, "a session of its own is another's");
}

#[tokio::test]
async fn w16_r20_a_request_state_is_sealed_and_opens_for_its_own_request_alone() {
    let world = World::new();
    world.server.answers(state_answer);
    let (ann, bob) = (world.client("ann"), world.client("bob"));
    let first = ann.call("read_note", json!({"a": 1})).await.json();
    let state = first["result"]["requestState"].as_str().unwrap().to_owned();
    assert_ne!(state, "upstream-state");
    assert_eq!(first["result"]["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["q"]);
    let again = |name: &str, state: &Value| {
        json!({"name": name, "arguments": {"a": 1}, "requestState": state,
            "inputResponses": {"q": {"action": "accept"}, "portcullis/confirm": {"action": "accept"}}})
    };
    ann.ask("tools/call", again("read_note", &json!(state))).await;
    let seen = world.server.last().json();
    assert_eq!(seen["params"]["requestState"], "upstream-state");
    assert_eq!(seen["params"]["inputResponses"], json!({"q": {"action": "accept"}}));
    let before = world.server.seen().len();
    for (name, client, tool, state) in [
        ("another agent", &bob, "read_note", json!(state)),
        ("another tool", &ann, "post", json!(state)),
        ("garbled", &ann, "read_note", json!(format!("{state}x"))),
        ("the server's own", &ann, "read_note", json!("upstream-state")),
        ("no text", &ann, "read_note", json!(7)),
    ] {
        let answer = client.ask("tools/call", again(tool, &state)).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (200, -32602), "{name}");
        let old = client.clone().stateful().ask("tools/call", again(tool, &state)).await;
        assert_eq!(old.error(), -32602, "{name}, the older era");
    }
    world.sky.now.store(NOW + 590, Ordering::SeqCst);
    assert!(ann.ask("tools/call", again("read_note", &json!(state))).await.json()["result"].is_object());
    assert_eq!(world.server.seen().len(), before + 1);
}

#[tokio::test]
async fn r20_a_request_state_ends() {
    let world = World::new();
    world.server.answers(state_answer);
    let mut ann = world.client("ann");
    let first = ann.ask("prompts/get", json!({"name": "p"})).await.json();
    world.sky.now.store(NOW - 3590, Ordering::SeqCst);
    let early = ann.ask("prompts/get", json!({"name": "p"})).await.json();
    world.sky.now.store(NOW + 20, Ordering::SeqCst);
    ann.token = world.token("ann", "mcp:tools");
    for (state, good) in [(&first["result"]["requestState"], true), (&early["result"]["requestState"], false)]
    {
        let answer = ann.ask("prompts/get", json!({"name": "p", "requestState": state})).await.json();
        assert_eq!(answer["result"].is_object(), good, "{answer}");
    }
}

#[tokio::test]
async fn r20_r21_w16_a_task_is_its_agents_and_keeps_its_name() {
    let world = World::new();
    world.server.answers(|seen| {
        let message = seen.json();
        let id = &message["id"];
        let result = match message["method"].as_str() {
            Some("tools/call") => json!({"resultType":"task","taskId":"t-1","status":"working",
                "_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-1"}}}),
            Some("tasks/result") => json!({"task":{"taskId":"t-1"}}),
            _ => json!({"taskId": message["params"]["taskId"], "status":"working"}),
        };
        json_answer(&json!({"jsonrpc":"2.0","id":id,"result":result}))
    });
    let (ann, bob) = (world.client("ann"), world.client("bob"));
    let made = ann.call("read_note", json!({})).await.json();
    let task = made["result"]["taskId"].as_str().unwrap().to_owned();
    assert_ne!(task, "t-1");
    assert_eq!(made["result"]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"], json!(task));
    for method in ["tasks/get", "tasks/update", "tasks/cancel", "tasks/result"] {
        let answer = ann.ask(method, json!({"taskId": task})).await;
        let result = &answer.json()["result"];
        let shown = if method == "tasks/result" { &result["task"]["taskId"] } else { &result["taskId"] };
        assert_eq!(shown, &json!(task), "{method}");
        let seen = world.server.last();
        assert_eq!(
            (&seen.json()["params"]["taskId"], seen.header("mcp-name")),
            (&json!("t-1"), "t-1"),
            "{method}"
        );
        let before = world.server.seen().len();
        for (client, task) in [(&bob, task.as_str()), (&ann, "t-1"), (&ann, "")] {
            assert_eq!(client.ask(method, json!({"taskId": task})).await.error(), -32602, "{method}");
            assert_eq!(client.clone().stateful().ask(method, json!({"taskId": task})).await.error(), -32602);
        }
        assert_eq!(world.server.seen().len(), before, "{method}");
    }
    let related = json!({"io.modelcontextprotocol/related-task": {"taskId": task}});
    let params = json!({"name": "p", "_meta": related});
    ann.clone().stateful().ask("prompts/get", params.clone()).await;
    assert_eq!(
        world.server.last().json()["params"]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"],
        "t-1"
    );
    assert_eq!(bob.clone().stateful().ask("prompts/get", params).await.error(), -32602);
    let listen = json!({"notifications": {"taskIds": [task], "toolsListChanged": true}});
    ann.ask("subscriptions/listen", listen.clone()).await;
    assert_eq!(world.server.last().json()["params"]["notifications"]["taskIds"], json!(["t-1"]));
    assert_eq!(bob.ask("subscriptions/listen", listen).await.error(), -32602);
}

#[tokio::test]
async fn r21_nobody_lists_tasks() {
    let world = World::new();
    for client in [world.client("ann"), world.client("ann").stateful()] {
        assert_eq!(client.ask("tasks/list", json!({})).await.error(), -32601);
    }
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn t_handle_the_name_of_an_event_is_its_agents() {
    let world = World::new();
    let body = ": hi\n\nid: e-1\ndata:\n\nevent: message\nid: e-2\nretry: 5\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n";
    world.server.answers(move |_| events(body));
    let (ann, bob) = (world.client("ann").stateful(), world.client("bob").stateful());
    let stream = ann.send("GET", &[], "").await.text().to_owned();
    assert!(!stream.contains("e-1") && !stream.contains("e-2"), "{stream}");
    let ids: Vec<_> =
        stream.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect();
    let [first, second] = ids.as_slice() else { panic!("two ids: {stream}") };
    assert_eq!(stream.replace(first, "e-1").replace(second, "e-2"), body);
    ann.send("GET", &[("last-event-id", second)], "").await;
    assert_eq!(world.server.last().headers["last-event-id"], "e-2");
    let before = world.server.seen().len();
    for (client, id) in [(&bob, second.as_str()), (&ann, "e-2"), (&ann, ""), (&ann, &second[1..])] {
        assert_eq!(client.send("GET", &[("last-event-id", id)], "").await.status, 400, "{id}");
    }
    assert_eq!(ann.send("GET", &[("last-event-id", first), ("last-event-id", second)], "").await.status, 400);
    assert_eq!(world.server.seen().len(), before);
}

#[tokio::test]
async fn t_handle_a_seal_of_one_kind_is_none_of_another() {
    let world = World::new();
    world.server.answers(state_answer);
    let ann = world.client("ann");
    let state = ann.ask("prompts/get", json!({"name": "p"})).await.json()["result"]["requestState"].clone();
    let state = state.as_str().unwrap();
    assert_eq!(ann.ask("tasks/get", json!({"taskId": state})).await.error(), -32602);
    assert_eq!(ann.send("GET", &[("last-event-id", state)], "").await.status, 400);
    assert_eq!(ann.send("GET", &[("mcp-session-id", state)], "").await.status, 404);
    let reply = json!({"jsonrpc":"2.0","id":format!("portcullis/{state}"),"result":{"action":"accept"}});
    assert_eq!(ann.clone().stateful().send("POST", &[], &reply.to_string()).await.status, 400);
    assert_eq!(world.fake.decisions(), [Decision::Allowed]);
}
