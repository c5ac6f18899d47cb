//! Dynamic registration (RFC 7591) and clients entered by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::IpAddr;
use std::time::Duration;

use portcullis_server::admin::Command;
use portcullis_testkit::{Answer, Ask, LOOPBACK, Tokens, WEB, World, authorization};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn register(world: &World, body: Value) -> Answer {
    world.send(Ask::post("/register").json(&body)).await
}

#[tokio::test]
async fn g01_g02_everything_registered_is_echoed_with_its_defaults() {
    let world = World::start().await;
    let answer = register(&world, json!({ "redirect_uris": [WEB] })).await;
    assert_eq!(answer.is(201).header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert!(json["client_id"].is_string() && json["client_id_issued_at"].is_i64());
    assert_eq!(json["redirect_uris"], json!([WEB]));
    assert_eq!(json["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(json["response_types"], json!(["code"]));
    assert_eq!(json["application_type"], "web");
    let named = json!({
        "redirect_uris": [LOOPBACK], "client_name": "Notebook", "client_uri": "https://notebook.example/",
        "scope": "notes:read", "token_endpoint_auth_method": "none", "application_type": "native",
        "grant_types": ["authorization_code"],
    });
    let json = register(&world, named.clone()).await.is(201).json();
    for (name, value) in named.as_object().unwrap() {
        assert_eq!(&json[name], value, "{name}");
    }
}

#[tokio::test]
async fn g03_g09_g10_a_secret_where_one_is_wanted_and_never_for_a_public_client() {
    let world = World::start().await;
    for (method, given, has_secret) in [
        (Value::Null, "client_secret_basic", true),
        (json!("client_secret_basic"), "client_secret_basic", true),
        (json!("client_secret_post"), "client_secret_post", true),
        (json!("none"), "none", false),
    ] {
        let body = json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": method });
        let json = register(&world, body).await.is(201).json();
        assert_eq!(json["token_endpoint_auth_method"], given);
        let members = json.as_object().unwrap();
        assert_eq!(members.contains_key("client_secret"), has_secret, "{method}");
        assert_eq!(members.contains_key("client_secret_expires_at"), has_secret, "{method}");
        if has_secret {
            assert_eq!(json["client_secret_expires_at"], 0, "{method}");
        }
    }
}

#[tokio::test]
async fn g04_each_fault_by_its_name() {
    let world = World::start().await;
    for (name, body, error) in [
        ("no redirect", json!({}), "invalid_redirect_uri"),
        ("empty", json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        ("a text", json!({ "redirect_uris": WEB }), "invalid_redirect_uri"),
        ("too many", json!({ "redirect_uris": vec![WEB; 17] }), "invalid_redirect_uri"),
        ("a bad one", json!({ "redirect_uris": [WEB, "http://evil.example/"] }), "invalid_redirect_uri"),
        (
            "method",
            json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": "tls_client_auth" }),
            "invalid_client_metadata",
        ),
        ("grants", json!({ "redirect_uris": [WEB], "grant_types": "x" }), "invalid_client_metadata"),
        ("name", json!({ "redirect_uris": [WEB], "client_name": 7 }), "invalid_client_metadata"),
        (
            "jwt without keys",
            json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": "private_key_jwt" }),
            "invalid_client_metadata",
        ),
        (
            "statement",
            json!({ "redirect_uris": [WEB], "software_statement": "a.b.c" }),
            "unapproved_software_statement",
        ),
    ] {
        let answer = register(&world, body).await;
        assert_eq!(answer.is(400).oauth_error(), error, "{name}");
    }
    for (name, body) in [
        ("no JSON", "nonsense"),
        ("an array", "[]"),
        ("twice", r#"{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}"#),
        ("cut off", r#"{"redirect_uris":["#),
    ] {
        let answer = world.send(Ask::post("/register").body("application/json", body)).await;
        assert_eq!(answer.is(400).oauth_error(), "invalid_client_metadata", "{name}");
    }
    let form = world.net.post("/register", &[("redirect_uris", WEB)]).await;
    form.refuses(415, "invalid_client_metadata");
    let large = json!({ "redirect_uris": [WEB], "x": "y".repeat(20_000) });
    register(&world, large).await.refuses(413, "invalid_request");
    world.get("/register").await.is(405);
}

#[tokio::test]
async fn g05_what_nobody_knows_is_ignored_and_empty_texts_are_absent() {
    let world = World::start().await;
    let body = json!({
        "redirect_uris": [WEB], "client_uri": "", "logo_uri": null, "tos_uri": "", "policy_uri": null, "contacts": null,
        "software_id": "x", "software_version": "1", "x_unknown": { "deep": [1, 2] }, "client_name": "",
        "token_endpoint_auth_method": "none", "scope": "", "jwks": null, "jwks_uri": "",
    });
    let json = register(&world, body).await.is(201).json();
    for absent in ["client_uri", "logo_uri", "client_name", "scope", "x_unknown", "jwks_uri"] {
        assert!(json[absent].is_null(), "{absent}");
    }
}

#[tokio::test]
async fn g06_bad_redirect_uris_are_refused_over_http() {
    let world = World::start().await;
    for uri in [
        "https://a.example/cb#fragment",
        "https://*.example.com/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://a.example/cb",
        "http://127.1/cb",
        "http://localhost.evil.example/cb",
        "https://user@a.example/cb",
        "unknown-app://cb",
        "/relative",
        "",
    ] {
        let answer = register(&world, json!({ "redirect_uris": [uri] })).await;
        assert_eq!(answer.is(400).oauth_error(), "invalid_redirect_uri", "{uri}");
    }
    assert!(world.administer(Command::ClientList).await.is_empty());
}

#[tokio::test]
async fn g07_the_mixed_sets_of_clients_in_wide_use_are_accepted_whole() {
    let world = World::start().await;
    for (name, uris) in [
        (
            "Cursor",
            json!([
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback"
            ]),
        ),
        (
            "Visual Studio Code",
            json!([
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/"
            ]),
        ),
    ] {
        let body = json!({
            "client_name": name, "redirect_uris": uris, "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        });
        let json = register(&world, body).await.is(201).json();
        assert_eq!(json["redirect_uris"], uris, "{name}");
        assert_eq!(json["grant_types"], json!(["authorization_code", "refresh_token"]), "{name}");
    }
}

#[tokio::test]
async fn g08_a_web_application_has_https_alone() {
    let world = World::start().await;
    for (kind, uri, status) in [
        ("web", WEB, 201),
        ("web", LOOPBACK, 400),
        ("web", "cursor://cb", 400),
        ("native", LOOPBACK, 201),
        ("native", "cursor://cb", 201),
        ("native", WEB, 201),
        ("", LOOPBACK, 201),
        ("", WEB, 201),
        ("other", WEB, 400),
    ] {
        let answer = register(&world, json!({ "redirect_uris": [uri], "application_type": kind })).await;
        answer.is(status);
        if status == 400 {
            assert_eq!(answer.oauth_error(), "invalid_client_metadata", "{kind} {uri}");
        }
    }
}

#[tokio::test]
async fn g11_a_burst_from_one_source_is_slowed_and_others_are_not() {
    let world = World::builder().settings(|settings| settings.registration.burst = 5).start().await;
    let ask =
        |n: u32| Ask::post("/register").json(&json!({ "redirect_uris": [format!("https://a.example/{n}")] }));
    for n in 0..5 {
        world.send(ask(n)).await.is(201);
    }
    let slowed = world.send(ask(5)).await;
    slowed.is(429);
    assert!(slowed.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    world.send(ask(6).from(IpAddr::from([127, 0, 0, 9]))).await.is(201);
    // Nobody is believed who says to be somebody else.
    world.send(ask(7).header("x-forwarded-for", "203.0.113.7")).await.is(429);
    world.advance(Duration::from_secs(1));
    world.send(ask(8)).await.is(201);
}

#[tokio::test]
async fn g11_behind_a_trusted_proxy_the_source_is_the_last_address_it_does_not_trust_itself() {
    let builder = World::builder().settings(|settings| {
        settings.registration.burst = 1;
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    });
    let world = builder.start().await;
    for (n, (forwarded, status)) in [
        ("203.0.113.1", 201),
        ("203.0.113.1", 429),
        ("198.51.100.9, 203.0.113.1", 429),
        ("198.51.100.9, 203.0.113.2, 10.1.2.3", 201),
        ("203.0.113.3, nonsense", 201), // What cannot be read counts as the proxy's own.
        ("203.0.113.4, nonsense", 429),
        ("2001:db8::1", 201),
        ("2001:db8:0:ff::2", 429),
        ("2001:db8:1::1", 201),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "redirect_uris": [format!("https://a.example/{n}")] });
        let ask = Ask::post("/register").json(&body).header("x-forwarded-for", forwarded);
        assert_eq!(world.send(ask).await.status, status, "{n}: {forwarded}");
    }
    // Somebody who is no proxy says what they like.
    let ask = |n: u8| {
        Ask::post("/register")
            .json(&json!({ "redirect_uris": [WEB] }))
            .header("x-forwarded-for", &format!("203.0.113.{n}"))
    };
    let stranger = IpAddr::from([127, 0, 0, 77]);
    world.send(ask(50).from(stranger)).await.is(201);
    world.send(ask(51).from(stranger)).await.is(429);
}

#[tokio::test]
async fn g11_identical_registrations_are_one_and_unused_ones_are_forgotten() {
    let world = World::start().await;
    let body =
        json!({ "redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none", "client_name": "N" });
    let id = register(&world, body.clone()).await.is(201).json()["client_id"].clone();
    for port in [1, 80, 65_535] {
        let mut other = body.clone();
        other["redirect_uris"] = json!([format!("http://127.0.0.1:{port}/cb")]);
        assert_eq!(register(&world, other).await.is(201).json()["client_id"], id, "the port does not count");
    }
    for change in [("client_name", json!("M")), ("redirect_uris", json!(["http://127.0.0.1/other"]))] {
        let mut other = body.clone();
        other[change.0] = change.1;
        assert_ne!(register(&world, other).await.is(201).json()["client_id"], id, "{}", change.0);
    }
    let secret = json!({ "redirect_uris": [WEB] });
    let one = register(&world, secret.clone()).await.is(201).json();
    let two = register(&world, secret).await.is(201).json();
    assert_ne!(one["client_id"], two["client_id"], "a client with a secret is one of its own");
    assert_eq!(world.administer(Command::ClientList).await.len(), 5);
    world.advance(DAY + Duration::from_secs(1));
    world.app.sweep().await;
    assert!(world.administer(Command::ClientList).await.is_empty());
}

#[tokio::test]
async fn g11_a_flood_of_identical_registrations_is_one_row() {
    let world =
        World::builder().in_memory().settings(|settings| settings.registration.burst = 20_000).start().await;
    let body = json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": "none" });
    for _ in 0..1_000 {
        register(&world, body.clone()).await.is(201);
    }
    assert_eq!(world.administer(Command::ClientList).await.len(), 1);
}

#[tokio::test]
async fn g12_registration_can_be_closed() {
    let world = World::builder().settings(|settings| settings.registration.allowed = false).start().await;
    register(&world, json!({ "redirect_uris": [WEB] })).await.refuses(403, "access_denied");
}

#[tokio::test]
async fn g14_a_client_whose_record_is_gone_recovers_by_itself() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    let old = client.id.clone();
    world.administer(Command::ClientRemove { client_id: old.clone() }).await;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    let refused = client.refresh(&tokens.refresh).await;
    refused.refuses(401, "invalid_client");
    let page = alice.ask(&client.request("v", None)).await;
    page.stops(400, "E-CLIENT-UNKNOWN");
    client.register().await;
    assert_eq!(client.id, old, "the same registration is the same client");
    let again = client.connect(&mut alice, None).await;
    client.call("read_note", &again.access).await.is(200);
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
}

#[tokio::test]
async fn g11_a_registration_in_use_outlives_the_sweep_and_registering_again_harms_nothing() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    world.advance(DAY * 2);
    client.register().await;
    world.advance(DAY * 2);
    world.app.sweep().await;
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &next.access).await.is(200);
}

#[tokio::test]
async fn g15_a_client_entered_beforehand_has_its_own_id_and_redirects() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let command = Command::ClientAdd {
        name: "Desk".to_owned(),
        scope: None,
        resource: None,
        jwks: None,
        redirect_uris: vec![WEB.to_owned()],
        introspects: None,
    };
    let row = world.enter(command).await;
    let mut client = world.client_at("/mcp", WEB).await;
    client.id = row["client_id"].as_str().unwrap().to_owned();
    let tokens = client.connect(&mut alice, None).await;
    client.call("read_note", &tokens.access).await.is(200);
    client.redirect = "https://client.example/elsewhere".to_owned();
    alice.ask(&client.request("v", None)).await.stops(400, "E-REDIRECT-UNKNOWN");
    world.advance(DAY * 400);
    world.app.sweep().await;
    let rows = world.administer(Command::ClientList).await;
    assert!(rows.iter().any(|row| row["client_id"] == client.id.as_str()), "it is not forgotten");
}

#[tokio::test]
async fn g16_c12_ids_and_secrets_need_no_encoding_and_look_like_no_address() {
    let world = World::start().await;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    for method in ["none", "client_secret_post"] {
        let body = json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": method });
        let json = register(&world, body).await.is(201).json();
        let id = json["client_id"].as_str().unwrap();
        assert!(plain(id) && !id.contains(':'), "{id}");
        assert!(json["client_secret"].as_str().is_none_or(plain), "{method}");
    }
    let (id, secret) = world.machine("notes:read").await;
    assert!(plain(&id) && plain(&secret));
}

#[tokio::test]
async fn t_dcr_echo_t04_the_registered_method_is_the_one_enforced() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let body = json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": method });
        let json = register(&world, body).await.is(201).json();
        let id = json["client_id"].as_str().unwrap().to_owned();
        let secret = json["client_secret"].as_str().unwrap_or("none").to_owned();
        let verifier = "v".repeat(43);
        let mut query = authorization(&id, WEB, &verifier);
        query.push(("resource".to_owned(), world.notes.clone()));
        let page = alice.page(&query).await;
        let code = alice.allow(&page).await.landed("code").unwrap();
        let form = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &verifier)];
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            form.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let bare = Ask::post("/token").form(&with(&[("client_id", &id)]));
        let basic = Ask::post("/token").basic(&id, &secret).form(&with(&[]));
        let post = Ask::post("/token").form(&with(&[("client_id", &id), ("client_secret", &secret)]));
        let wrong = Ask::post("/token").basic(&id, "wrong").form(&with(&[]));
        // A secret may come either way, since SDKs choose by our list and not by what they registered.
        let (refused, accepted) = match method {
            "none" => (vec![wrong, basic, post], bare),
            "client_secret_basic" => (vec![wrong, bare], post),
            _ => (vec![wrong, bare], basic),
        };
        for ask in refused {
            world.send(ask).await.refuses(401, "invalid_client");
        }
        world.send(accepted).await.is(200);
    }
}
