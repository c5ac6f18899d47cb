//! Signing in, as a stranger would misuse it: to learn names, to lock people out, to fill the disk, to stay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_rules::event::EventKind;
use portcullis_server::admin::Command;
use portcullis_testkit::{PASSWORD, World};

const WRONG: &str = "wrong wrong wrong";
/// Failures that are free.
const FREE: usize = 5;

async fn world() -> World {
    World::builder().in_memory().start().await
}

async fn use_up_what_is_free(world: &World, name: &str) {
    for _ in 0..FREE {
        world.browser().try_sign_in(name, WRONG).await.is(403);
    }
    world.browser().try_sign_in(name, WRONG).await.is(429);
}

#[tokio::test]
async fn r20_t_flood_a_known_browser_waits_for_no_stranger_behind_its_proxy() {
    let world = world().await;
    let mut known = world.signed_in("alice").await;
    let mut stranger = world.browser();
    let mut tried = 0;
    while stranger.try_sign_in(&format!("name {tried}"), WRONG).await.status == 403 {
        tried += 1;
        assert!(tried < 100, "one source may try only so many names");
    }
    world.browser().try_sign_in("alice", PASSWORD).await.is(429);
    known.sign_in("alice", PASSWORD).await;
}

#[tokio::test]
async fn r20_t_flood_the_note_of_a_known_browser_serves_no_other_and_lasts_a_year() {
    let world = world().await;
    let mut known = world.signed_in("alice").await;
    use_up_what_is_free(&world, "alice").await;
    let mut thief = world.browser();
    thief.open("/sign-in").await;
    for (name, value) in known.jar.iter().filter(|(name, _)| name.ends_with("-known")) {
        thief.jar.insert(name.clone(), value.clone());
    }
    assert_eq!(thief.jar.len(), 2, "its own cookie, and the note");
    thief.try_sign_in("alice", PASSWORD).await.is(429);
    known.sign_in("alice", PASSWORD).await;
    for (days, status) in [(364, 303), (1, 429)] {
        let mut known = known.clone();
        world.advance(Duration::from_secs(days * 24 * 60 * 60));
        use_up_what_is_free(&world, "alice").await;
        known.try_sign_in("alice", PASSWORD).await.is(status);
    }
}

#[tokio::test]
async fn r20_the_browser_that_used_a_set_up_link_is_known() {
    let world = world().await;
    let row = world.administer(Command::SetupLink { reset: None }).await.remove(0);
    let mut alice = world.browser();
    let page = alice.open(&world.net.target(row["url"].as_str().unwrap())).await;
    let form = page.form("/setup").fill("name", "alice").fill("password", PASSWORD);
    alice.press(&form, None).await.is(303);
    use_up_what_is_free(&world, "alice").await;
    alice.sign_in("alice", PASSWORD).await;
}

#[tokio::test]
async fn a24_t_enum_a_form_is_good_for_one_password_whoever_the_name_is() {
    let world = world().await;
    world.person("alice").await;
    for name in ["alice", "nobody"] {
        let mut browser = world.browser();
        let page = browser.open("/sign-in").await;
        browser.sign_in_at(&page, name, WRONG).await.is(403);
        for _ in 0..2 * FREE {
            browser.sign_in_at(&page, "alice", PASSWORD).await.stops(400, "E-FORM");
        }
    }
    // What was never judged is held against nobody.
    world.browser().sign_in("alice", PASSWORD).await;
}

#[tokio::test]
async fn t_enum_strangers_write_one_row_of_the_audit_trail_where_a_name_is_known_and_then_none() {
    let world = world().await;
    world.person("alice").await;
    for name in ["alice", "nobody"] {
        use_up_what_is_free(&world, name).await;
    }
    for _ in 0..3 {
        world.advance(Duration::from_secs(15 * 60));
        world.browser().try_sign_in("alice", WRONG).await.is(403);
    }
    let refused = world.events().await.into_iter().filter(|event| event.kind == EventKind::SignInRefused);
    assert_eq!(refused.count(), 1);
}

#[tokio::test]
async fn t_fixation_signing_in_again_ends_the_session_the_browser_held() {
    let world = world().await;
    world.person("bob").await;
    for next in ["alice", "bob"] {
        let mut browser = world.browser();
        if next == "alice" {
            world.person("alice").await;
        }
        browser.sign_in("alice", PASSWORD).await;
        let mut copied = browser.clone();
        copied.get("/account").await.is(200);
        browser.try_sign_in(next, WRONG).await.is(403);
        copied.get("/account").await.is(200);
        browser.sign_in(next, PASSWORD).await;
        copied.get("/account").await.is(303);
        assert!(browser.open("/account").await.text().contains(next));
    }
}
