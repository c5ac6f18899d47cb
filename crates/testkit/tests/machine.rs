//! Machines: `client_credentials` with a secret and with `private_key_jwt` (RFC 6749 §4.4, RFC 7523).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use portcullis_jose::key::{Alg, SigningKey};
use portcullis_server::admin::Command;
use portcullis_testkit::{Answer, Ask, LOOPBACK, Tokens, WEB, World, claims, forge};
use serde_json::{Value, json};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn assertion(world: &World, id: &str, jti: &str) -> Value {
    json!({ "iss": id, "sub": id, "aud": world.issuer(), "jti": jti, "iat": world.now(), "exp": world.now() + 60 })
}

async fn prove(world: &World, assertion: &str, client_id: Option<&str>) -> Answer {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    form.extend(client_id.map(|id| ("client_id", id)));
    world.net.token(&form).await
}

async fn keyed(world: &World, alg: Alg) -> (SigningKey, String) {
    let key = forge::key(alg);
    let id = world.machine_with_keys("notes:read", forge::jwks(&key)).await;
    (key, id)
}

#[tokio::test]
async fn x01_a_machine_gets_what_was_entered_for_it_and_no_refresh_token() {
    let world = World::start().await;
    let (id, secret) = world.machine("notes:read notes:write").await;
    let ask = |more: &[(&'static str, &str)]| {
        let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Ask::post("/token").basic(&id, &secret).form(&form)
    };
    let answer = world.send(ask(&[])).await;
    assert!(answer.is(200).json()["refresh_token"].is_null());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = Tokens::of(&answer);
    assert_eq!(tokens.scope, "notes:read notes:write");
    assert_eq!(claims(&tokens.access)["aud"], *world.notes);
    world.net.call("/mcp", "write_note", &tokens.access).await.is(200);
    let narrow = Tokens::of(&world.send(ask(&[("scope", "notes:read"), ("resource", &world.notes)])).await);
    assert_eq!(narrow.scope, "notes:read");
    assert_eq!(narrow.agent(), tokens.agent(), "one machine at one resource is one agent");
    for (name, value, error) in [
        ("scope", "notes:admin", "invalid_scope"),
        ("scope", "a  b", "invalid_scope"),
        ("resource", &*world.other, "invalid_scope"),
        ("resource", "https://elsewhere.example/", "invalid_target"),
    ] {
        let answer = world.send(ask(&[(name, value)])).await;
        assert_eq!(answer.is(400).oauth_error(), error, "{name}={value}");
    }
    let posted = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*secret)];
    world.net.token(&posted).await.is(200);
}

#[tokio::test]
async fn x01_nobody_who_registered_by_themselves_is_a_machine() {
    let world = World::start().await;
    for method in ["none", "client_secret_basic"] {
        let body = json!({
            "redirect_uris": [WEB], "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "client_credentials"],
        });
        let json = world.send(Ask::post("/register").json(&body)).await.is(201).json();
        let id = json["client_id"].as_str().unwrap();
        let form = [("grant_type", "client_credentials"), ("scope", "notes:read")];
        let ask = match json["client_secret"].as_str() {
            Some(secret) => Ask::post("/token").basic(id, secret).form(&form),
            None => Ask::post("/token").form(&[form[0], form[1], ("client_id", id)]),
        };
        world.send(ask).await.refuses(400, "unauthorized_client");
    }
}

#[tokio::test]
async fn x02_t_sub_collision_a_machine_is_never_a_person() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let person = claims(&client.connect(&mut alice, None).await.access)["sub"].as_str().unwrap().to_owned();
    let (id, secret) = world.machine("notes:read").await;
    let ask = Ask::post("/token").basic(&id, &secret).form(&[("grant_type", "client_credentials")]);
    let machine = claims(&Tokens::of(&world.send(ask).await).access);
    assert_eq!(machine["sub"], id.as_str());
    assert_eq!(machine["client_id"], id.as_str());
    assert_ne!(machine["sub"], person.as_str());
    let kind = |text: &str| text.split('_').next().unwrap().to_owned();
    assert_ne!(kind(&id), kind(&person), "no id of one kind is one of the other: {id} {person}");
}

#[tokio::test]
async fn x03_each_algorithm_proves_its_client_and_each_flip_is_invalid_client() {
    let world = World::start().await;
    for alg in [Alg::Es256, Alg::Rs256] {
        let (key, id) = keyed(&world, alg).await;
        let good = forge::sign(&key, "JWT", &assertion(&world, &id, "good"));
        let tokens = Tokens::of(&prove(&world, &good, None).await);
        world.net.call("/mcp", "read_note", &tokens.access).await.is(200);
    }
    let (key, id) = keyed(&world, Alg::Es256).await;
    let (_, other) = keyed(&world, Alg::Es256).await;
    let base = assertion(&world, &id, "flip");
    for (name, value) in [
        ("iss", json!("x")),
        ("iss", Value::Null),
        ("sub", json!(other)),
        ("sub", Value::Null),
        ("aud", json!("https://elsewhere.example")),
        ("aud", Value::Null),
        ("exp", json!(world.now() - 60)),
        ("exp", json!(world.now() + 3600)),
        ("exp", Value::Null),
        ("nbf", json!(world.now() + 3600)),
        ("jti", Value::Null),
        ("jti", json!("")),
    ] {
        let token = forge::sign(&key, "JWT", &forge::changed(&base, &[(name, value.clone())]));
        let answer = prove(&world, &token, None).await;
        assert_eq!(answer.is(401).oauth_error(), "invalid_client", "{name}={value}");
    }
    let stranger = forge::key(Alg::Es256);
    prove(&world, &forge::sign(&stranger, "JWT", &base), None).await.refuses(401, "invalid_client");
    prove(&world, &forge::unsecured(&base), None).await.refuses(401, "invalid_client");
    let good = forge::sign(&key, "JWT", &base);
    let moved = forge::transplanted(&good, &forge::changed(&base, &[("jti", json!("moved"))]));
    prove(&world, &moved, None).await.refuses(401, "invalid_client");
    for nonsense in ["", "a", "a.b.c", "....", &"x".repeat(9000)] {
        assert!(matches!(prove(&world, nonsense, None).await.status, 400 | 401), "{nonsense}");
    }
    prove(&world, &good, None).await.is(200);
}

#[tokio::test]
async fn x04_one_audience_and_only_ours_over_http() {
    let world = World::start().await;
    let (key, id) = keyed(&world, Alg::Es256).await;
    let (issuer, slash, token) =
        (world.issuer().to_owned(), format!("{}/", world.issuer()), world.net.url("/token"));
    for (n, (aud, good)) in [
        (json!(issuer), true),
        (json!([issuer]), true),
        (json!(slash), true),
        (json!(token), true),
        (json!([issuer, "https://elsewhere.example"]), false),
        (json!([issuer, token]), false),
        (json!(world.notes), false),
        (json!([]), false),
        (json!(7), false),
    ]
    .into_iter()
    .enumerate()
    {
        let claims = forge::changed(&assertion(&world, &id, &n.to_string()), &[("aud", aud.clone())]);
        let answer = prove(&world, &forge::sign(&key, "JWT", &claims), None).await;
        assert_eq!(answer.status, if good { 200 } else { 401 }, "{aud}");
    }
}

#[tokio::test]
async fn x05_an_assertion_is_used_once_whatever_it_is_used_for() {
    let world = World::start().await;
    let (key, id) = keyed(&world, Alg::Es256).await;
    let once = forge::sign(&key, "JWT", &assertion(&world, &id, "once"));
    prove(&world, &once, None).await.is(200);
    prove(&world, &once, None).await.refuses(401, "invalid_client");
    let form = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &*once), ("token", "x")];
    world.net.post("/revoke", &form).await.refuses(401, "invalid_client");
    // The same jti of another client is another assertion.
    let (other_key, other) = keyed(&world, Alg::Es256).await;
    prove(&world, &forge::sign(&other_key, "JWT", &assertion(&world, &other, "once")), None).await.is(200);
}

#[tokio::test]
async fn t_flood_assertions_of_registrations_that_nobody_used_are_slowed_and_a_machines_are_not() {
    let world = World::start().await;
    let key = forge::key(Alg::Es256);
    let jwks: Value = serde_json::from_str(&forge::jwks(&key)).unwrap();
    let body =
        json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks });
    let json = world.send(Ask::post("/register").json(&body)).await.is(201).json();
    let stranger = json["client_id"].as_str().unwrap();
    let revoke = async |key: &SigningKey, id: &str, jti: usize| {
        let shown = forge::sign(key, "JWT", &assertion(&world, id, &jti.to_string()));
        let form = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &*shown), ("token", "x")];
        world.net.post("/revoke", &form).await.status
    };
    let mut answers = Vec::new();
    for jti in 0..100 {
        answers.push(revoke(&key, stranger, jti).await);
    }
    assert_eq!(answers[0], 200);
    assert!(answers.contains(&429), "{answers:?}");
    let (key, machine) = keyed(&world, Alg::Es256).await;
    for jti in 0..100 {
        assert_eq!(revoke(&key, &machine, jti).await, 200);
    }
}

#[tokio::test]
async fn x06_s15_only_types_of_assertions_and_no_other_artefact() {
    let world = World::start().await;
    let (key, id) = keyed(&world, Alg::Es256).await;
    for (typ, good) in [
        ("JWT", true),
        ("jwt", true),
        ("client-authentication+jwt", true),
        ("at+jwt", false),
        ("oauth-id-jag+jwt", false),
        ("dpop+jwt", false),
        ("logout+jwt", false),
    ] {
        let token = forge::sign(&key, typ, &assertion(&world, &id, typ));
        assert_eq!(prove(&world, &token, None).await.status, if good { 200 } else { 401 }, "{typ}");
    }
    let access =
        Tokens::of(&prove(&world, &forge::sign(&key, "JWT", &assertion(&world, &id, "a")), None).await)
            .access;
    prove(&world, &access, None).await.refuses(401, "invalid_client");
    let as_token = forge::sign(&key, "JWT", &assertion(&world, &id, "b"));
    world.net.call("/mcp", "read_note", &as_token).await.is_challenged(401, Some("invalid_token"));
}

#[tokio::test]
async fn x07_the_client_id_beside_an_assertion_may_be_absent_and_must_match() {
    let world = World::start().await;
    let (key, id) = keyed(&world, Alg::Es256).await;
    let (_, other) = keyed(&world, Alg::Es256).await;
    for (name, beside, status) in
        [("absent", None, 200), ("same", Some(&id), 200), ("other", Some(&other), 401)]
    {
        let token = forge::sign(&key, "JWT", &assertion(&world, &id, name));
        assert_eq!(prove(&world, &token, beside.map(String::as_str)).await.status, status, "{name}");
    }
    // A client with keys proves itself by them and by nothing else.
    let bare = [("grant_type", "client_credentials"), ("client_id", &*id)];
    world.net.token(&bare).await.refuses(401, "invalid_client");
    let ask = Ask::post("/token").basic(&id, "secret").form(&[("grant_type", "client_credentials")]);
    world.send(ask).await.refuses(401, "invalid_client");
}

#[tokio::test]
async fn a_machine_that_was_revoked_mints_nothing_until_it_is_restored() {
    let world = World::start().await;
    let (id, secret) = world.machine("notes:read").await;
    let mint = || Ask::post("/token").basic(&id, &secret).form(&[("grant_type", "client_credentials")]);
    let (server, server_secret) = world.introspector(&world.notes).await;
    let introspect = async |token: &str| {
        let ask = Ask::post("/introspect").basic(&server, &server_secret).form(&[("token", token)]);
        world.send(ask).await.is(200).json()
    };
    let tokens = Tokens::of(&world.send(mint()).await);
    assert_eq!(introspect(&tokens.access).await["sub"], id.as_str());
    for by_itself in [false, true] {
        if by_itself {
            let ask = Ask::post("/revoke").basic(&id, &secret).form(&[("token", &tokens.access)]);
            world.send(ask).await.is(200);
        } else {
            world.administer(Command::AgentRevoke { id: tokens.agent() }).await;
        }
        assert_eq!(world.state(&tokens.agent()).await, "suspended");
        let active = introspect(&tokens.access).await;
        assert_eq!(active, json!({ "active": false }));
        world.net.call("/mcp", "read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
        world.send(mint()).await.refuses(400, "unauthorized_client");
        world.administer(Command::AgentRestore { id: tokens.agent() }).await;
        let again = Tokens::of(&world.send(mint()).await);
        world.net.call("/mcp", "read_note", &again.access).await.is(200);
        world.net.call("/mcp", "read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    }
}

#[tokio::test]
async fn a_machine_never_comes_by_way_of_a_browser() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let (id, _) = world.machine("notes:read").await;
    let mut client = world.client_at("/mcp", LOOPBACK).await;
    client.id = id;
    alice.ask(&client.request("v", None)).await.stops(400, "E-REDIRECT-UNKNOWN");
}
