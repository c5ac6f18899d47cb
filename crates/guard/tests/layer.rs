//! What the layer does around the token: scopes, messages, sites, and what passes on.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod world;

use axum_core::body::Body;
use axum_core::extract::FromRequestParts as _;
use axum_core::response::IntoResponse as _;
use http::{Request, StatusCode};
use portcullis_guard::{Agent, Unguarded};
use portcullis_wire::limit;
use serde_json::json;
use world::{Answer, RESOURCE, World, post, request, scopes, send};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const VERSIONS: [Option<&str>; 7] = [
    None,
    Some("2025-03-26"),
    Some("2025-06-18"),
    Some("2025-11-25"),
    Some("2026-07-28"),
    Some("2099-01-01"),
    Some("nonsense"),
];

fn call(tool: &str) -> String {
    json!({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":tool,"arguments":{}}}).to_string()
}

fn scope_of(answer: &Answer) -> String {
    let challenge = answer.challenge().unwrap();
    challenge.split("scope=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn r09_lacking_scope_is_403_and_names_everything_needed() {
    let world = World::new();
    for (name, held, tool, expected) in [
        ("base and tool", "other", "delete_note", "mcp:tools notes:delete"),
        ("tool alone is missing", "mcp:tools", "delete_note", "mcp:tools notes:delete"),
        ("two for one tool", "mcp:tools notes:read", "share_note", "mcp:tools notes:read notes:share"),
        ("a broader one is kept", "mcp:admin", "share_note", "mcp:admin notes:read notes:share"),
    ] {
        let answer = post(&world.tooled(), &world.token(held), &call(tool)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        let challenge = answer.challenge().unwrap();
        assert!(
            challenge.starts_with("Bearer error=\"insufficient_scope\", error_description=\""),
            "{challenge}"
        );
        assert!(
            challenge.contains("resource_metadata=\"https://notes.example.com/.well-known/"),
            "{challenge}"
        );
        assert_eq!(answer.json()["error"], "insufficient_scope");
        assert_eq!(scope_of(&answer), expected, "{name}");
    }
}

#[tokio::test]
async fn r09_who_lacks_the_base_is_told_so_whatever_the_body() {
    let world = World::new();
    for (name, verb, body) in
        [("not a message", "POST", "{"), ("a batch", "POST", "[]"), ("no body", "GET", "")]
    {
        let answer = send(&world.tooled(), request(verb, Some(&world.token("other")), &[], body)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(scope_of(&answer), "mcp:tools", "{name}");
    }
}

#[tokio::test]
async fn r10_a_broader_scope_satisfies_a_narrower_demand() {
    let world = World::new();
    let answer = post(&world.tooled(), &world.token("mcp:admin"), &call("delete_note")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("x-may-delete"), Some("true"));
}

#[tokio::test]
async fn r13_every_verb_is_authorised_on_its_own() {
    let world = World::new();
    for verb in ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"] {
        for headers in [vec![], vec![("mcp-session-id", "known")]] {
            let answer = send(&world.tooled(), request(verb, None, &headers, "")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "r16 r19 {verb}");
            assert!(answer.challenge().unwrap().starts_with("Bearer "), "{verb}");
        }
    }
    for verb in ["GET", "DELETE", "HEAD"] {
        let answer = send(&world.tooled(), request(verb, Some(&world.token("mcp:tools")), &[], "")).await;
        assert_eq!(answer.status, StatusCode::OK, "{verb}");
        let answer = send(&world.tooled(), request(verb, Some(&world.token("other")), &[], "")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{verb}");
    }
}

#[tokio::test]
async fn r17_initialize_without_token_is_401() {
    let world = World::new();
    let body =
        json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})
            .to_string();
    let answer = send(&world.tooled(), request("POST", None, &[], &body)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn t_versions_scopes_hold_for_every_revision_and_every_verb() {
    let world = World::new();
    for version in VERSIONS {
        for verb in ["POST", "PUT", "PATCH", "GET", "DELETE"] {
            let mut headers = vec![("mcp-method", "tools/call"), ("mcp-name", "delete_note")];
            headers.extend(version.map(|version| ("mcp-protocol-version", version)));
            let ask = |held: &str| request(verb, Some(&world.token(held)), &headers, &call("delete_note"));
            let answer = send(&world.tooled(), ask("mcp:tools")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{verb} {version:?}");
            assert_eq!(scope_of(&answer), "mcp:tools notes:delete");
            let answer = send(&world.tooled(), ask("mcp:tools notes:delete")).await;
            assert_eq!(answer.status, StatusCode::OK, "{verb} {version:?}");
        }
    }
}

#[tokio::test]
async fn w11_headers_of_an_older_revision_do_not_speak_for_the_body() {
    let world = World::new();
    for version in VERSIONS {
        let mut headers = vec![("mcp-method", "tools/list"), ("mcp-name", "read_note")];
        headers.extend(version.map(|version| ("mcp-protocol-version", version)));
        let answer = send(
            &world.tooled(),
            request("POST", Some(&world.token("mcp:tools")), &headers, &call("delete_note")),
        )
        .await;
        let is_later = matches!(version, Some("2026-07-28" | "2099-01-01"));
        let expected = if is_later { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status, expected, "{version:?}");
        if is_later {
            assert_eq!(answer.json()["error"]["code"], -32020);
            assert_eq!(answer.json()["id"], 7);
            assert_eq!(answer.challenge(), None);
        }
    }
}

#[tokio::test]
async fn t_hidden_tool_what_an_agent_may_and_what_it_can_call_are_one() {
    let world = World::new();
    for held in ["mcp:tools", "mcp:tools notes:delete", "mcp:admin"] {
        let token = world.token(held);
        let may = post(&world.tooled(), &token, PING).await.header("x-may-delete") == Some("true");
        let can = post(&world.tooled(), &token, &call("delete_note")).await.status == StatusCode::OK;
        assert_eq!(may, can, "{held}");
    }
    let answer = post(&world.tooled(), &world.token("mcp:tools"), &call("Delete_Note")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn t_json_diff_a_message_with_two_readings_does_not_pass() {
    let world = World::new();
    let token = world.token("mcp:tools");
    for (name, body, code) in [
        (
            "duplicate",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"delete_note"}}"#,
            -32700,
        ),
        (
            "variant",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"delete_note"}}"#,
            -32600,
        ),
        ("w24 batch", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("form", "method=tools/call&name=delete_note", -32700),
        ("form token beside the header", "access_token=a.b.c", -32700),
        ("empty", "", -32700),
        ("no tool", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, -32602),
    ] {
        let answer = post(&world.tooled(), &token, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert_eq!(answer.json()["error"]["code"], code, "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    }
}

#[tokio::test]
async fn t_header_strip_the_token_stops_here_and_the_body_passes_as_it_came() {
    let world = World::new();
    let body = " {\n\"jsonrpc\" :\t\"2.0\", \"id\": 1.0e0, \"method\":\"ping\"}";
    let spaced = " {\n\"jsonrpc\" :\t\"2.0\", \"id\":  1, \"method\":\"p\\u0069ng\"} ";
    let token = world.token("mcp:tools");
    assert_eq!(post(&world.tooled(), &token, body).await.status, StatusCode::BAD_REQUEST);
    for guard in [world.tooled(), world.plain()] {
        let answer = post(&guard, &token, spaced).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, spaced);
        assert_eq!(answer.header("x-credentials"), Some("0"));
    }
}

#[tokio::test]
async fn w20_a_body_too_large_is_413_whether_or_not_it_says_so() {
    let world = World::new();
    let token = world.token("mcp:tools");
    let big =
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"x\":\"{}\"}}", "a".repeat(limit::MESSAGE_BODY));
    let answer = post(&world.tooled(), &token, &big).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let length = (limit::MESSAGE_BODY + 1).to_string();
    let headers = [("content-length", length.as_str())];
    let answer = send(&world.tooled(), request("POST", Some(&token), &headers, PING)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["error"], "invalid_request");
}

#[tokio::test]
async fn r18_t_rebind_foreign_hosts_and_origins_are_refused_whatever_the_token() {
    let world = World::new();
    let token = world.token("mcp:tools");
    for (name, headers, status) in [
        ("foreign origin", vec![("origin", "https://evil.example")], StatusCode::FORBIDDEN),
        ("null origin", vec![("origin", "null")], StatusCode::FORBIDDEN),
        (
            "two origins",
            vec![("origin", "https://notes.example.com"), ("origin", "https://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        ("foreign host", vec![("host", "evil.example")], StatusCode::MISDIRECTED_REQUEST),
        ("both", vec![("host", "evil.example"), ("origin", "http://evil.example")], StatusCode::FORBIDDEN),
    ] {
        for token in [None, Some(token.as_str())] {
            for verb in ["POST", "GET", "OPTIONS"] {
                let answer = send(&world.plain(), request(verb, token, &headers, PING)).await;
                assert_eq!(answer.status, status, "{name} {verb}");
                assert_eq!(answer.header("access-control-allow-origin"), None, "{name} {verb}");
                assert_eq!(answer.challenge(), None, "{name} {verb}");
            }
        }
    }
    let headers = [("origin", "https://notes.example.com")];
    let answer = send(&world.plain(), request("POST", Some(&token), &headers, PING)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn r27_a_browser_may_ask_beforehand_and_read_the_challenge() {
    let world = World::new();
    let guard = world.builder(RESOURCE).allowed_origins(["https://app.example"]).build();
    let origin = ("origin", "https://app.example");
    let asked = [origin, ("access-control-request-method", "POST")];
    let answer = send(&guard, request("OPTIONS", None, &asked, "")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, DELETE, OPTIONS"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for name in [
        "Authorization",
        "Content-Type",
        "MCP-Protocol-Version",
        "Mcp-Session-Id",
        "Mcp-Method",
        "Mcp-Name",
        "Last-Event-ID",
    ] {
        assert!(allowed.contains(name), "{name}");
    }
    let answer = send(&guard, request("POST", None, &[origin], PING)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
}

#[tokio::test]
async fn r27_headers_that_mirror_arguments_are_allowed_by_name() {
    let world = World::new();
    let asked = [
        ("origin", "https://notes.example.com"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,mcp-param-region, X-Other, Mcp-Param-Zone, mcp-param-a b",
        ),
    ];
    let answer = send(&world.plain(), request("OPTIONS", None, &asked, "")).await;
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.ends_with(", mcp-param-region, mcp-param-zone"), "{allowed}");
}

#[tokio::test]
async fn scopes_for_discovery_stand_in_the_first_challenge() {
    let world = World::new();
    let guard = world.builder(RESOURCE).scopes_for_discovery(scopes("mcp:tools mcp:resources")).build();
    let answer = send(&guard, request("GET", None, &[], "")).await;
    assert_eq!(scope_of(&answer), "mcp:resources mcp:tools");
    let answer = post(&guard, &world.token("other"), PING).await;
    assert_eq!(scope_of(&answer), "mcp:tools");
}

#[tokio::test]
async fn an_agent_without_a_guard_is_nobody() {
    let (mut parts, ()) = Request::new(()).into_parts();
    let refused = Agent::from_request_parts(&mut parts, &()).await.err();
    assert_eq!(refused, Some(Unguarded));
    let response = Unguarded.into_response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn t_canary_nothing_of_a_token_is_told_or_printed() {
    let world = World::new();
    let guard = world.tooled();
    let token = world.token("mcp:tools");
    let (head, tail) = token.split_at(token.len() - 20);
    for sent in [format!("{head}{}", "A".repeat(20)), format!("canary.{tail}.canary"), token.clone()] {
        let answer = post(&guard, &sent, "canary").await;
        let told = format!("{:?} {:?}", answer.headers, answer.body);
        assert!(!told.contains("canary") && !told.contains(tail) && !told.contains(&head[..40]), "{told}");
    }
    let agent = guard.verify_token(&token, portcullis_guard::Clock::now(&*world)).unwrap();
    let printed = format!("{agent:?} {guard:?} {:?}", guard.require(&scopes("a")));
    assert!(!printed.contains(tail) && !printed.contains("token-1"), "{printed}");
}

#[tokio::test]
async fn a_body_of_any_kind_can_be_guarded() {
    use tower::ServiceExt as _;
    let world = World::new();
    let layer = world.tooled().require(&scopes("mcp:tools"));
    let inner = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(
            bytes::Bytes::from_static(b"x"),
        )))
    });
    let service = tower_layer::Layer::layer(&layer, inner);
    let (parts, _) = request("POST", Some(&world.token("mcp:tools")), &[], "").into_parts();
    let body = http_body_util::Full::new(bytes::Bytes::from_static(PING.as_bytes()));
    let response = service.oneshot(Request::from_parts(parts, body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}
