//! What is judged, refused, counted and written down.

use std::sync::atomic::Ordering;

use portcullis_gateway::door::Door;
use portcullis_gateway::ports::{Decision, Ending};
use portcullis_gateway::{Gateway, LegacySse};
use serde_json::json;

use crate::world::{Answer, World, json_answer, policy, scopes};

#[tokio::test]
async fn w12_what_is_judged_is_what_goes_on_to_the_byte() {
    let world = World::new();
    let client = world.client("ann").stateful().header("mcp-param-x", "1").header("cookie", "a=b");
    let body = r#"{ "jsonrpc":"2.0","id":"x","method":"tools/call", "x":1.50,
        "params":{"name":"read_note","arguments":{"n":12345678901234567890123.0, "e":1e3},"_meta":{"example.com/y":[1]}} }"#;
    let answer = client
        .send("POST", &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")], body)
        .await;
    assert_eq!(answer.status, 200);
    let seen = world.server.last();
    assert_eq!(seen.body, body.as_bytes());
    assert_eq!(seen.headers["mcp-param-x"], "1");
    assert_eq!(seen.id, Some(json!("x")));
    assert_eq!(seen.subject.as_deref(), Some("usr_ann"));
    assert!(seen.key.is_some_and(|key| key.starts_with("agt_")));
    let row = world.fake.last();
    assert_eq!((row.call.decision, row.ending), (Decision::Allowed, Some(Ending::Answered)));
    assert_eq!((row.call.method.as_ref(), row.call.name.as_deref()), ("tools/call", Some("read_note")));
    assert_eq!(row.call.trace.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(Some(row.call.request.as_str()), answer.header("x-request-id"));
    assert!(row.call.arguments.is_some() && row.call.values.is_none());
}

#[tokio::test]
async fn w02_no_credential_of_the_caller_goes_on() {
    let world = World::new();
    let client =
        world.client("ann").header("cookie", "a=b").header("dpop", "x").header("proxy-authorization", "y");
    assert_eq!(client.call("read_note", json!({})).await.status, 200);
    let seen = world.server.last();
    for name in ["authorization", "cookie", "dpop", "proxy-authorization"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn t_versions_the_same_verdict_for_every_revision() {
    for version in
        [None, Some("2025-03-26"), Some("2025-06-18"), Some("2025-11-25"), Some("2026-07-28"), Some("x")]
    {
        let world = World::new();
        for (tool, status, code) in [
            ("read_note", 200, None),
            ("delete_note", 403, None),
            ("hidden", 200, Some(-32602)),
            ("Delete_Note", 200, Some(-32602)),
        ] {
            let mut headers = vec![("mcp-method", "tools/call"), ("mcp-name", tool)];
            headers.extend(version.map(|version| ("mcp-protocol-version", version)));
            let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":tool}});
            let answer = world.client("ann").send("POST", &headers, &body.to_string()).await;
            assert_eq!(answer.status, status, "{version:?} {tool}");
            assert_eq!(answer.json()["error"]["code"].as_i64(), code, "{version:?} {tool}");
        }
        assert_eq!(world.server.seen().len(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn t_hidden_tool_a_call_is_answered_as_that_of_a_tool_that_does_not_exist() {
    let world = World::new();
    world.server.tools.lock().unwrap().push(json!({"name": "later"}));
    let client = world.client("ann");
    assert_eq!(client.call("read_note", json!({})).await.status, 200);
    // It comes after the first list, so it is held; and one that never was.
    world.server.tools.lock().unwrap().push(json!({"name": "held"}));
    client.ask("tools/list", json!({})).await;
    let (held, never) = (client.call("held", json!({})).await, client.call("nerd", json!({})).await);
    assert_eq!(held.text().replace("held", "nerd"), never.text());
    assert_eq!((held.status.as_u16(), held.error()), (200, -32602));
    assert_eq!(held.json()["error"]["message"], "Unknown tool: held");
    assert!(world.server.seen().iter().all(|seen| seen.json()["params"]["name"] != "held"));
    assert_eq!(world.fake.last().call.decision, Decision::Hidden);
    assert_eq!(
        world.fake.taken.lock().unwrap().last(),
        Some(&None),
        "a hidden name is not counted by its name"
    );
}

#[tokio::test]
async fn r09_w15_a_refusal_names_all_the_operation_needs_and_is_noted_as_wanted() {
    let world = World::new();
    let answer = world.client("ann").call("delete_note", json!({})).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert_eq!(answer.status, 403);
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("mcp:tools notes:delete"),
        "{challenge}"
    );
    assert_eq!(*world.fake.wanted.lock().unwrap(), [scopes("mcp:tools notes:delete")]);
    assert_eq!(world.fake.last().call.decision, Decision::ScopeLacking);
    // Without the base as well, one refusal still names everything.
    let answer = world.client_with("bob", "other").call("delete_note", json!({})).await;
    assert!(answer.header("www-authenticate").unwrap().contains("mcp:tools notes:delete"));
    let get = world.client_with("bob", "other").send("GET", &[], "").await;
    assert_eq!(get.status, 403);
    assert!(world.server.seen().is_empty());
    assert_eq!(
        world.client_with("cem", "mcp:tools notes:delete").call("delete_note", json!({})).await.status,
        200
    );
}

#[tokio::test]
async fn t_json_diff_w10_w20_w24_what_has_two_readings_goes_nowhere() {
    let world = World::new();
    let client = world.client("ann");
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}1{}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    for (name, headers, body, code) in [
        (
            "twice",
            vec![],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","name":"wipe"}}"#,
            -32700,
        ),
        (
            "case",
            vec![],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","Name":"wipe"}}"#,
            -32600,
        ),
        (
            "state",
            vec![],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","RequestState":"x"}}"#,
            -32600,
        ),
        ("batch", vec![], r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("deep", vec![], deep.as_str(), -32700),
        ("no id", vec![], r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"read_note"}}"#, -32600),
        (
            "name",
            vec![
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", "read_note"),
            ],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe"}}"#,
            -32020,
        ),
        (
            "no name",
            vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call")],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note"}}"#,
            -32020,
        ),
    ] {
        let answer = client.send("POST", &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (400, code), "{name}");
    }
    assert!(world.server.seen().is_empty());
    let large = " ".repeat(portcullis_wire::limit::MESSAGE_BODY + 1);
    assert_eq!(client.send("POST", &[], &large).await.status, 413);
}

#[tokio::test]
async fn w11_headers_of_an_older_revision_decide_nothing() {
    let world = World::new();
    let headers =
        [("mcp-protocol-version", "2025-06-18"), ("mcp-method", "tools/list"), ("mcp-name", "read_note")];
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}"#;
    assert_eq!(world.client("ann").send("POST", &headers, body).await.status, 403);
}

#[tokio::test]
async fn w10_who_tolerates_wrong_headers_sends_right_ones_on() {
    let world = World::with(&policy(), |settings| settings.lenient_headers(true));
    for headers in [
        vec![("mcp-protocol-version", "2026-07-28")],
        vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "x"),
            ("mcp-name", "wipe"),
            ("mcp-name", "y"),
        ],
    ] {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note"}}"#;
        assert_eq!(world.client("ann").send("POST", &headers, body).await.status, 200);
        let seen = world.server.last();
        assert_eq!((seen.header("mcp-method"), seen.header("mcp-name")), ("tools/call", "read_note"));
        assert_eq!(seen.headers.get_all("mcp-name").iter().count(), 1);
        let body = body.replace("read_note", "delete_note");
        assert_eq!(world.client("ann").send("POST", &headers, &body).await.status, 403, "the body decides");
    }
}

#[tokio::test]
async fn w18_a_limit_is_429_in_words_a_model_can_read() {
    let world = World::new();
    world.fake.budget.store(1, Ordering::SeqCst);
    let client = world.client("ann");
    assert_eq!(client.call("read_note", json!({})).await.status, 200);
    let answer = client.call("read_note", json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("12")));
    let error = &answer.json()["error"];
    assert_eq!((&answer.json()["id"], &error["data"]["retryAfter"]), (&json!(1), &json!(12)));
    assert!(error["message"].as_str().unwrap().contains("2 calls a minute"));
    assert_eq!(world.fake.last().call.decision, Decision::Limited);
    assert_eq!(client.send("POST", &[], "{").await.status, 429, "what cannot be read costs too");
    assert_eq!(client.send("GET", &[], "").await.status, 429);
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test]
async fn w13_errors_of_the_servers_own_protocol_pass_as_they_are() {
    let world = World::new();
    for (status, body, ending) in [
        (
            400,
            r#"{ "jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"v","data":{"supported":["x"]}}}"#,
            Ending::Error(-32022),
        ),
        (404, r#"{"jsonrpc":"2.0", "id":1,"error":{"code":-32601,"message":"m"}}"#, Ending::Error(-32601)),
        (400, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"m"}}"#, Ending::Error(-32020)),
        (400, r#"{"error":"other"}"#, Ending::Upstream(400)),
        (500, "no JSON", Ending::Upstream(500)),
    ] {
        world.server.answers(move |_| {
            let mut response = json_answer(&json!(null));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            *response.body_mut() = axum_core::body::Body::from(body);
            response
        });
        let answer = world.client("ann").ask("prompts/list", json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body));
        assert_eq!(world.fake.last().ending, Some(ending), "{body}");
    }
}

#[tokio::test]
async fn w19_every_request_is_a_row_and_values_are_kept_by_choice_alone() {
    let world = World::with(&policy(), |settings| settings.keep_values("read_*"));
    let client = world.client("ann");
    client.call("read_note", json!({"b": 1, "a": "x"})).await;
    client.ask("prompts/get", json!({"name": "p", "arguments": {"c": "y"}})).await;
    client.ask("ping", json!({})).await;
    client.stateful().send("POST", &[], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let rows = world.fake.rows();
    let said: Vec<_> =
        rows.iter().map(|row| (row.call.method.as_ref(), row.call.values.as_deref())).collect();
    assert_eq!(said, [("tools/call", Some(r#"{"a":"x","b":1}"#)), ("prompts/get", None)]);
    assert_eq!(world.server.seen().len(), 4);
}

#[tokio::test]
async fn a_trail_that_cannot_be_written_stops_calls() {
    let world = World::new();
    world.fake.disk_full.store(true, Ordering::SeqCst);
    let answer = world.client("ann").call("read_note", json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].clone()), (503, json!(1)));
    assert!(answer.header("retry-after").is_some() && world.server.seen().is_empty());
}

#[tokio::test]
async fn r06_r13_nobody_passes_unproven_and_each_refusal_is_counted_once() {
    let world = World::new();
    let mut client = world.client("ann");
    for (token, verb, status, reason) in [
        ("", "POST", 401, "malformed_credentials"),
        ("a.b.c", "POST", 401, "invalid_token"),
        ("a.b.c", "GET", 401, "invalid_token"),
        ("a.b.c", "DELETE", 401, "invalid_token"),
    ] {
        client.token = token.to_owned();
        let answer = client.send(verb, &[], "").await;
        let status = if token.is_empty() { 400 } else { status };
        assert_eq!(answer.status, status, "{token} {verb}");
        assert_eq!(world.fake.unproven.lock().unwrap().pop(), Some(reason), "{token} {verb}");
    }
    let foreign = client.send("POST", &[("origin", "https://evil.example")], "").await;
    assert_eq!(
        (foreign.status.as_u16(), world.fake.unproven.lock().unwrap().pop()),
        (403, Some("foreign_origin"))
    );
    let preflight = world
        .client("ann")
        .send(
            "OPTIONS",
            &[("origin", "https://auth.example.com"), ("access-control-request-method", "POST")],
            "",
        )
        .await;
    assert_eq!(preflight.status, 204);
    assert!(world.server.seen().is_empty() && world.fake.rows().is_empty());
    assert_eq!(world.client("ann").send("PUT", &[], "").await.status, 405);
    assert_eq!(world.client("ann").send("GET", &[], "body").await.status, 400);
}

/// A door stands in front of each kind of server there is here.
#[test]
fn every_kind_of_server_has_a_door() {
    fn stands<S>()
    where
        Door<S>:
            tower_service::Service<http::Request<axum_core::body::Body>, Error = std::convert::Infallible>,
    {
    }
    stands::<Gateway>();
    stands::<LegacySse>();
}

#[tokio::test]
async fn a_server_that_fails_is_a_bad_gateway_with_the_requests_id() {
    let world = World::new();
    world.server.answers(|_| {
        let mut response = json_answer(&json!({"jsonrpc":"2.0","id":1,"result":{}}));
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    });
    let answer = world.client("ann").call("read_note", json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["id"].clone(), answer.error()),
        (502, json!(1), -32603)
    );
    assert_eq!(world.fake.last().ending, Some(Ending::Upstream(502)));
    let answer: Answer = world.client("ann").ask("tools/list", json!({})).await;
    assert_eq!(answer.status, 502);
}
