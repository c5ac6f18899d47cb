//! The way back: to the browser that went, from the provider it went to, once, and within ten minutes.

use std::time::Duration;

use portcullis_rules::event::EventKind;
use portcullis_testkit::{Answer, World, encode};

use crate::scene::{github, leave, openid, parameter, world};

async fn told(world: &World, reason: &str) -> usize {
    let events = world.events().await;
    events.iter().filter(|one| one.kind == EventKind::SignInRefused && one.reason == Some(reason)).count()
}

fn callback(name: &str, state: &str) -> String {
    format!("/callback/{name}?{}", encode(&[("code", "a-code-of-the-provider"), ("state", state)]))
}

fn nobody_came_in(answer: &Answer) {
    assert!(!answer.set_cookies().iter().any(|cookie| cookie.contains("-session=")), "{answer:?}");
    assert!(answer.header("location").is_none(), "{answer:?}");
}

#[tokio::test]
async fn t_two_jars_a_callback_in_another_browser_is_refused_and_neither_goes_on() {
    let world = world(vec![github()]).await;
    let (mut attacker, mut victim) = (world.browser(), world.browser());
    let state = parameter(&leave(&mut attacker, "github").await, "state");
    let answer = victim.get(&callback("github", &state)).await;
    answer.stops(403, "E-OTHER-BROWSER");
    nobody_came_in(&answer);
    attacker.get(&callback("github", &state)).await.stops(400, "E-SIGN-IN-STALE");
    assert_eq!(told(&world, "callback_other_browser").await, 1);
    assert!(world.store.users().await.unwrap().is_empty());
}

#[tokio::test]
async fn t_two_jars_a_signed_in_browser_is_another_browser_too() {
    let world = world(vec![github()]).await;
    let mut victim = world.signed_in("alice").await;
    let mut attacker = world.browser();
    let state = parameter(&leave(&mut attacker, "github").await, "state");
    victim.get(&callback("github", &state)).await.stops(403, "E-OTHER-BROWSER");
    victim.open("/account").await.answer.is(200);
}

#[tokio::test]
async fn t_mixup_an_answer_at_another_providers_address_is_refused_before_any_code_is_sent() {
    let providers = vec![github(), openid("hostile", "Hostile", "https://hostile.invalid")];
    let world = world(providers).await;
    let mut browser = world.browser();
    let state = parameter(&leave(&mut browser, "github").await, "state");
    let answer = browser.get(&callback("hostile", &state)).await;
    answer.stops(403, "E-MIX-UP");
    nobody_came_in(&answer);
    assert_eq!(told(&world, "provider_mixed_up").await, 1);
    browser.get(&callback("github", &state)).await.stops(400, "E-SIGN-IN-STALE");
    browser.get(&callback("nobody", &state)).await.stops(404, "E-PROVIDER-UNKNOWN");
}

#[tokio::test]
async fn t_once_a_state_is_good_once_for_ten_minutes_and_cannot_be_guessed_or_doubled() {
    let world = world(vec![github()]).await;
    let mut browser = world.browser();
    let good = parameter(&leave(&mut browser, "github").await, "state");
    let query = encode(&[("code", "c"), ("state", good.as_str()), ("state", good.as_str())]);
    for (name, target) in [
        ("none", "/callback/github?code=c".to_owned()),
        ("empty", "/callback/github?code=c&state=".to_owned()),
        ("guessed", callback("github", &"A".repeat(43))),
        ("shortened", callback("github", &good[..42])),
        ("twice", format!("/callback/github?{query}")),
    ] {
        let answer = browser.get(&target).await;
        answer.stops(400, "E-SIGN-IN-STALE");
        nobody_came_in(&answer);
        assert!(!answer.text().contains(&good), "{name}");
    }
    world.advance(Duration::from_secs(10 * 60));
    browser.get(&callback("github", &good)).await.stops(400, "E-SIGN-IN-STALE");
}

#[tokio::test]
async fn a_provider_that_says_no_leads_back_to_what_waited() {
    let world = world(vec![github()]).await;
    world.person("alice").await;
    let client = world.client().await;
    let mut browser = world.browser();
    let page = browser.page(&client.request(&"v".repeat(43), None)).await;
    let out = crate::scene::choose(&mut browser, &page, "github").await;
    let state = parameter(&crate::scene::destination(&out), "state");
    let no =
        encode(&[("error", "access_denied"), ("error_description", "evil <b>text</b>"), ("state", &state)]);
    let answer = browser.get(&format!("/callback/github?{no}")).await;
    answer.stops(403, "E-PROVIDER-DENIED");
    assert!(!answer.text().contains("evil"), "a stranger's words are not ours");
    let html = answer.text();
    let back = html.split("href=\"/sign-in?request=").nth(1).unwrap().split('"').next().unwrap();
    let page = browser.open(&format!("/sign-in?request={back}")).await;
    let answer = browser.sign_in_at(&page, "alice", portcullis_testkit::PASSWORD).await;
    assert!(answer.location().starts_with(&format!("{}/consent?", world.issuer())), "{answer:?}");
    browser.get(&format!("/callback/github?{no}")).await.stops(400, "E-SIGN-IN-STALE");
}

#[tokio::test]
async fn an_error_of_a_provider_is_explained_and_written_down_a_few_times() {
    let world = world(vec![github()]).await;
    let mut browser = world.browser();
    let mut pages = 0;
    for _ in 0..20 {
        let state = parameter(&leave(&mut browser, "github").await, "state");
        let no = encode(&[("error", "invalid_scope"), ("state", &state)]);
        let answer = browser.get(&format!("/callback/github?{no}")).await;
        answer.stops(403, "provider_error");
        pages += 1;
    }
    let rows = told(&world, "provider_error").await;
    assert!(rows >= 1 && rows < pages, "{rows} rows for {pages} pages");
}

#[tokio::test]
async fn t_mixup_rfc9207_2_4_an_error_counts_only_where_it_is_the_providers_own() {
    for (name, names_itself, iss, expected) in [
        ("its own", true, Some(None), "E-PROVIDER-DENIED"),
        ("another's", true, Some(Some("https://evil.example")), "answer_issuer"),
        ("nobody's, though the provider names itself", true, None, "answer_issuer_absent"),
        ("nobody's, of a provider that never says", false, None, "E-PROVIDER-DENIED"),
    ] {
        let (world, there) = crate::scene::acme(|_| {}).await;
        there.state().names_issuer = names_itself;
        let mut browser = world.browser();
        let state = parameter(&leave(&mut browser, "acme").await, "state");
        let own = there.issuer();
        let mut says = vec![("error", "access_denied"), ("state", state.as_str())];
        says.extend(iss.map(|iss| ("iss", iss.unwrap_or(own))));
        let answer = browser.get(&format!("/callback/acme?{}", encode(&says))).await;
        assert!(answer.text().contains(expected), "{name}: {answer:?}");
        nobody_came_in(&answer);
    }
}
