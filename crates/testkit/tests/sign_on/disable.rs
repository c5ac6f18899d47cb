//! Who loses access at the company, or through it, stops at the next use.

use std::time::Duration;

use portcullis_rules::groups::{Group, People};
use portcullis_server::admin::Command;
use portcullis_testkit::{Tokens, World};
use serde_json::json;

use crate::scene::{acme, arrived, choose, destination, try_arriving};

fn switch(on: bool) -> Command {
    Command::ProviderSwitch { name: "acme".to_owned(), on }
}

#[tokio::test]
async fn t_disable_a_provider_that_is_switched_off_stops_its_people_at_the_next_use() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = arrived(&world, &there).await;
    let client = world.client().await;
    let tokens = client.connect(&mut browser, Some("notes:read")).await;
    let mut waiting = arrived(&world, &there).await;
    let code = client.code(&mut waiting, Some("notes:read")).await;
    client.call("read_note", &tokens.access).await.is(200);
    let mut late = world.browser();
    let shown = late.open("/sign-in").await;
    let (mut on_the_way, mut away) = (world.browser(), world.browser());
    let page = on_the_way.open("/sign-in").await;
    let out = choose(&mut on_the_way, &page, "acme").await;
    there.state().now = portcullis_wire::time::UnixTime::from_seconds(world.now());
    world.administer(switch(false)).await;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    world.net.token(&client.exchange(&code)).await.refuses(400, "invalid_grant");
    assert!(browser.get("/account").await.is(303).location().ends_with("/sign-in"));
    // Nobody is sent there any more, whoever was on the way is not let in, and whoever comes now is not offered it.
    let form = shown.form("/sign-in/with");
    late.press(&form, Some("acme")).await.stops(403, "provider_off");
    let back = there.visit(destination(&out).as_str());
    on_the_way.get(&world.net.target(&back)).await.stops(403, "provider_off");
    assert!(!away.open("/sign-in").await.text().contains("Acme"));
    world.administer(switch(true)).await;
    let refreshed = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &refreshed.access).await.is(200);
}

#[tokio::test]
async fn t_disable_a_person_who_is_switched_off_is_not_let_in_by_the_company() {
    let (world, there) = acme(|_| {}).await;
    arrived(&world, &there).await;
    world.administer(Command::UserDisable { name: "Ada Lovelace".to_owned() }).await;
    try_arriving(&world, &mut world.browser(), &there).await.stops(403, "account_disabled");
}

#[tokio::test]
async fn t_disable_a_proof_that_is_too_old_lets_an_agent_sleep_until_the_person_signs_in_there_again() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = arrived(&world, &there).await;
    let client = world.client().await;
    let tokens = client.connect(&mut browser, Some("notes:read")).await;
    world.advance(Duration::from_secs(1800));
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    world.advance(Duration::from_secs(1900));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    arrived(&world, &there).await;
    let awake = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &awake.access).await.is(200);
}

/// A world whose notes are for the engineers of the company.
async fn for_engineers() -> (World, crate::provider::Provider) {
    let there = crate::provider::Provider::start().await;
    let acme = crate::scene::of("acme", "Acme", &there);
    let change = move |settings: &mut portcullis_server::Settings| {
        settings.providers = vec![acme];
        settings.insecure_cimd_loopback = true;
        let mut entries = settings.catalog.entries().to_vec();
        entries[0].people = People::Groups([Group::parse("engineers").unwrap()].into());
        settings.catalog = portcullis_rules::catalog::Catalog::new(entries).unwrap();
    };
    (World::builder().settings(change).start().await, there)
}

#[tokio::test]
async fn t_disable_a_group_lost_at_the_company_is_lost_here_at_the_next_sign_in() {
    let (world, there) = for_engineers().await;
    let mut browser = arrived(&world, &there).await;
    let client = world.client().await;
    let tokens = client.connect(&mut browser, Some("notes:read")).await;
    client.call("read_note", &tokens.access).await.is(200);
    there.claim("groups", json!(["sales"]));
    arrived(&world, &there).await;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    there.claim("groups", json!(["engineers", "Not One Of Ours"]));
    arrived(&world, &there).await;
    let back = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &back.access).await.is(200);
}

#[tokio::test]
async fn t_disable_a_provider_that_is_configured_no_longer_stops_its_people_from_the_start() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = arrived(&world, &there).await;
    let client = world.client().await;
    let tokens = client.connect(&mut browser, Some("notes:read")).await;
    let directory = std::sync::Arc::clone(&world.directory);
    let issuer = world.issuer().to_owned();
    drop(world);
    // The same files and the same issuer, without the provider.
    let after = World::builder().over(directory).issuer(&issuer).start().await;
    let form = client.refreshing(&tokens.refresh);
    after.net.token(&form).await.refuses(400, "invalid_grant");
    let call = portcullis_testkit::Ask::tool("/mcp", "read_note").bearer(&tokens.access);
    after.send(call).await.is_challenged(401, Some("invalid_token"));
    let rows = after.administer(Command::Providers).await;
    assert_eq!((rows[0]["name"].as_str(), rows[0]["state"].as_str()), (Some("acme"), Some("gone")));
}
