//! Resources for some people only: decided at consent, at redemption, at every refresh and at every use.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;

use portcullis_guard::Clock as _;
use portcullis_rules::catalog::Catalog;
use portcullis_rules::groups::{Group, People, set};
use portcullis_rules::model::account_key;
use portcullis_testkit::{Browser, HonestClient, Tokens, World};

fn groups(names: &[&str]) -> BTreeSet<Group> {
    names.iter().map(|name| Group::parse(name).unwrap()).collect()
}

/// `/mcp` is for staff; `/other` is for everyone.
async fn world() -> World {
    let for_staff = |settings: &mut portcullis_server::Settings| {
        let mut entries = settings.catalog.entries().to_vec();
        entries[0].people = People::Groups(groups(&["staff", "ops"]));
        settings.catalog = Catalog::new(entries).unwrap();
    };
    World::builder().settings(for_staff).start().await
}

async fn joins(world: &World, name: &str, names: &[&str]) {
    let user = world.store.user_by_key(account_key(name)).await.unwrap();
    let verdict = set(user.as_ref(), groups(names), world.clock.now());
    verdict.outcome.unwrap();
    world.store.commit(verdict.expects, verdict.writes).await.unwrap();
}

async fn consent(browser: &mut Browser, client: &HonestClient) -> portcullis_testkit::Page {
    browser.page(&client.request(&HonestClient::verifier(), None)).await
}

#[tokio::test]
async fn who_is_not_admitted_is_told_whom_to_ask_and_the_app_is_told_no_more_than_no() {
    let world = world().await;
    let mut bob = world.signed_in("bob").await;
    let client = world.client().await;
    let page = consent(&mut bob, &client).await;
    let text = page.answer.is(403).text();
    for part in ["You may not use", "Notes", "whoever runs this server", "bob", "Not you?"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(
        !text.contains("staff") && !text.contains(r#"value="allow""#),
        "nothing of the groups, nothing to allow"
    );
    let answer = bob.press(&page.form("/consent"), Some("deny")).await;
    answer.returns_error(&client.redirect, "access_denied", Some("state-of-the-client"), world.issuer());
    // Whatever is posted with that page's ticket, no code comes of it.
    let page = consent(&mut bob, &client).await;
    let ticket = page.form("/consent").value("ticket").unwrap().to_owned();
    let form =
        [("ticket", ticket.as_str()), ("answer", "allow"), ("scope", "notes:read"), ("started", "yes")];
    let answer = bob.post("/consent", &form).await;
    answer.returns_error(&client.redirect, "access_denied", Some("state-of-the-client"), world.issuer());
    // Elsewhere the same person is welcome.
    let other = world.client_at("/other", &client.redirect).await;
    other.connect(&mut bob, None).await;
}

#[tokio::test]
async fn without_a_page_the_app_is_told_by_redirect_alone() {
    let world = world().await;
    let client = world.client().await;
    let mut quietly = client.request(&HonestClient::verifier(), None);
    quietly.push(("prompt".to_owned(), "none".to_owned()));
    let mut bob = world.signed_in("bob").await;
    let mut alice = world.signed_in("alice").await;
    joins(&world, "alice", &["staff"]).await;
    for (browser, error) in [
        (&mut bob, "access_denied"),
        (&mut alice, "consent_required"),
        (&mut world.browser(), "login_required"),
    ] {
        let answer = browser.ask(&quietly).await;
        answer.returns_error(&client.redirect, error, Some("state-of-the-client"), world.issuer());
    }
}

#[tokio::test]
async fn t_disable_a_lost_group_is_felt_at_the_next_use_and_a_regained_one_wakes_what_slept() {
    let world = world().await;
    let mut alice = world.signed_in("alice").await;
    joins(&world, "alice", &["staff"]).await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    let other = world.client_at("/other", &client.redirect).await;
    let elsewhere = other.connect(&mut alice, None).await;
    let pending = client.code(&mut alice, None).await;
    let page = consent(&mut alice, &client).await;
    client.call("read_note", &tokens.access).await.is(200);
    joins(&world, "alice", &["guests"]).await;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    world.net.token(&client.exchange(&pending)).await.refuses(400, "invalid_grant");
    let answer = alice.allow(&page).await;
    answer.returns_error(&client.redirect, "access_denied", Some("state-of-the-client"), world.issuer());
    let next = Tokens::of(&other.refresh(&elsewhere.refresh).await);
    other.call("anything", &next.access).await.is(200);
    joins(&world, "alice", &["guests", "ops"]).await;
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &next.access).await.is(200);
}
