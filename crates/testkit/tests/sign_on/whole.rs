//! The whole way: from a client through our own sign-in page, the company, and our own consent, to a tool.

use portcullis_rules::event::EventKind;
use portcullis_testkit::{HonestClient, LOOPBACK, Page, Tokens};

use crate::scene::{UPSTREAM_TOKENS, acme, arrived, through, try_arriving};

#[tokio::test]
async fn t_deputy_one_registration_at_the_company_serves_two_clients_each_with_its_own_consent() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = world.browser();
    let clients = [("first", LOOPBACK), ("second", "http://127.0.0.1:7778/other")];
    for (turn, (name, redirect)) in clients.into_iter().enumerate() {
        let client = world.client_at("/mcp", redirect).await;
        let verifier = HonestClient::verifier();
        let page = browser.page(&client.request(&verifier, Some("notes:read"))).await;
        let consent = if turn == 0 {
            // Signed in by the company: our own page still asks, and nothing has gone to the client.
            let back = through(&world, &mut browser, &page, &there, "acme").await;
            let to = back.is(303).location().to_owned();
            assert!(to.starts_with(&format!("{}/consent?", world.issuer())), "{name}: {to}");
            browser.open(&world.net.target(&to)).await
        } else {
            // Known here and there by now: another client is asked about all the same, and nobody went upstream.
            page
        };
        assert!(consent.text().contains("Notebook"), "{name}");
        let answer = browser.allow(&consent).await;
        let code = portcullis_testkit::Code {
            code: answer.landed("code").unwrap_or_else(|| panic!("{name}: {answer:?}")),
            verifier,
            redirect: client.redirect.clone(),
        };
        let tokens = client.redeem(&code).await;
        client.call("read_note", &tokens.access).await.is(200);
    }
    assert_eq!(there.count("/token"), 1);
    let seen = world.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].subject, seen[1].subject, "one person");
    assert_ne!(seen[0].client, seen[1].client, "two clients");
    let rows = world.administer(portcullis_server::admin::Command::UserList).await;
    assert_eq!((rows.len(), rows[0]["name"].as_str()), (1, Some("Ada Lovelace")));
    assert_eq!(rows[0]["subject"], "00u1ada");
    assert_eq!(rows[0]["has_password"], false);
    let events = world.events().await;
    assert!(events.iter().any(|one| one.kind == EventKind::UserAdded));
    assert!(events.iter().any(|one| one.kind == EventKind::SignedIn));
}

#[tokio::test]
async fn t_canary_what_the_company_gives_us_for_itself_is_in_no_answer_no_file_and_no_log() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = arrived(&world, &there).await;
    let client = world.client().await;
    let tokens = client.connect(&mut browser, Some("notes:read")).await;
    let refreshed = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.call("read_note", &refreshed.access).await.is(200);
    let account = browser.open("/account").await;
    assert!(account.answer.is(200).text().contains("through <bdi class=\"untrusted\">Acme</bdi>"));
    assert!(!account.text().contains("/account/password"));
    let exported = world
        .administer(portcullis_server::admin::Command::UserExport {
            name: "Ada Lovelace".to_owned(),
            after: 0,
        })
        .await;
    world.app.flush().await;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(world.directory.path()).unwrap() {
        files.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let found = |text: &str| files.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(found("00u1ada"), "these are the files that count");
    for secret in UPSTREAM_TOKENS.into_iter().chain(["s3cret/of+ours"]) {
        assert!(!found(secret), "{secret} lies in a file");
        assert!(!account.text().contains(secret) && !format!("{exported:?}").contains(secret));
        world.net.is_secret(secret);
    }
    for request in world.seen() {
        assert!(!request.has_credential && !UPSTREAM_TOKENS.iter().any(|token| request.body.contains(token)));
    }
}

#[tokio::test]
async fn t_fixation_the_session_of_before_ends_and_the_new_one_is_another() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = world.signed_in("alice").await;
    let session = |jar: &std::collections::BTreeMap<String, String>| {
        jar.iter().find(|(name, _)| name.ends_with("-session")).map(|(_, value)| value.clone()).unwrap()
    };
    let (before, jar) = (session(&browser.jar), browser.jar.clone());
    try_arriving(&world, &mut browser, &there).await.is(303);
    assert_ne!(session(&browser.jar), before);
    let mut old = browser.clone();
    old.jar = jar;
    assert!(old.get("/account").await.is(303).location().ends_with("/sign-in"), "it has ended");
    assert!(browser.open("/account").await.text().contains("Ada Lovelace"));
}

#[tokio::test]
async fn t_once_a_callback_that_comes_twice_signs_in_once() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    let out = crate::scene::choose(&mut browser, &page, "acme").await;
    let back = there.visit(crate::scene::destination(&out).as_str());
    let target = world.net.target(&back);
    let (mut one, mut two) = (browser.clone(), browser.clone());
    let (first, second) = tokio::join!(one.get(&target), two.get(&target));
    let came_in = [&first, &second].into_iter().filter(|answer| answer.status == 303).count();
    assert_eq!(came_in, 1, "{first:?} {second:?}");
    browser.get(&target).await.stops(400, "E-SIGN-IN-STALE");
}

#[tokio::test]
async fn a_wish_for_a_fresh_sign_in_is_put_to_the_company_and_its_word_on_when_is_checked() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = arrived(&world, &there).await;
    let client = world.client().await;
    let mut request = client.request(&HonestClient::verifier(), Some("notes:read"));
    request.push(("prompt".to_owned(), "login".to_owned()));
    let page = browser.page(&request).await;
    let out = crate::scene::choose(&mut browser, &page, "acme").await;
    let to = crate::scene::destination(&out);
    assert_eq!(crate::scene::parameter(&to, "prompt"), "login");
    // The company signs in by a session of an hour ago all the same.
    let hour_ago = world.now() - 3600;
    there.edit(crate::provider::Document::IdToken, move |claims| {
        claims["auth_time"] = hour_ago.into();
    });
    let back = there.visit(to.as_str());
    browser.get(&world.net.target(&back)).await.stops(400, "E-PROVIDER");
    let page = browser.page(&request).await;
    there.state().edits.clear();
    let back = through(&world, &mut browser, &page, &there, "acme").await;
    assert!(back.is(303).location().starts_with(&format!("{}/consent?", world.issuer())), "{back:?}");
}

#[tokio::test]
async fn t_prompt_a_sign_in_by_the_companys_old_session_is_no_fresh_one() {
    let (world, there) = acme(|_| {}).await;
    let mut browser = world.browser();
    let client = world.client().await;
    let mut request = client.request(&HonestClient::verifier(), Some("notes:read"));
    request.push(("prompt".to_owned(), "login".to_owned()));
    // In another tab the company lets its person in by a session of an hour ago, or does not say by which.
    for since in [Some(world.now() - 3600), None] {
        let asked = browser.ask(&request).await;
        let sign_in = asked.is(303).location().to_owned();
        assert!(sign_in.contains("/sign-in?"), "{sign_in}");
        there.state().edits.clear();
        there.edit(crate::provider::Document::IdToken, move |claims| match since {
            Some(since) => claims["auth_time"] = since.into(),
            None => drop(claims.as_object_mut().unwrap().remove("auth_time")),
        });
        let elsewhere = browser.open("/sign-in").await;
        through(&world, &mut browser, &elsewhere, &there, "acme").await.is(303);
        let consent = sign_in.replace("/sign-in?", "/consent?");
        let answer = browser.get(&world.net.target(&consent)).await;
        assert!(answer.is(303).location().contains("/sign-in?"), "{since:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_trial_tells_every_claim_and_the_verdict_and_changes_nothing() {
    let (world, there) = acme(|_| {}).await;
    there.claim("department", "Research".into());
    let walk = portcullis_server::admin::Command::ProviderWalk { name: "acme".to_owned() };
    let begun = world.administer(walk).await.remove(0);
    let mut browser = world.browser();
    let page = browser.open(&world.net.target(begun["url"].as_str().unwrap())).await;
    let answer = browser.press(&page.form("/sign-in/test"), None).await;
    let back = there.visit(crate::scene::destination(&Page { answer }).as_str());
    let done = browser.get(&world.net.target(&back)).await;
    assert!(done.is(200).text().contains("The test is over") && !done.text().contains("Ada"));
    assert!(!browser.jar.keys().any(|name| name.ends_with("-session")), "nobody is signed in");
    assert!(world.store.users().await.unwrap().is_empty(), "no account is made");
    let handle = begun["handle"].as_str().unwrap().to_owned();
    let told = portcullis_server::admin::Command::ProviderWalked { handle };
    let report = world.administer(told).await.remove(0);
    assert_eq!(
        (report["verdict"].as_str(), report["how"].as_str()),
        (Some("in"), Some("created")),
        "{report}"
    );
    assert_eq!(report["mapped"]["email"], "ada@acme.example");
    assert_eq!(report["mapped"]["email_verified"], true);
    assert_eq!(report["groups"], serde_json::json!(["engineers"]));
    let claims: Vec<_> =
        report["claims"].as_array().unwrap().iter().map(|row| row["claim"].as_str().unwrap()).collect();
    for claim in ["name", "email", "email_verified", "groups", "department"] {
        assert!(claims.contains(&claim), "{claim} in {claims:?}");
    }
    for secret in UPSTREAM_TOKENS {
        assert!(!report.to_string().contains(secret));
    }
}
