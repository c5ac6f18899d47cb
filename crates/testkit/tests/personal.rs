//! Personal tokens at the authorization server: asked about, taken back, listed, and never a client of OAuth.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_guard::Clock as _;
use portcullis_jose::master::MasterKey;
use portcullis_jose::mint::{Mint, Personal};
use portcullis_rules::catalog::{Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::groups::People;
use portcullis_rules::model::account_key;
use portcullis_rules::personal::{FreshPersonal, Making, create};
use portcullis_server::admin::Command;
use portcullis_testkit::{Answer, Ask, Browser, Form, LOOPBACK, World, authorization};
use portcullis_wire::id::GrantId;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{Scope, Scopes};
use serde_json::json;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NUMBER: u64 = 77;

fn mint() -> Mint {
    Mint::new(&MasterKey::new([7; 32]))
}

/// Makes a token for `/mcp` that lives for ninety days.
async fn made(world: &World, person: &str, number: u64) -> String {
    let user = world.store.user_by_key(account_key(person)).await.unwrap().unwrap();
    let token = mint().mint::<Personal>(number, [u8::try_from(number).unwrap(); 32]);
    let scope = |name: &str| ScopeEntry {
        scope: Scope::parse(name).unwrap(),
        title: String::new(),
        effect: Effect::Reads,
        tools: Vec::new(),
        default: true,
        people: People::Everyone,
    };
    let entry = ResourceEntry {
        resource: Resource::parse(&world.notes).unwrap(),
        name: "Notes".to_owned(),
        scopes: vec![scope("notes:read"), scope("notes:write")],
        rs256: false,
        people: People::Everyone,
    };
    let now = world.clock.now();
    let scopes = Scopes::parse("notes:read").unwrap();
    let making = Making { entry: &entry, name: "Backup script", scopes: &scopes, expires_at: now + 90 * DAY };
    let facts = world.store.personal_facts(user.id, now).await.unwrap();
    let fresh = FreshPersonal { id: GrantId::from_number(number), token: token.digest() };
    let verdict = create(&making, &facts, fresh, now);
    verdict.outcome.unwrap();
    world.store.commit(verdict.expects, verdict.writes).await.unwrap();
    token.expose().to_owned()
}

async fn introspect(world: &World, of: &(String, String), token: &str) -> Answer {
    world.send(Ask::post("/introspect").basic(&of.0, &of.1).form(&[("token", token)])).await
}

async fn world() -> (World, Browser, String) {
    let world = World::start().await;
    let alice = world.signed_in("alice").await;
    let token = made(&world, "alice", NUMBER).await;
    (world, alice, token)
}

#[tokio::test]
async fn x26_a_resource_server_is_told_what_a_personal_token_is_worth_today() {
    let (world, _, token) = world().await;
    let (own, foreign) = (world.introspector(&world.notes).await, world.introspector(&world.other).await);
    let json = introspect(&world, &own, &token).await.is(200).json();
    let user = world.store.user_by_key(account_key("alice")).await.unwrap().unwrap();
    for (name, expected) in [
        ("active", json!(true)),
        ("scope", json!("notes:read")),
        ("client_id", json!("personal")),
        ("sub", json!(user.id)),
        ("aud", json!(world.notes)),
        ("iss", json!(world.issuer())),
        ("exp", json!(world.now() + 90 * 24 * 60 * 60)),
        ("token_type", json!("Bearer")),
        ("grant", json!(GrantId::from_number(NUMBER))),
    ] {
        assert_eq!(json[name], expected, "{name}");
    }
    let inactive = json!({ "active": false });
    let forged = mint().mint::<Personal>(NUMBER, [9; 32]).expose().to_owned();
    let (known, foreigner) = (&own, &foreign);
    for (name, of, token) in [
        ("of another resource", foreigner, token.as_str()),
        ("the right number with another secret", known, forged.as_str()),
        ("cut short", known, &token[..token.len() - 1]),
    ] {
        assert_eq!(introspect(&world, of, token).await.is(200).json(), inactive, "{name}");
    }
    world.administer(Command::UserDisable { name: "alice".to_owned() }).await;
    assert_eq!(introspect(&world, &own, &token).await.is(200).json(), inactive, "a disabled person's");
    world.administer(Command::UserEnable { name: "alice".to_owned() }).await;
    world.advance(60 * DAY);
    assert_eq!(introspect(&world, &own, &token).await.is(200).json()["active"], true, "unused for long");
    world.advance(30 * DAY);
    assert_eq!(introspect(&world, &own, &token).await.is(200).json(), inactive, "expired");
}

#[tokio::test]
async fn x25_a_personal_token_ends_its_agent_and_a_forged_one_ends_nothing() {
    let (world, _, token) = world().await;
    let agent = GrantId::from_number(NUMBER).to_string();
    let own = world.introspector(&world.notes).await;
    let forged = mint().mint::<Personal>(NUMBER, [9; 32]).expose().to_owned();
    let unknown = mint().mint::<Personal>(NUMBER + 1, [9; 32]).expose().to_owned();
    for token in [&forged, &unknown] {
        let answer = world.net.post("/revoke", &[("token", token)]).await;
        assert_eq!(answer.is(200).json(), json!({}));
        assert_eq!(world.state(&agent).await, "live");
    }
    // A client of somebody's own makes no difference, nor does asking twice.
    let client = world.client().await;
    for _ in 0..2 {
        client.revoke(&token).await.is(200);
        assert!(world.state(&agent).await.starts_with("ended"));
    }
    assert_eq!(introspect(&world, &own, &token).await.is(200).json(), json!({ "active": false }));
}

#[tokio::test]
async fn a_personal_token_is_listed_among_the_agents_and_taken_back_there() {
    let (world, mut alice, token) = world().await;
    let html = alice.open("/account").await.text();
    for part in ["Personal tokens", "Backup script", "Made by hand", "15 April 2027"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("Works without a person") && !html.contains(&token));
    let own = world.introspector(&world.notes).await;
    let mut bob = world.signed_in("bob").await;
    assert!(!bob.open("/account").await.text().contains("Backup script"));
    let form = Form::all(&html).into_iter().find(|form| form.action == "/account/revoke").unwrap();
    let ticket = bob.open("/account").await.form("/sign-out");
    let posed = form.clone().fill("ticket", ticket.value("ticket").unwrap());
    bob.press(&posed, None).await.is(404);
    assert_eq!(introspect(&world, &own, &token).await.json()["active"], true);
    alice.press(&form, None).await.is(200);
    assert_eq!(introspect(&world, &own, &token).await.json()["active"], false);
}

#[tokio::test]
async fn no_request_of_oauth_may_name_the_client_of_personal_tokens() {
    let (world, mut alice, token) = world().await;
    let mut query = authorization("personal", LOOPBACK, &"v".repeat(43));
    query.push(("resource".to_owned(), world.notes.clone()));
    alice.ask(&query).await.stops(400, "E-CLIENT-UNKNOWN");
    for form in [
        vec![("grant_type", "refresh_token"), ("client_id", "personal"), ("refresh_token", &token)],
        vec![("grant_type", "client_credentials"), ("client_id", "personal"), ("client_secret", &token)],
        vec![
            ("grant_type", "authorization_code"),
            ("client_id", "personal"),
            ("code", "x"),
            ("code_verifier", "x"),
        ],
    ] {
        let answer = world.net.token(&form).await;
        assert!([400, 401].contains(&answer.status), "{answer:?}");
        assert!(
            ["invalid_client", "invalid_grant", "invalid_request"].contains(&&*answer.oauth_error()),
            "{answer:?}"
        );
    }
    let client = world.client().await;
    client.refresh(&token).await.refuses(400, "invalid_grant");
    let own = world.introspector(&world.notes).await;
    assert_eq!(introspect(&world, &own, &token).await.json()["active"], true, "nothing of that ended it");
}
