//! People: the first account, signing in, passwords, and being switched off.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::IpAddr;
use std::time::Duration;

use portcullis_server::admin::Command;
use portcullis_testkit::{Answer, Browser, Form, PASSWORD, Tokens, World};
use tokio::task::JoinSet;

const OTHER: &str = "another long password entirely";

fn name(name: &str) -> String {
    name.to_owned()
}

async fn setup_link(world: &World, reset: Option<&str>) -> String {
    let row = world.administer(Command::SetupLink { reset: reset.map(name) }).await.remove(0);
    world.net.target(row["url"].as_str().unwrap())
}

async fn set_up(browser: &mut Browser, link: &str, name: &str, password: &str) -> Answer {
    let page = browser.open(link).await;
    let mut form = page.form("/setup").fill("password", password);
    if form.value("name").is_some() {
        form = form.fill("name", name);
    }
    browser.press(&form, None).await
}

#[tokio::test]
async fn the_first_account_is_made_by_a_link_that_works_once() {
    let world = World::start().await;
    let empty = world.browser().open("/sign-in").await;
    assert!(
        empty.answer.is(200).text().contains("portcullis setup-link"),
        "an empty installation explains itself"
    );
    let older = setup_link(&world, None).await;
    let link = setup_link(&world, None).await;
    let mut browser = world.browser();
    browser.get(&older).await.stops(410, "E-LINK-DEAD");
    for (who, password) in [("", PASSWORD), ("alice", "short"), ("alice", &"x".repeat(129))] {
        set_up(&mut browser, &link, who, password).await.is(400);
    }
    let answer = set_up(&mut browser, &link, "alice", PASSWORD).await;
    assert_eq!(answer.is(303).location(), world.net.url("/account"));
    assert!(browser.open("/account").await.text().contains("alice"), "and one is signed in");
    browser.get(&link).await.stops(410, "E-LINK-DEAD");
    world.browser().sign_in("alice", PASSWORD).await;
    let users = world.administer(Command::UserList).await;
    assert_eq!((users.len(), &users[0]["admin"]), (1, &true.into()));
    assert!(
        world.app.administer(Command::SetupLink { reset: None }).await.is_err(),
        "not with accounts present"
    );
}

#[tokio::test]
async fn t_no_default_secret_a_link_dies_after_a_quarter_of_an_hour_and_with_the_first_account() {
    let world = World::start().await;
    let link = setup_link(&world, None).await;
    world.advance(Duration::from_secs(15 * 60));
    world.browser().get(&link).await.stops(410, "E-LINK-DEAD");
    let link = setup_link(&world, None).await;
    let mut browser = world.browser();
    let page = browser.open(&link).await;
    world.person("alice").await;
    let form = page.form("/setup").fill("name", "mallory").fill("password", PASSWORD);
    browser.press(&form, None).await.stops(410, "E-LINK-DEAD");
    for link in ["/setup", "/setup?link=", "/setup?link=pc_setup_x", "/setup?link=a&link=b"] {
        browser.get(link).await.stops(410, "E-LINK-DEAD");
    }
    assert_eq!(world.administer(Command::UserList).await.len(), 1);
}

#[tokio::test]
async fn a_reset_ends_sessions_and_agents_of_that_account_alone() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut bob = world.signed_in("bob").await;
    let client = world.client().await;
    let (of_alice, of_bob) = (client.connect(&mut alice, None).await, client.connect(&mut bob, None).await);
    let link = setup_link(&world, Some("alice")).await;
    let mut browser = world.browser();
    set_up(&mut browser, &link, "", OTHER).await.is(303);
    alice.get("/account").await.is(303);
    client.call("read_note", &of_alice.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&of_alice.refresh).await.refuses(400, "invalid_grant");
    client.call("read_note", &of_bob.access).await.is(200);
    bob.get("/account").await.is(200);
    world.browser().try_sign_in("alice", PASSWORD).await.is(403);
    world.browser().sign_in("alice", OTHER).await;
}

#[tokio::test]
async fn t_enum_an_unknown_name_a_wrong_password_and_a_disabled_account_answer_alike() {
    let world = World::start().await;
    for who in ["alice", "bob"] {
        world.person(who).await;
    }
    world.administer(Command::UserDisable { name: name("bob") }).await;
    let mut texts = Vec::new();
    for (who, password) in [("alice", "wrong wrong wrong"), ("nobody", PASSWORD), ("bob", PASSWORD)] {
        let answer = world.browser().try_sign_in(who, password).await;
        let page = answer.is(403).text();
        let ticket = Form::all(&page)[0].value("ticket").unwrap().to_owned();
        texts.push(page.replace(&ticket, "").replace(&format!("value=\"{who}\""), ""));
    }
    assert!(texts.iter().all(|text| *text == texts[0]));
    world.browser().try_sign_in("ALICE ", PASSWORD).await.is(303);
}

async fn fail(world: &World, who: &str, source: IpAddr) -> Answer {
    world.browser().at(source).try_sign_in(who, "wrong wrong wrong").await
}

#[tokio::test]
async fn a31_t_flood_five_failures_and_one_must_wait_and_nobody_else() {
    let world = World::start().await;
    let mut known = world.signed_in("alice").await;
    let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
    let mut waits = Vec::new();
    for who in ["alice", "nobody"] {
        for _ in 0..5 {
            fail(&world, who, here).await.is(403);
        }
        let slowed = fail(&world, who, here).await;
        assert!(slowed.is(429).text().contains("too many failed attempts"));
        waits.push(slowed.header("retry-after").unwrap().parse::<u64>().unwrap());
    }
    assert_eq!(waits[0], waits[1], "unknown names alike");
    // Even the right password must wait here; at another address it need not.
    world.browser().at(here).try_sign_in("alice", PASSWORD).await.is(429);
    world.browser().at(there).try_sign_in("alice", PASSWORD).await.is(303);
    // A browser that signed in before is never slowed by strangers.
    known.sign_in("alice", PASSWORD).await;
    // It waits longer each time, and then it may.
    world.advance(Duration::from_secs(waits[0]));
    fail(&world, "alice", here).await.is(403);
    let longer = fail(&world, "alice", here).await;
    let longer = longer.is(429).header("retry-after").unwrap().parse::<u64>().unwrap();
    assert!(longer > waits[0], "{longer} > {}", waits[0]);
    world.advance(Duration::from_secs(longer));
    world.browser().at(here).try_sign_in("alice", PASSWORD).await.is(303);
}

#[tokio::test]
async fn a_changed_password_signs_out_other_browsers_and_leaves_agents_alone() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut elsewhere = world.browser();
    elsewhere.sign_in("alice", PASSWORD).await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    for (current, new, status) in
        [("wrong wrong wrong", OTHER, 403), (PASSWORD, "short", 400), ("", OTHER, 400)]
    {
        let form = alice.open("/account").await.form("/account/password");
        alice.press(&form.fill("current", current).fill("new", new), None).await.is(status);
    }
    elsewhere.get("/account").await.is(200);
    let form = alice.open("/account").await.form("/account/password");
    alice.press(&form.fill("current", PASSWORD).fill("new", OTHER), None).await.is(200);
    alice.get("/account").await.is(200);
    elsewhere.get("/account").await.is(303);
    client.call("read_note", &tokens.access).await.is(200);
    world.browser().try_sign_in("alice", PASSWORD).await.is(403);
    world.browser().sign_in("alice", OTHER).await;
    // An administrator who sets one ends the agents as well.
    world.administer(Command::UserPassword { name: name("alice"), password: name(PASSWORD) }).await;
    alice.get("/account").await.is(303);
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
}

#[tokio::test]
async fn t_disable_a_person_stops_at_the_next_use_and_goes_on_when_enabled() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    let pending = client.code(&mut alice, None).await;
    let page = alice.page(&client.request("v".repeat(43).as_str(), None)).await;
    world.administer(Command::UserDisable { name: name("alice") }).await;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    world.net.token(&client.exchange(&pending)).await.refuses(400, "invalid_grant");
    let answer = alice.allow(&page).await;
    assert_eq!(answer.landed("code"), None);
    alice.get("/account").await.is(303);
    world.browser().try_sign_in("alice", PASSWORD).await.is(403);
    world.administer(Command::UserEnable { name: name("alice") }).await;
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &next.access).await.is(200);
    world.administer(Command::UserRemove { name: name("alice") }).await;
    client.call("read_note", &next.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&next.refresh).await.refuses(400, "invalid_grant");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_not_the_agents() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    let stolen = alice.clone();
    let form = alice.open("/account").await.form("/sign-out");
    alice.press(&form, None).await.is(200);
    alice.get("/account").await.is(303);
    stolen.clone().get("/account").await.is(303);
    client.call("read_note", &tokens.access).await.is(200);
    // A session ends by itself after a working day.
    alice.sign_in("alice", PASSWORD).await;
    world.advance(Duration::from_secs(8 * 60 * 60));
    alice.get("/account").await.is(303);
}

#[tokio::test]
async fn not_you_on_the_consent_page_leads_to_sign_in_and_back() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    world.person("bob").await;
    let client = world.client().await;
    let page = alice.page(&client.request("v".repeat(43).as_str(), None)).await;
    let answer = alice.press(&page.form("/sign-out"), None).await;
    let sign_in = alice.open(&world.net.target(answer.is(303).location())).await;
    let answer = alice.sign_in_at(&sign_in, "bob", PASSWORD).await;
    let consent = alice.open(&world.net.target(answer.is(303).location())).await;
    assert!(consent.answer.is(200).text().contains("bob"));
    assert!(alice.allow(&consent).await.landed("code").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_once_many_uses_of_one_link_make_one_account() {
    let world = World::start().await;
    let link = setup_link(&world, None).await;
    let mut browser = world.browser();
    let page = browser.open(&link).await;
    let mut running = JoinSet::new();
    for n in 0..6 {
        let (mut browser, form) = (browser.clone(), page.form("/setup"));
        let form = form.fill("name", &format!("user{n}")).fill("password", PASSWORD);
        running.spawn(async move { browser.press(&form, None).await });
    }
    let answers = running.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
    // The others came too late, or met a hasher with all hands full.
    assert!(answers.iter().all(|answer| matches!(answer.status, 303 | 410 | 503)), "{answers:?}");
    assert_eq!(world.administer(Command::UserList).await.len(), 1);
}
