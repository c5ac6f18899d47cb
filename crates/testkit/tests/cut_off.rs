//! Cutting off more than one agent at once: by client, by a client's host, by person, by key (protocol S20). Each test
//! has an agent beside the ones that are cut off, which notices nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use portcullis_server::admin::Command;
use portcullis_testkit::{Browser, HonestClient, Tokens, WEB, World};

/// Two clients, each with one agent of Alice's.
struct Scene {
    world: World,
    alice: Browser,
    first: (HonestClient, Tokens),
    second: (HonestClient, Tokens),
}

impl Scene {
    async fn set() -> Self {
        let world = World::start().await;
        let mut alice = world.signed_in("alice").await;
        let first = world.client().await;
        let second = world.client_at("/mcp", WEB).await;
        let tokens = (first.connect(&mut alice, None).await, second.connect(&mut alice, None).await);
        Self { world, alice, first: (first, tokens.0), second: (second, tokens.1) }
    }
}

async fn is_over((client, tokens): &(HonestClient, Tokens)) {
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
}

async fn is_alive((client, tokens): &(HonestClient, Tokens)) {
    client.call("read_note", &tokens.access).await.is(200);
    client.refresh(&tokens.refresh).await.is(200);
}

#[tokio::test]
async fn s20_all_agents_of_a_client_are_cut_off_and_may_connect_anew() {
    let mut scene = Scene::set().await;
    let client_id = scene.first.0.id.clone();
    scene.world.administer(Command::ClientRevoke { client_id }).await;
    is_over(&scene.first).await;
    is_alive(&scene.second).await;
    let again = scene.first.0.connect(&mut scene.alice, None).await;
    scene.first.0.call("read_note", &again.access).await.is(200);
}

#[tokio::test]
async fn s20_all_agents_of_a_person_are_cut_off_and_the_person_stays() {
    let mut scene = Scene::set().await;
    let mut bob = scene.world.signed_in("bob").await;
    let of_bob = scene.second.0.connect(&mut bob, None).await;
    scene.world.administer(Command::UserRevoke { name: "alice".to_owned() }).await;
    is_over(&scene.first).await;
    is_over(&scene.second).await;
    is_alive(&(scene.second.0, of_bob)).await;
    let again = scene.first.0.connect(&mut scene.alice, None).await;
    scene.first.0.call("read_note", &again.access).await.is(200);
}

#[tokio::test]
async fn s20_a_key_is_cut_off_with_every_token_it_signed_and_refreshing_goes_on() {
    let scene = Scene::set().await;
    let keys = scene.world.administer(Command::KeyList).await;
    let active =
        keys.iter().find(|key| key["state"] == "active").unwrap()["kid"].as_str().unwrap().to_owned();
    scene.world.administer(Command::KeyRevoke { kid: active.clone() }).await;
    for (client, tokens) in [&scene.first, &scene.second] {
        client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
        let fresh = Tokens::of(&client.refresh(&tokens.refresh).await);
        client.call("read_note", &fresh.access).await.is(200);
    }
    let jwks = scene.world.get("/.well-known/jwks.json").await.json();
    assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key["kid"] != active.as_str()));
    let keys = scene.world.administer(Command::KeyList).await;
    let in_state = |state| keys.iter().filter(|key| key["state"] == state).count();
    assert_eq!(["active", "next", "revoked"].map(in_state), [1, 1, 1]);
    scene.world.administer(Command::KeyRevoke { kid: active }).await;
}

#[tokio::test]
async fn s20_t_disable_a_client_that_is_switched_off_stops_at_once_and_goes_on_when_it_is_switched_on() {
    let scene = Scene::set().await;
    let client_id = scene.first.0.id.clone();
    scene.world.administer(Command::ClientDisable { client_id: client_id.clone() }).await;
    let (client, tokens) = &scene.first;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(401, "invalid_client");
    is_alive(&scene.second).await;
    scene.world.administer(Command::ClientEnable { client_id }).await;
    let fresh = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &fresh.access).await.is(200);
}

#[tokio::test]
async fn s20_what_is_not_there_cannot_be_cut_off_and_is_named() {
    let world = World::start().await;
    let nowhere = |text: &str| text.to_owned();
    for command in [
        Command::ClientRevoke { client_id: nowhere("x") },
        Command::ClientDisable { client_id: nowhere("x") },
        Command::DomainRevoke { domain: nowhere("https://a.example/") },
        Command::UserRevoke { name: nowhere("nobody") },
        Command::KeyRevoke { kid: nowhere("k") },
        Command::AgentShow { id: nowhere("agt_0000000000000") },
    ] {
        let fault = world.app.administer(command).await.unwrap_err().to_string();
        assert!(fault.contains('`'), "{fault}");
    }
}
