//! The guarded resources behind a whole server: which token opens which door.

use serde_json::json;

use crate::inprocess::{
    Ask, ISSUER, Kind, LOOPBACK, NOTES, OTHER, Place, REDIRECT, Tokens, authorization, exchange, with,
};

/// An agent at each of the two resources.
async fn agents(place: &Place) -> [(&'static str, Tokens); 2] {
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let notes = place.agent(user, &client, "notes:read").await;
    let query = with(authorization(&client, REDIRECT, "other:use"), "resource", OTHER);
    let code = place.signed_in(user).await.code(&query).await;
    let mut form = exchange(&client, &code);
    form.push(("resource", OTHER));
    let other = Tokens::of(&place.token(&form).await);
    [("/mcp", notes), ("/other", other)]
}

#[tokio::test]
async fn t_aud_matrix_only_the_diagonal_passes() {
    let place = Place::on(Kind::Memory).await;
    for (own, tokens) in agents(&place).await {
        for (door, uri) in [("/mcp", NOTES), ("/other", OTHER)] {
            let answer = place.call(door, &tokens.access).await;
            assert_eq!(answer.status, if own == door { 200 } else { 401 }, "{own} at {door}");
            assert_eq!(crate::inprocess::claims(&tokens.access)["aud"].as_str() == Some(uri), own == door);
        }
    }
}

#[tokio::test]
async fn t_challenge_says_where_to_go_and_the_least_scope() {
    let place = Place::on(Kind::Memory).await;
    for (door, scope, other) in [("/mcp", "notes:read", "notes:write"), ("/other", "other:use", "notes")] {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let answer = place.send(Ask::new(method, door)).await;
            assert_eq!(answer.status, 401, "{method} {door}");
            let challenge = answer.header("www-authenticate");
            let document =
                format!("resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource{door}\"");
            assert!(challenge.starts_with("Bearer ") && challenge.contains(&document), "{challenge}");
            assert!(
                challenge.contains(&format!("scope=\"{scope}\"")) && !challenge.contains(other),
                "{challenge}"
            );
            assert!(!challenge.contains("error"), "bare: {challenge}");
            let document = place.get(&format!("/.well-known/oauth-protected-resource{door}")).await.json();
            assert_eq!(document["resource"], format!("{ISSUER}{door}"));
            assert_eq!(document["authorization_servers"][0], ISSUER);
        }
    }
    let [(_, tokens), _] = agents(&place).await;
    let answer = place.send(Ask::tool("/mcp", "delete_note").bearer(&tokens.access)).await;
    let challenge = answer.header("www-authenticate");
    assert_eq!(answer.status, 403);
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && challenge.contains("notes:delete"),
        "{challenge}"
    );
}

#[tokio::test]
async fn t_query_token_a_good_token_in_a_url_or_a_body_opens_nothing() {
    let place = Place::on(Kind::Memory).await;
    let [(_, tokens), _] = agents(&place).await;
    for name in ["access_token", "token", "bearer", "Authorization", "access%5ftoken"] {
        let ask = Ask::tool(&format!("/mcp?{name}={}", tokens.access), "read_note");
        let answer = place.send(ask.clone()).await;
        assert!([400, 401].contains(&answer.status), "{name}: {}", answer.status);
        assert!(!answer.everything().contains(&tokens.access), "{name}");
    }
    let both = Ask::tool(&format!("/mcp?access_token={}", tokens.access), "read_note").bearer(&tokens.access);
    assert_eq!(place.send(both).await.status, 400, "two ways at once are none");
    let body = place.post("/mcp", &[("access_token", &tokens.access)]).await;
    assert_eq!(body.status, 401);
    for name in
        ["cookie", "x-access-token", "proxy-authorization", "x-forwarded-authorization", "x-authorization"]
    {
        let ask = Ask::tool("/mcp", "read_note").header(name, &format!("Bearer {}", tokens.access));
        assert_eq!(place.send(ask).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn t_hidden_tool_t_json_diff_t_versions_what_is_judged_is_what_is_called() {
    let place = Place::on(Kind::Memory).await;
    let [(_, tokens), _] = agents(&place).await;
    let call = |body: &str, version: Option<&str>| {
        let ask = Ask::post("/mcp").body(body, "application/json").bearer(&tokens.access);
        match version {
            Some(version) => ask.header("mcp-protocol-version", version),
            None => ask,
        }
    };
    let message =
        |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#);
    for version in [None, Some("2025-03-26"), Some("2025-06-18"), Some("2025-11-25")] {
        let read = message(r#""name":"read_note","arguments":{}"#);
        assert_eq!(place.send(call(&read, version)).await.status, 200, "{version:?}");
        let delete = message(r#""name":"delete_note","arguments":{}"#);
        assert_eq!(place.send(call(&delete, version)).await.status, 403, "{version:?}");
        for (name, body) in [
            ("two names", message(r#""name":"read_note","name":"delete_note""#)),
            ("two names, turned", message(r#""name":"delete_note","name":"read_note""#)),
            ("a capital", message(r#""name":"read_note","Name":"delete_note""#)),
            ("an escape", message("\"name\":\"read_note\",\"n\\u0061me\":\"delete_note\"")),
            ("a NUL", message("\"name\":\"read_note\",\"name\\u0000\":\"delete_note\"")),
            ("two params", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note"},"params":{"name":"delete_note"}}"#.to_owned()),
            ("two methods", r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_note"}}"#.to_owned()),
            ("a batch", format!("[{read},{delete}]")),
            ("two documents", format!("{read}{delete}")),
            ("no document", "{".to_owned()),
        ] {
            let answer = place.send(call(&body, version)).await;
            assert!([400, 403].contains(&answer.status), "{name} {version:?}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn t_header_strip_no_header_makes_somebody_of_nobody() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await.to_string();
    for name in [
        "x-user",
        "x-subject",
        "x-forwarded-user",
        "x-auth-request-user",
        "remote-user",
        "x-portcullis-subject",
        "x-agent",
        "x-scopes",
        "x-forwarded-email",
        "cf-access-jwt-assertion",
        "x-mcp-agent",
        "x_user",
    ] {
        let answer = place.send(Ask::tool("/mcp", "read_note").header(name, &user)).await;
        assert_eq!(answer.status, 401, "{name}");
    }
    let [(_, tokens), _] = {
        let place = &place;
        let client = place.client(REDIRECT).await;
        let user = place.quick_account("bob").await;
        let tokens = place.agent(user, &client, "notes:read").await;
        [("/mcp", tokens.clone()), ("/mcp", tokens)]
    };
    let ask = Ask::tool("/mcp", "read_note").header("x-subject", &user).bearer(&tokens.access);
    let answer = place.send(ask).await;
    assert_eq!(
        (answer.header("x-credentials"), answer.header("x-subject") == user),
        ("0", false),
        "the token stops here"
    );
}

#[tokio::test]
async fn t_garbage_token_t_trunc_mutated_tokens_open_nothing() {
    let place = Place::on(Kind::Memory).await;
    let [(_, tokens), _] = agents(&place).await;
    let good = tokens.access.as_str();
    let mut tried = 0;
    for at in 0..good.len() {
        let letter = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        for bad in [
            good[..at].to_owned(),
            good[at + 1..].to_owned(),
            format!("{}{letter}{}", &good[..at], &good[at + 1..]),
            format!("{}.{}", &good[..at], &good[at..]),
        ] {
            tried += 1;
            let ask = Ask::tool("/mcp", "read_note").bearer(&bad);
            let status = place.send(ask).await.status;
            assert!([400, 401].contains(&status), "byte {at}: {status} for {bad}");
        }
    }
    assert!(tried > 1_000);
    assert_eq!(place.call("/mcp", good).await.status, 200);
}

#[tokio::test]
async fn t_cross_client_nobody_revokes_or_looks_at_what_is_anothers() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.quick_account("alice").await;
    let (client, other) = (place.client(REDIRECT).await, place.client(LOOPBACK).await);
    let (notes, elsewhere) = (place.asker(NOTES).await, place.asker(OTHER).await);
    let tokens = place.agent(user, &client, "notes:read notes:write").await;
    for token in [&tokens.access, &tokens.refresh] {
        for hint in ["access_token", "refresh_token"] {
            let form = [("client_id", other.as_str()), ("token", token), ("token_type_hint", hint)];
            let answer = place.post("/revoke", &form).await;
            assert_eq!((answer.status, answer.json()), (200, json!({})), "no effect, and no word about it");
        }
        let answer = place.introspect(&elsewhere, token).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"active": false})));
    }
    let by_client = place.post("/introspect", &[("client_id", &client), ("token", &tokens.access)]).await;
    assert!(by_client.status >= 400 && !by_client.text().contains("active"), "{}", by_client.text());
    let nobody = place.post("/introspect", &[("token", &tokens.access)]).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(
        place.introspect(&notes, &tokens.refresh).await.json(),
        json!({"active": false}),
        "no access token"
    );
    let seen = place.introspect(&notes, &tokens.access).await.json();
    assert_eq!((seen["active"].as_bool(), seen["aud"].as_str()), (Some(true), Some(NOTES)));
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);
    assert_eq!(place.refresh(&client, &tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn t_cors_only_where_no_cookie_counts_and_never_with_credentials() {
    let place = Place::on(Kind::Memory).await;
    let open = [
        "/token",
        "/register",
        "/revoke",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/mcp",
    ];
    let closed =
        ["/authorize", "/sign-in", "/consent", "/account", "/account/revoke", "/setup", "/introspect", "/"];
    for path in open.into_iter().chain(closed) {
        for method in ["OPTIONS", "GET", "POST"] {
            let ask = Ask::new(method, path)
                .header("origin", "https://app.example")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization");
            let answer = place.send(ask).await;
            assert!(!answer.has("access-control-allow-credentials"), "{method} {path}");
            if closed.contains(&path) {
                assert!(!answer.has("access-control-allow-origin"), "{method} {path}");
            } else if path != "/mcp" {
                assert_eq!(answer.header("access-control-allow-origin"), "*", "{method} {path}");
            }
            assert!(answer.status < 500, "{method} {path}");
        }
    }
}
