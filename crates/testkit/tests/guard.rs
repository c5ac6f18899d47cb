//! The guard before real MCP servers, with tokens of a real authorization server (RFC 6750, RFC 9068, RFC 9728).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_jose::key::Alg;
use portcullis_testkit::{Ask, Browser, HonestClient, WEB, World, claims, encode, forge};
use serde_json::{Value, json};

async fn world() -> (World, Browser, HonestClient) {
    let world = World::start().await;
    let alice = world.signed_in("alice").await;
    let client = world.client().await;
    (world, alice, client)
}

#[tokio::test]
async fn r06_r07_r13_r16_r17_every_verb_without_a_token_is_a_bare_401() {
    let (world, _, _) = world().await;
    for (path, scope) in [("/mcp", "notes:read"), ("/other", "other:use")] {
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] {
            let answer = world.send(Ask::new(method, path)).await;
            let challenge = answer.is_challenged(401, None);
            let document = world.net.url(&format!("/.well-known/oauth-protected-resource{path}"));
            assert_eq!(challenge.get("resource_metadata"), Some(document.as_str()), "{method}");
            assert_eq!(challenge.get("scope"), Some(scope), "{method}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{method}");
        }
        for method in ["initialize", "server/discover", "tools/list", "ping", "tools/call"] {
            world.send(Ask::message(path, method, &json!({}))).await.is_challenged(401, None);
        }
    }
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn r08_r12_each_flip_of_a_token_is_invalid_token() {
    let (world, mut alice, client) = world().await;
    let tokens = client.connect(&mut alice, None).await;
    let good = claims(&tokens.access);
    let stranger = forge::key(Alg::Es256);
    let header: Value = {
        let part = portcullis_wire::base64url::decode(tokens.access.split('.').next().unwrap()).unwrap();
        serde_json::from_slice(&part).unwrap()
    };
    let mut bad = vec![
        ("a stranger's key", forge::sign(&stranger, "at+jwt", &good)),
        ("unsecured", forge::unsecured(&good)),
        ("altered", forge::altered(&tokens.access)),
        ("cut off", tokens.access[..tokens.access.len() - 4].to_owned()),
        ("without a signature", tokens.access.rsplit_once('.').unwrap().0.to_owned()),
        ("with a tail", format!("{}.x", tokens.access)),
        ("nonsense", "nonsense".to_owned()),
        ("a refresh token", tokens.refresh.clone()),
        ("too long", "x".repeat(9000)),
    ];
    for (name, value) in [
        ("scope", json!("notes:admin")),
        ("aud", json!(world.other)),
        ("exp", json!(9_999_999_999_i64)),
        ("rev", json!(99)),
    ] {
        bad.push((name, forge::transplanted(&tokens.access, &forge::changed(&good, &[(name, value)]))));
    }
    for (name, value) in [("alg", "none"), ("alg", "HS256"), ("typ", "JWT"), ("kid", "other")] {
        let header = forge::changed(&header, &[(name, json!(value))]);
        bad.push((name, forge::with_header(&tokens.access, &header)));
    }
    let jwk = serde_json::to_value(stranger.public_jwk()).unwrap();
    bad.push((
        "its own key",
        forge::with_header(
            &forge::sign(&stranger, "at+jwt", &good),
            &forge::changed(&header, &[("jwk", jwk)]),
        ),
    ));
    for (name, token) in &bad {
        let answer = world.net.call("/mcp", "read_note", token).await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
        let challenge = answer.is_challenged(401, Some("invalid_token"));
        assert!(challenge.get("error_description").is_some(), "{name}");
    }
    assert!(world.seen().is_empty());
    client.call("read_note", &tokens.access).await.is(200);
}

#[tokio::test]
async fn r08_a_token_dies_on_time_to_the_second() {
    let (world, mut alice, client) = world().await;
    let tokens = client.connect(&mut alice, None).await;
    world.advance(Duration::from_secs(599));
    client.call("read_note", &tokens.access).await.is(200);
    world.advance(Duration::from_secs(1));
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
}

#[tokio::test]
async fn t_aud_matrix_a_token_for_one_server_is_refused_by_another() {
    let (world, mut alice, client) = world().await;
    let other = world.client_at("/other", WEB).await;
    let of_notes = client.connect(&mut alice, None).await;
    let of_other = other.connect(&mut alice, None).await;
    assert_eq!(claims(&of_other.access)["aud"], *world.other);
    for (path, token, good) in [
        ("/mcp", &of_notes.access, true),
        ("/mcp", &of_other.access, false),
        ("/other", &of_notes.access, false),
        ("/other", &of_other.access, true),
        ("/mcp", &of_other.access, false),
    ] {
        let answer = world.net.call(path, "read_note", token).await;
        if good {
            answer.is(200);
        } else {
            answer.is_challenged(401, Some("invalid_token"));
        }
    }
    assert!(world.seen().iter().all(|seen| (seen.path == "/mcp") == (seen.client == client.id)));
}

#[tokio::test]
async fn r09_r10_s13_a_lacking_scope_is_403_and_what_it_names_can_be_had() {
    let (world, mut alice, client) = world().await;
    let low = client.connect(&mut alice, None).await;
    let answer = client.call("write_note", &low.access).await;
    let challenge = answer.is_challenged(403, Some("insufficient_scope"));
    assert_eq!(challenge.get("scope"), Some("notes:read notes:write"), "all that the operation needs");
    assert!(challenge.get("error_description").is_some());
    assert_eq!(answer.oauth_error(), "insufficient_scope");
    let enough = client.connect(&mut alice, challenge.get("scope")).await;
    client.call("write_note", &enough.access).await.is(200);
    let broad = client.connect(&mut alice, Some("notes:admin")).await;
    assert_eq!(broad.scope, "notes:admin");
    for tool in ["read_note", "write_note"] {
        client.call(tool, &broad.access).await.is(200);
    }
    let write_alone = client.connect(&mut alice, Some("notes:write")).await;
    let answer = client.call("read_note", &write_alone.access).await;
    assert_eq!(answer.is_challenged(403, Some("insufficient_scope")).get("scope"), Some("notes:read"));
    let tools: Vec<bool> = world.seen().iter().map(|seen| seen.body.contains("write_note")).collect();
    assert_eq!(tools, [true, false, true], "nothing refused was seen by the server");
}

#[tokio::test]
async fn r11_t_query_token_one_credential_in_one_header() {
    let (world, mut alice, client) = world().await;
    let token = client.connect(&mut alice, None).await.access;
    let query =
        world.send(Ask::tool(&format!("/mcp?{}", encode(&[("access_token", &token)])), "read_note")).await;
    query.is_challenged(401, None);
    world.net.post("/mcp", &[("access_token", &token)]).await.is_challenged(401, None);
    let both = Ask::tool(&format!("/mcp?access_token={token}"), "read_note").bearer(&token);
    world.send(both).await.is_challenged(400, Some("invalid_request"));
    let twice = Ask::tool("/mcp", "read_note").bearer(&token).bearer(&token);
    world.send(twice).await.is_challenged(400, Some("invalid_request"));
    for value in
        ["Bearer", "Bearer ", &format!("Bearer {token} x"), &format!("Bearer {token},{token}"), "Bearer ü"]
    {
        let answer = world.send(Ask::tool("/mcp", "read_note").header("authorization", value)).await;
        assert!(matches!(answer.status, 400 | 401), "{value}: {answer:?}");
        answer.challenge();
    }
    for (scheme, status) in [("Basic", 401), ("DPoP", 401), ("bearer", 200), ("BEARER", 200)] {
        let ask = Ask::tool("/mcp", "read_note").header("authorization", &format!("{scheme} {token}"));
        assert_eq!(world.send(ask).await.status, status, "{scheme}");
    }
    let cookie = Ask::tool("/mcp", "read_note").header("cookie", &format!("access_token={token}"));
    world.send(cookie).await.is_challenged(401, None);
}

#[tokio::test]
async fn r14_t_no_passthrough_the_token_stops_at_the_guard() {
    let (world, mut alice, client) = world().await;
    let tokens = client.connect(&mut alice, None).await;
    client.call("read_note", &tokens.access).await.is(200);
    let seen = world.seen().remove(0);
    assert!(!seen.has_credential);
    assert_eq!(seen.subject, claims(&tokens.access)["sub"].as_str().unwrap());
    assert_eq!((seen.client, seen.scopes), (client.id, "notes:read".to_owned()));
}

#[tokio::test]
async fn r18_s10_foreign_origins_are_403_and_foreign_hosts_421_with_the_best_of_tokens() {
    let (world, mut alice, client) = world().await;
    let token = client.connect(&mut alice, None).await.access;
    let ask = || Ask::tool("/mcp", "read_note").bearer(&token);
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"] {
        let answer = world.send(ask().header("origin", origin)).await;
        assert_eq!(answer.is(403).header("www-authenticate"), None, "{origin}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:80", "192.0.2.1"] {
        let answer = world.send(ask().header("host", host)).await;
        assert_eq!(answer.is(421).header("www-authenticate"), None, "{host}");
    }
    assert!(world.seen().is_empty());
    for origin in [world.issuer(), "http://localhost:6274"] {
        world.send(ask().header("origin", origin)).await.is(200);
    }
}

#[tokio::test]
async fn r19_a_session_id_is_no_credential() {
    let (world, mut alice, client) = world().await;
    let token = client.connect(&mut alice, None).await.access;
    let ask = || Ask::tool("/mcp", "read_note").header("mcp-session-id", "1868a90c-7d6a-4e3b");
    world.send(ask().bearer(&token)).await.is(200);
    world.send(ask()).await.is_challenged(401, None);
    world
        .send(Ask::new("DELETE", "/mcp").header("mcp-session-id", "1868a90c-7d6a-4e3b"))
        .await
        .is_challenged(401, None);
}

#[tokio::test]
async fn r27_a_page_may_ask_beforehand_and_read_the_challenge() {
    let (world, _, _) = world().await;
    let ask = Ask::new("OPTIONS", "/mcp")
        .header("origin", "http://localhost:6274")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, mcp-protocol-version, mcp-param-path");
    let answer = world.send(ask).await;
    let allowed = answer.is(204).header("access-control-allow-headers").unwrap().to_lowercase();
    for name in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "last-event-id",
        "mcp-param-path",
    ] {
        assert!(allowed.contains(name), "{name}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let answer = world.send(Ask::tool("/mcp", "x").header("origin", "http://localhost:6274")).await;
    answer.is_challenged(401, None);
    assert!(answer.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
    assert!(answer.header("access-control-allow-origin").is_some());
}

#[tokio::test]
async fn t_json_diff_a_message_with_two_readings_reaches_nobody() {
    let (world, mut alice, client) = world().await;
    let token = client.connect(&mut alice, None).await.access;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write_note"}}"#;
    for (name, body) in [
        ("two methods", call.replace("\"method\"", "\"method\":\"ping\",\"method\"")),
        ("two names", call.replace("\"name\"", "\"name\":\"read_note\",\"name\"")),
        ("an escape", call.replace("\"method\"", "\"method\":\"ping\",\"\\u006dethod\"")),
        ("a batch", format!("[{call}]")),
        ("a tail", format!("{call}{{}}")),
        ("deep", format!("{}{}", "[".repeat(200), "]".repeat(200))),
        ("nothing", String::new()),
    ] {
        let answer = world.send(Ask::post("/mcp").bearer(&token).body("application/json", body)).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
    }
    let escaped = call.replace("write_note", "write\\u005fnote");
    let answer = world.send(Ask::post("/mcp").bearer(&token).body("application/json", escaped)).await;
    answer.is_challenged(403, Some("insufficient_scope"));
    assert!(world.seen().is_empty());
    // The newest wire mirrors the body in its headers; a mirror that lies is refused.
    let modern = |method: &str, tool: &str| {
        let params = json!({ "name": "read_note", "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } });
        Ask::post("/mcp")
            .bearer(&token)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
    };
    world.send(modern("tools/call", "read_note")).await.is(200);
    for (method, tool) in [("tools/list", "read_note"), ("tools/call", "write_note"), ("tools/call", "")] {
        world.send(modern(method, tool)).await.is(400);
    }
}
