//! A program of somebody's own with the library inside: its door, and the word of a person asked for by a handler.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use portcullis::admin::{AuditSearch, Command};
use portcullis::{Agent, BuildError, Builder, Confirmation, Each, Limit, NewTools, Of, Only, Portcullis};
use portcullis_testkit::{Answer, Ask, Net, PASSWORD};
use serde_json::{Value, json};

/// A program on a free port, what it is protected by, and two scripts of one person's.
struct Program {
    auth: Portcullis,
    net: Net,
    tokens: [String; 2],
    _place: tempfile::TempDir,
}

type Json = ([(HeaderName, &'static str); 1], String);

/// What the handlers do once a call may go.
fn done(message: &Value, result: &Value) -> Json {
    let reply = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    ([(CONTENT_TYPE, "application/json")], reply.to_string())
}

/// Behind the light layer: the handler asks.
async fn asks(State(auth): State<Portcullis>, agent: Agent, body: Bytes) -> Json {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let arguments = message["params"]["arguments"].as_object().cloned().unwrap_or_default();
    match auth.confirm(&agent, "delete_note", &arguments).await {
        Confirmation::Given => done(&message, &json!({ "content": [], "went": true })),
        other => done(&message, &other.result()),
    }
}

/// Behind the door: a server that knows of nothing.
async fn serves(body: Bytes) -> Json {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let tools = ["read_note", "delete_note", "delete_all"]
        .map(|name| json!({ "name": name, "inputSchema": { "type": "object" } }));
    match message["method"].as_str() {
        Some("tools/list") => done(&message, &json!({ "tools": tools })),
        _ => done(&message, &json!({ "content": [], "went": true })),
    }
}

impl Program {
    async fn start(say: impl FnOnce(Builder) -> Builder) -> Self {
        let place = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let builder = Portcullis::builder()
            .database(&format!("sqlite:{}/notes.db", place.path().display()))
            .issuer(&format!("http://{address}"))
            .resource(&format!("http://{address}/mcp"), ["notes:read"]);
        let auth = say(builder).build().await.unwrap();
        let app = Router::new()
            .route("/mcp", post(serves).layer(auth.door(["notes:read"])))
            .route("/own", post(asks).with_state(auth.clone()).layer(auth.require(["notes:read"])))
            .merge(auth.router());
        tokio::spawn(async move {
            let service = app.into_make_service_with_connect_info::<SocketAddr>();
            let _ended = axum::serve(listener, service).await;
        });
        let (name, password) = ("alice".to_owned(), PASSWORD.to_owned());
        auth.administer(Command::UserAdd { name, password, admin: false }).await.unwrap();
        let mut tokens = Vec::new();
        for name in ["first", "second"] {
            let create = Command::TokenCreate {
                user: "alice".to_owned(),
                name: name.to_owned(),
                scope: "notes:read".to_owned(),
                resource: None,
                seconds: 24 * 60 * 60,
            };
            let row = auth.administer(create).await.unwrap().remove(0);
            tokens.push(row["token"].as_str().unwrap().to_owned());
        }
        let tokens = tokens.try_into().unwrap();
        Self { auth, net: Net::to(address), tokens, _place: place }
    }

    async fn call(&self, path: &str, token: &str, tool: &str, arguments: &Value) -> Answer {
        let params = json!({ "name": tool, "arguments": arguments });
        self.net.send(Ask::message(path, "tools/call", &params).bearer(token)).await
    }

    async fn approve(&self, answer: &Answer) {
        let mut alice = self.net.browser();
        alice.sign_in("alice", PASSWORD).await;
        let form = alice.open(&page(&self.net, answer)).await.form("/approve");
        alice.press(&form, Some("approve")).await.is(303);
    }
}

fn went(answer: &Answer) -> bool {
    answer.is(200).json()["result"]["went"] == true
}

#[track_caller]
fn page(net: &Net, answer: &Answer) -> String {
    let json = answer.is(200).json();
    assert_eq!(json["result"]["isError"], true, "{json}");
    let text = json["result"]["content"][0]["text"].as_str().unwrap();
    net.target(text.split_whitespace().find(|word| word.contains("/approve?id=")).unwrap())
}

#[tokio::test]
async fn r20_a_handler_asks_the_person_in_one_call_and_the_word_is_good_for_that_call_once() {
    let program = Program::start(|builder| builder).await;
    let [own, other] = &program.tokens;
    let arguments = json!({ "id": "n1" });
    let ask =
        async |token: &str, arguments: &Value| program.call("/own", token, "delete_note", arguments).await;
    let first = ask(own, &arguments).await;
    program.approve(&first).await;
    assert!(!went(&ask(own, &json!({ "id": "n2" })).await), "with other arguments");
    assert!(!went(&ask(other, &arguments).await), "by another agent");
    assert!(went(&ask(own, &arguments).await));
    assert!(!went(&ask(own, &arguments).await), "a second time");
}

#[tokio::test]
async fn r20_an_agent_without_a_person_is_denied() {
    let program = Program::start(|builder| builder).await;
    let add = Command::ClientAdd {
        name: "ci".to_owned(),
        scope: Some("notes:read".to_owned()),
        resource: None,
        jwks: None,
        redirect_uris: Vec::new(),
        introspects: None,
    };
    let row = program.auth.administer(add).await.unwrap().remove(0);
    let (id, secret) = (row["client_id"].as_str().unwrap(), row["client_secret"].as_str().unwrap());
    let ask = Ask::post("/token").basic(id, secret).form(&[("grant_type", "client_credentials")]);
    let token = program.net.send(ask).await.is(200).json()["access_token"].as_str().unwrap().to_owned();
    let answer = program.call("/own", &token, "delete_note", &json!({})).await.is(200).json();
    assert_eq!(answer["result"]["isError"], true);
    assert!(!answer.to_string().contains("/approve"), "{answer}");
}

#[tokio::test]
async fn the_door_of_a_program_judges_asks_counts_and_writes_down() {
    let limit = Limit {
        of: Of::Calls,
        most: 4,
        window: Duration::from_secs(60 * 60),
        only: Only::default(),
        each: Each::Agent,
    };
    let program = Program::start(|builder| {
        builder
            .tool("*_all", ["notes:admin"])
            .confirm("delete_*")
            .new_tools(NewTools::Allow)
            .keep_values("read_*")
            .limit(limit)
    })
    .await;
    let [own, other] = &program.tokens;
    let kept = json!({ "id": "kept" });
    assert!(went(&program.call("/mcp", own, "read_note", &kept).await));
    program.call("/mcp", own, "delete_all", &json!({})).await.is(403);
    let waits = program.call("/mcp", own, "delete_note", &json!({})).await;
    program.approve(&waits).await;
    assert!(went(&program.call("/mcp", own, "delete_note", &json!({})).await));
    let mut last = 200;
    for _ in 0..4 {
        last = program.call("/mcp", own, "read_note", &json!({})).await.status;
    }
    assert_eq!(last, 429);
    assert!(went(&program.call("/mcp", other, "read_note", &json!({})).await), "nobody else is limited");
    program.auth.flush().await;
    let rows = program.auth.administer(Command::Audit(AuditSearch::default())).await.unwrap();
    for decision in ["allowed", "scope_lacking", "awaits_approval", "allowed_by_person", "limited"] {
        assert!(rows.iter().any(|row| row["decision"] == decision), "{decision}: {rows:?}");
    }
    assert!(rows.iter().any(|row| row["values"].as_str().is_some_and(|text| text.contains("kept"))));
}

#[tokio::test]
async fn t_policy_sandbox_a_programs_rules_forbid_and_wrong_ones_are_refused_by_line() {
    let rules = tempfile::tempdir().unwrap();
    let path = rules.path().join("notes.cedar");
    std::fs::write(
        &path,
        r#"@id("not-that-one")
forbid (principal, action == Action::"call", resource)
when { resource.name == "read_note" && context.args has id && context.args.id == "secret" };"#,
    )
    .unwrap();
    let good = path.clone();
    let program = Program::start(|builder| builder.policy_file(good)).await;
    let [own, _] = &program.tokens;
    assert!(went(&program.call("/mcp", own, "read_note", &json!({ "id": "n1" })).await));
    let hidden = program.call("/mcp", own, "read_note", &json!({ "id": "secret" })).await.json();
    assert!(hidden["error"].is_object() && hidden["result"].is_null(), "{hidden}");
    std::fs::write(&path, "permit (principal, action, resource);").unwrap();
    let place = tempfile::tempdir().unwrap();
    for (path, expected) in [(path, "notes.cedar:1:"), (rules.path().join("none.cedar"), "none.cedar`")] {
        let fault = Portcullis::builder()
            .database(&format!("sqlite:{}/x.db", place.path().display()))
            .issuer("http://127.0.0.1:3000")
            .resource("http://127.0.0.1:3000/mcp", ["notes:read"])
            .policy_file(path)
            .build()
            .await
            .unwrap_err();
        assert!(fault.to_string().contains(expected), "{fault}");
    }
}

#[tokio::test]
async fn people_outside_its_groups_have_no_use_of_a_resource() {
    let place = tempfile::tempdir().unwrap();
    let bare = || {
        Portcullis::builder()
            .database(&format!("sqlite:{}/x.db", place.path().display()))
            .issuer("http://127.0.0.1:3000")
            .resource("http://127.0.0.1:3000/mcp", ["notes:read"])
    };
    let second = |window| Limit { of: Of::Calls, most: 1, window, only: Only::default(), each: Each::Agent };
    for (name, given, expected) in [
        ("group", bare().people(["Sales Team"]), "`Sales Team`"),
        ("window", bare().limit(second(Duration::ZERO)), "a window"),
        ("limits", (0..65).fold(bare(), |it, _| it.limit(second(Duration::from_secs(1)))), "at most 64"),
    ] {
        let fault: BuildError = given.build().await.unwrap_err();
        assert!(fault.to_string().contains(expected), "{name}: {fault}");
    }
    let auth = bare().people(["sales"]).build().await.unwrap();
    let (name, password) = ("alice".to_owned(), PASSWORD.to_owned());
    auth.administer(Command::UserAdd { name, password, admin: false }).await.unwrap();
    let create = || Command::TokenCreate {
        user: "alice".to_owned(),
        name: "t".to_owned(),
        scope: "notes:read".to_owned(),
        resource: None,
        seconds: 3600,
    };
    assert!(auth.administer(create()).await.is_err(), "she is in no group");
    let groups = Command::UserGroups { name: "alice".to_owned(), groups: vec!["sales".to_owned()] };
    auth.administer(groups).await.unwrap();
    assert!(auth.administer(create()).await.is_ok());
}
