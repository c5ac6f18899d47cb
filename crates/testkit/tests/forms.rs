//! Pages and forms: who may answer them, from where, and how often (RFC 9700 §4.12, §4.16; RFC 6819 §4.4.1).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_rules::event::EventKind;
use portcullis_testkit::{Ask, Browser, HonestClient, PASSWORD, Page, World};
use tokio::task::JoinSet;

async fn consent_page(world: &World, browser: &mut Browser) -> Page {
    let client = world.client().await;
    let page = browser.page(&client.request(&HonestClient::verifier(), None)).await;
    page.answer.is(200);
    page
}

#[tokio::test]
async fn a24_t_csrf_a_form_is_good_once_in_its_own_browser_and_for_ten_minutes() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let page = consent_page(&world, &mut alice).await;
    let good = page.form("/consent").tick_all("scope").tick_all("started");
    // Without a ticket, or with one that is another's or of another form.
    let mut bare = good.clone();
    bare.fields.retain(|field| field.name != "ticket");
    alice.press(&bare, Some("allow")).await.stops(400, "E-FORM-STALE");
    for forged in ["", "x", &good.value("ticket").unwrap()[1..]] {
        alice.press(&good.clone().fill("ticket", forged), Some("allow")).await.stops(400, "E-FORM-STALE");
    }
    let other = alice.open("/account").await.form("/sign-out");
    let foreign = good.clone().fill("ticket", other.value("ticket").unwrap());
    alice.press(&foreign, Some("allow")).await.stops(400, "E-FORM-STALE");
    // In another browser, signed in as somebody else or as the same person.
    let mut bob = world.signed_in("bob").await;
    bob.press(&good, Some("allow")).await.stops(400, "E-FORM-STALE");
    let mut alice_too = world.browser();
    alice_too.sign_in("alice", PASSWORD).await;
    alice_too.press(&good, Some("allow")).await.stops(400, "E-FORM-STALE");
    // Once, and not again.
    assert!(alice.press(&good, Some("allow")).await.landed("code").is_some());
    alice.press(&good, Some("allow")).await.stops(400, "E-FORM-STALE");
    alice.press(&good, Some("deny")).await.stops(400, "E-FORM-STALE");
    // Not after ten minutes.
    let page = consent_page(&world, &mut alice).await;
    world.advance(Duration::from_secs(600));
    alice.allow(&page).await.stops(400, "E-FORM-STALE");
}

#[tokio::test]
async fn a24_a_sign_in_form_is_good_once() {
    let world = World::start().await;
    world.person("alice").await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    let form = page.form("/sign-in").fill("name", "alice").fill("password", PASSWORD);
    let mut other = world.browser();
    other.open("/sign-in").await;
    other.press(&form, Some("sign-in")).await.stops(400, "E-FORM-STALE");
    browser.press(&form, Some("sign-in")).await.is(303);
    browser.press(&form, Some("sign-in")).await.stops(400, "E-FORM-STALE");
}

#[tokio::test]
async fn t_csrf_a_form_from_another_site_is_refused_whatever_it_holds() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let page = consent_page(&world, &mut alice).await;
    let form = page.form("/consent").tick_all("scope").tick_all("started").pairs(Some("allow"));
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.example"),
        ("origin", "http://127.0.0.1:1"),
    ] {
        for path in [
            "/consent",
            "/sign-in",
            "/sign-out",
            "/setup",
            "/account/revoke",
            "/approve",
            "/account/wanted",
            "/account/rename",
            "/account/stop",
            "/account/password",
        ] {
            let answer = alice.send(Ask::post(path).form(&form).header(name, value)).await;
            answer.stops(403, "E-FORM-FOREIGN");
        }
    }
    let json = alice.send(Ask::post("/consent").json(&serde_json::json!({ "answer": "allow" }))).await;
    json.stops(415, "E-FORM-UNREADABLE");
    assert!(alice.allow(&page).await.landed("code").is_some(), "nothing of that burnt it");
}

#[tokio::test]
async fn t_two_jars_a_request_begun_in_one_browser_is_not_continued_in_another() {
    let world = World::start().await;
    let client = world.client().await;
    let mut attacker = world.signed_in("mallory").await;
    let begun = attacker.ask(&client.request(&HonestClient::verifier(), None)).await;
    let link = world.net.target(begun.is(303).location());
    let mut alice = world.signed_in("alice").await;
    alice.get(&link).await.stops(400, "E-FORM-STALE");
    world.browser().get(&link).await.stops(400, "E-FORM-STALE");
    attacker.get(&link).await.is(200);
}

#[tokio::test]
async fn a25_t_headers_every_page_forbids_framing_storing_and_scripts() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let consent = consent_page(&world, &mut alice).await;
    let mut pages = vec![("consent", consent.answer)];
    for (name, path) in
        [("account", "/account"), ("sign-in", "/sign-in"), ("start", "/"), ("error", "/authorize")]
    {
        pages.push((name, alice.open(path).await.answer));
    }
    pages.push(("missing", alice.get("/nowhere").await));
    pages.push(("setup", alice.get("/setup?link=x").await));
    for (name, page) in pages {
        let csp = page.header("content-security-policy").unwrap_or_else(|| panic!("{name}"));
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(csp.contains(part), "{name}: {csp}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains("script-src"), "{name}: {csp}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{name}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{name}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert!(!page.text().contains("<script"), "{name}");
        if name == "consent" {
            assert!(csp.contains("form-action 'self' http://127.0.0.1:7777"), "the answer gets out: {csp}");
        }
    }
}

#[tokio::test]
async fn a26_t_cookie_host_only_secure_and_out_of_reach_of_scripts() {
    for (issuer, prefix, secure) in
        [(None, "portcullis-", false), (Some("https://auth.example.com"), "__Host-", true)]
    {
        let builder = issuer.into_iter().fold(World::builder(), portcullis_testkit::Builder::issuer);
        let world = builder.start().await;
        world.person("alice").await;
        let mut browser = world.browser();
        let page = browser.open("/sign-in").await;
        let answer = browser.sign_in_at(&page, "alice", PASSWORD).await;
        let cookies = [page.answer.set_cookies(), answer.is(303).set_cookies()].concat();
        assert_eq!(cookies.len(), 3, "{cookies:?}");
        for cookie in cookies {
            assert!(cookie.starts_with(prefix), "{cookie}");
            for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
        assert_eq!(answer.header("strict-transport-security").is_some(), secure);
    }
}

#[tokio::test]
async fn a31_t_fixation_signing_in_makes_a_new_session() {
    let world = World::start().await;
    world.person("alice").await;
    let session = |browser: &Browser| {
        let found = browser.jar.iter().find(|(name, _)| name.ends_with("-session"));
        found.map(|(name, value)| (name.clone(), value.clone()))
    };
    let mut browser = world.browser();
    browser.sign_in("alice", PASSWORD).await;
    let (name, first) = session(&browser).unwrap();
    browser.sign_in("alice", PASSWORD).await;
    let (_, second) = session(&browser).unwrap();
    assert_ne!(first, second);
    // One that was planted before is not taken over.
    let mut victim = world.browser();
    victim.jar.insert(name, "pc_ses_planted".to_owned());
    victim.sign_in("alice", PASSWORD).await;
    assert_ne!(session(&victim).unwrap().1, "pc_ses_planted");
    // Two of one name come from somebody else: neither is believed.
    let (name, value) = session(&browser).unwrap();
    let ask = Ask::get("/account").header("cookie", &format!("{name}={value}; {name}={second}x"));
    assert!(world.send(ask).await.is(303).location().ends_with("/sign-in"));
}

#[tokio::test]
async fn t_next_where_to_go_after_signing_in_is_no_address_in_the_request() {
    let world = World::start().await;
    world.person("alice").await;
    for query in [
        "next=https://evil.example",
        "return_to=//evil.example",
        "redirect=/x",
        "redirect_uri=https://evil.example",
    ] {
        let mut browser = world.browser();
        let page = browser.open(&format!("/sign-in?{query}")).await;
        let form = page.form("/sign-in").fill("name", "alice").fill("password", PASSWORD);
        let form = form.fill("next", "https://evil.example").fill("redirect_uri", "https://evil.example");
        let answer = browser.press(&form, Some("sign-in")).await;
        assert_eq!(answer.is(303).location(), world.net.url("/account"), "{query}");
    }
}

#[tokio::test]
async fn t_prompt_login_asks_for_the_password_again_and_stop_returns_to_the_client() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let mut query = client.request(&HonestClient::verifier(), None);
    query.push(("prompt".to_owned(), "login".to_owned()));
    world.advance(Duration::from_secs(1));
    let page = alice.page(&query).await;
    let stopped = alice.press(&page.form("/sign-in"), Some("stop")).await;
    stopped.returns_error(&client.redirect, "access_denied", Some("state-of-the-client"), world.issuer());
    let page = alice.page(&query).await;
    let answer = alice.sign_in_at(&page, "alice", PASSWORD).await;
    let consent = alice.open(&world.net.target(answer.is(303).location())).await;
    assert!(alice.allow(&consent).await.landed("code").is_some());
}

#[tokio::test]
async fn t_client_text_s16_s17_what_a_client_says_of_itself_stays_text() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let body = serde_json::json!({
        "redirect_uris": ["https://client.example/cb"], "token_endpoint_auth_method": "none",
        "client_name": "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
        "client_uri": "javascript:alert(1)", "logo_uri": "https://evil.example/logo.png",
        "tos_uri": "javascript:alert(2)", "policy_uri": "data:text/html,x",
    });
    let json = world.send(Ask::post("/register").json(&body)).await.is(201).json();
    assert!(json["client_uri"].is_null());
    let mut client = world.client().await;
    client.id = json["client_id"].as_str().unwrap().to_owned();
    client.redirect = "https://client.example/cb".to_owned();
    client.connect(&mut alice, None).await;
    let consent = alice.page(&client.request(&HonestClient::verifier(), None)).await.text();
    let account = alice.open("/account").await.text();
    for page in [consent, account] {
        for bad in ["<script", "<img src=x", "javascript:", "evil.example", "data:text"] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(page.contains("alert(1)"), "it is shown, as text");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_once_many_answers_to_one_consent_page_give_one_code() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let page = consent_page(&world, &mut alice).await;
    let mut running = JoinSet::new();
    for _ in 0..20 {
        let (mut browser, page) = (alice.clone(), page.clone());
        running.spawn(async move { browser.allow(&page).await });
    }
    let answers = running.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.landed("code").is_some()).count(), 1);
    for answer in answers.iter().filter(|answer| answer.landed("code").is_none()) {
        answer.stops(400, "E-FORM-STALE");
    }
    let given = world.events().await.into_iter().filter(|event| event.kind == EventKind::ConsentGiven);
    assert_eq!(given.count(), 1);
}
