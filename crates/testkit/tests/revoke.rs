//! Taking back, asking about, and the keys behind it all (RFC 7009, RFC 7662, RFC 7517 §5).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_server::admin::Command;
use portcullis_testkit::{Answer, Ask, Browser, HonestClient, Tokens, WEB, World, claims, forge};
use portcullis_wire::base64url;
use serde_json::{Value, json};
use tokio::task::JoinSet;

async fn world() -> (World, Browser, HonestClient) {
    let world = World::start().await;
    let alice = world.signed_in("alice").await;
    let client = world.client().await;
    (world, alice, client)
}

#[tokio::test]
async fn x25_either_token_ends_the_grant_also_when_expired_or_superseded() {
    let (world, mut alice, client) = world().await;
    for which in ["access", "refresh", "expired access", "superseded refresh"] {
        let first = client.connect(&mut alice, None).await;
        let token = if which.ends_with("access") { &first.access } else { &first.refresh };
        let mut last = first.clone();
        if which.starts_with("expired") {
            world.advance(Duration::from_secs(600));
        }
        if which.contains(' ') {
            last = Tokens::of(&client.refresh(&first.refresh).await);
        }
        let answer = client.revoke(token).await;
        assert_eq!(answer.is(200).header("cache-control"), Some("no-store"), "{which}");
        client.call("read_note", &last.access).await.is_challenged(401, Some("invalid_token"));
        client.refresh(&last.refresh).await.refuses(400, "invalid_grant");
        assert_eq!(world.state(&last.agent()).await, "ended: revoked_by_client", "{which}");
        client.revoke(token).await.is(200);
    }
}

#[tokio::test]
async fn x25_t_cross_client_unknown_tokens_and_those_of_others_are_200_without_effect() {
    let (world, mut alice, client) = world().await;
    let other = world.client_at("/mcp", WEB).await;
    let (machine, secret) = world.machine("notes:read").await;
    let tokens = client.connect(&mut alice, None).await;
    for token in
        ["unknown", "pc_rt_x", "a.b.c", &forge::altered(&tokens.refresh), &forge::altered(&tokens.access)]
    {
        client.revoke(token).await.is(200);
    }
    for token in [&tokens.access, &tokens.refresh] {
        other.revoke(token).await.is(200);
        let ask = Ask::post("/revoke").basic(&machine, &secret).form(&[("token", token)]);
        world.send(ask).await.is(200);
    }
    client.call("read_note", &tokens.access).await.is(200);
    client.refresh(&tokens.refresh).await.is(200);
}

#[tokio::test]
async fn x25_malformed_requests_have_their_errors_and_change_nothing() {
    let (world, mut alice, client) = world().await;
    let (machine, _) = world.machine("notes:read").await;
    let tokens = client.connect(&mut alice, None).await;
    let (id, token) = (client.id.as_str(), tokens.access.as_str());
    for (name, form, status, error) in [
        ("no token", vec![("client_id", id)], 400, "invalid_request"),
        ("no client", vec![("token", token)], 401, "invalid_client"),
        ("unknown client", vec![("token", token), ("client_id", "x")], 401, "invalid_client"),
        ("unproven", vec![("token", token), ("client_id", &*machine)], 401, "invalid_client"),
        (
            "a wrong secret",
            vec![("token", token), ("client_id", id), ("client_secret", "x")],
            401,
            "invalid_client",
        ),
        ("twice", vec![("token", token), ("token", token), ("client_id", id)], 400, "invalid_request"),
        (
            "hint",
            vec![("token", token), ("client_id", id), ("token_type_hint", "pat")],
            400,
            "unsupported_token_type",
        ),
    ] {
        let answer = world.net.post("/revoke", &form).await;
        assert_eq!(answer.is(status).oauth_error(), error, "{name}");
    }
    world.get("/revoke").await.is(405);
    client.call("read_note", token).await.is(200);
    // A wrong hint is just wrong.
    let form = [("token", token), ("client_id", id), ("token_type_hint", "refresh_token")];
    world.net.post("/revoke", &form).await.is(200);
    client.call("read_note", token).await.is_challenged(401, Some("invalid_token"));
}

#[tokio::test]
async fn s20_a_person_stops_one_agent_and_the_others_go_on() {
    let (world, mut alice, client) = world().await;
    let one = client.connect(&mut alice, None).await;
    let two = client.connect(&mut alice, None).await;
    let mut bob = world.signed_in("bob").await;
    let of_bob = client.connect(&mut bob, None).await;
    let page = alice.open("/account").await;
    let forms = portcullis_testkit::Form::all(&page.text());
    let own = forms.iter().find(|form| form.value("agent") == Some(&one.agent())).unwrap();
    assert!(forms.iter().all(|form| form.value("agent") != Some(&of_bob.agent())), "nobody else's are shown");
    let foreign = page.form("/account/revoke").fill("agent", &of_bob.agent());
    alice.press(&foreign, None).await.is(404);
    client.call("read_note", &of_bob.access).await.is(200);
    let again = alice.open("/account").await;
    let own = portcullis_testkit::Form { fields: own.fields.clone(), ..again.form("/account/revoke") };
    alice.press(&own, None).await.is(200);
    client.call("read_note", &one.access).await.is_challenged(401, Some("invalid_token"));
    client.call("read_note", &two.access).await.is(200);
    alice.press(&alice.clone().open("/account").await.form("/account/stop"), None).await.is(200);
    client.call("read_note", &two.access).await.is_challenged(401, Some("invalid_token"));
    client.call("read_note", &of_bob.access).await.is(200);
    alice.get("/account").await.is(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledged_revocation_refuses_whatever_was_decided_before_it() {
    let (_world, mut alice, client) = world().await;
    for _ in 0..5 {
        let first = client.connect(&mut alice, None).await;
        let mut running = JoinSet::new();
        for _ in 0..6 {
            let (client, mut refresh) = (client.clone(), first.refresh.clone());
            running.spawn(async move {
                let mut got = Vec::new();
                loop {
                    let answer = client.refresh(&refresh).await;
                    if answer.status != 200 {
                        return got;
                    }
                    let tokens = Tokens::of(&answer);
                    refresh.clone_from(&tokens.refresh);
                    got.push(tokens);
                }
            });
        }
        client.revoke(&first.access).await.is(200);
        client.call("read_note", &first.access).await.is_challenged(401, Some("invalid_token"));
        for tokens in running.join_all().await.into_iter().flatten() {
            client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
            client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
        }
    }
}

async fn introspect(world: &World, of: &(String, String), token: &str) -> Answer {
    world.send(Ask::post("/introspect").basic(&of.0, &of.1).form(&[("token", token)])).await
}

#[tokio::test]
async fn x26_a_resource_server_learns_of_its_own_tokens_and_of_no_others() {
    let (world, mut alice, client) = world().await;
    let (own, foreign) = (world.introspector(&world.notes).await, world.introspector(&world.other).await);
    let tokens = client.connect(&mut alice, None).await;
    let answer = introspect(&world, &own, &tokens.access).await;
    assert_eq!(answer.is(200).header("cache-control"), Some("no-store"));
    let (json, claims) = (answer.json(), claims(&tokens.access));
    assert_eq!(json["active"], true);
    for name in ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope"] {
        assert_eq!(json[name], claims[name], "{name}");
    }
    let inactive = json!({ "active": false });
    assert_eq!(introspect(&world, &foreign, &tokens.access).await.is(200).json(), inactive, "another's");
    let forged =
        forge::transplanted(&tokens.access, &forge::changed(&claims, &[("scope", json!("notes:admin"))]));
    for (name, token) in [
        ("nonsense", "nonsense"),
        ("refresh", &tokens.refresh),
        ("altered", &forge::altered(&tokens.access)),
        ("forged", &forged),
        ("unsecured", &forge::unsecured(&claims)),
    ] {
        assert_eq!(introspect(&world, &own, token).await.is(200).json(), inactive, "{name}");
    }
    world.administer(Command::UserDisable { name: "alice".to_owned() }).await;
    assert_eq!(introspect(&world, &own, &tokens.access).await.is(200).json(), inactive, "disabled");
    world.administer(Command::UserEnable { name: "alice".to_owned() }).await;
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(introspect(&world, &own, &next.access).await.is(200).json()["active"], true);
    world.advance(Duration::from_secs(600));
    assert_eq!(introspect(&world, &own, &next.access).await.is(200).json(), inactive, "expired");
    let last = Tokens::of(&client.refresh(&next.refresh).await);
    client.revoke(&last.refresh).await.is(200);
    assert_eq!(introspect(&world, &own, &last.access).await.is(200).json(), inactive, "revoked");
}

#[tokio::test]
async fn x26_nobody_else_may_ask() {
    let (world, mut alice, client) = world().await;
    let tokens = client.connect(&mut alice, None).await;
    let (machine, secret) = world.machine("notes:read").await;
    let own = world.introspector(&world.notes).await;
    let public = [("client_id", client.id.as_str()), ("token", &tokens.access)];
    world.net.post("/introspect", &public).await.refuses(401, "invalid_client");
    introspect(&world, &(machine, secret), &tokens.access).await.refuses(400, "unauthorized_client");
    introspect(&world, &(own.0.clone(), "wrong".to_owned()), &tokens.access)
        .await
        .refuses(401, "invalid_client");
    world.net.post("/introspect", &[("token", &tokens.access)]).await.refuses(401, "invalid_client");
    world
        .send(Ask::post("/introspect").basic(&own.0, &own.1).form(&[("x", "y")]))
        .await
        .refuses(400, "invalid_request");
    world
        .send(Ask::post("/introspect").bearer(&tokens.access).form(&[("token", &tokens.access)]))
        .await
        .refuses(401, "invalid_client");
    world.get(&format!("/introspect?token={}", tokens.access)).await.is(405);
    // One that introspects gets no token for itself.
    let ask = Ask::post("/token").basic(&own.0, &own.1).form(&[("grant_type", "client_credentials")]);
    world.send(ask).await.refuses(400, "unauthorized_client");
}

fn kid(token: &str) -> Value {
    let header = base64url::decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

async fn published(world: &World) -> Vec<Value> {
    let jwks = world.get("/.well-known/jwks.json").await.is(200).json();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

#[tokio::test]
async fn x28_a_key_is_published_before_it_signs_and_stays_until_its_last_token_expires() {
    let (world, mut alice, client) = world().await;
    let first = client.connect(&mut alice, None).await;
    let before = published(&world).await;
    assert_eq!(before.len(), 2, "one that signs and one that will");
    assert!(before.contains(&kid(&first.access)));
    world.administer(Command::KeyRotate).await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    assert_ne!(kid(&second.access), kid(&first.access));
    assert!(before.contains(&kid(&second.access)), "it was published before");
    assert_eq!(published(&world).await.len(), 3);
    for token in [&first.access, &second.access] {
        client.call("read_note", token).await.is(200);
    }
    world.advance(Duration::from_secs(599));
    client.call("read_note", &first.access).await.is(200);
    // The setting may have been longer when tokens were made: it stays for the longest life there can be.
    world.advance(Duration::from_secs(24 * 60 * 60 + 60));
    world.app.sweep().await;
    let now = published(&world).await;
    assert!(!now.contains(&kid(&first.access)), "no token of it lives");
    assert!(now.contains(&kid(&second.access)));
}

#[tokio::test]
async fn x28_keys_rotate_by_themselves_when_they_are_old() {
    let (world, _, _) = world().await;
    let before = published(&world).await;
    world.app.sweep().await;
    assert_eq!(published(&world).await, before);
    world.advance(Duration::from_secs(30 * 24 * 60 * 60));
    world.app.sweep().await;
    assert_ne!(published(&world).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn x28_r23_no_call_fails_while_keys_rotate_under_load() {
    let (world, mut alice, client) = world().await;
    let mut running = JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        let mut tokens = client.connect(&mut alice, None).await;
        running.spawn(async move {
            for _ in 0..10 {
                client.call("read_note", &tokens.access).await.is(200);
                tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
                client.call("read_note", &tokens.access).await.is(200);
            }
        });
    }
    for _ in 0..5 {
        world.administer(Command::KeyRotate).await;
    }
    running.join_all().await;
}
