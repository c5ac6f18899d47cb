//! The whole way, once: from a bare 401 to a revoked token.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use portcullis_testkit::{Code, LOOPBACK, PASSWORD, Tokens, World, encode};

#[tokio::test]
async fn from_a_bare_401_to_a_call_a_refresh_and_the_end() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let first = client.connect(&mut alice, None).await;
    assert_eq!(first.scope, "notes:read");
    client.call("read_note", &first.access).await.is(200);
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    client.call("read_note", &second.access).await.is(200);
    let seen = world.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| !seen.has_credential && seen.client == client.id));
    client.revoke(&second.refresh).await.is(200);
    for token in [&first.access, &second.access] {
        client.call("read_note", token).await.is_challenged(401, Some("invalid_token"));
    }
    client.refresh(&second.refresh).await.refuses(400, "invalid_grant");
}

#[tokio::test]
async fn d02_d17_the_whole_way_with_endpoints_below_a_path() {
    let below = || World::builder().settings(|settings| settings.endpoint_path = "/auth".to_owned());
    let of_path = || World::builder().issuer("https://auth.example.com/tenant");
    for (builder, base) in [
        (below(), "/auth"),
        (of_path(), "/tenant"),
        (of_path().settings(|settings| settings.endpoint_path = "/auth".to_owned()), "/tenant/auth"),
    ] {
        go(&builder.start().await, base).await;
    }
}

async fn go(world: &World, base: &str) {
    world.person("alice").await;
    let path = world.net.target(&world.notes);
    let client = world.client_at(&path, LOOPBACK).await;
    for (name, value) in client.metadata.as_object().unwrap() {
        if let Some(url) = value.as_str().filter(|url| url.contains("://") && name != "issuer") {
            assert_ne!(world.get(&world.net.target(url)).await.status, 404, "{name}: {url}");
        }
    }
    let asked = world.net.target(client.metadata["authorization_endpoint"].as_str().unwrap());
    assert_eq!(asked, format!("{base}/authorize"));
    let mut alice = world.browser();
    let query = encode(&client.request(&"v".repeat(43), None));
    let sign_in = alice.open(&format!("{asked}?{query}")).await;
    let form = sign_in.form(&format!("{base}/sign-in")).fill("name", "alice").fill("password", PASSWORD);
    let answer = alice.press(&form, Some("sign-in")).await;
    let consent = alice.open(&world.net.target(answer.is(303).location())).await;
    let form = consent.form(&format!("{base}/consent")).tick_all("scope").tick_all("started");
    let code = alice.press(&form, Some("allow")).await.landed("code").unwrap();
    let code = Code { code, verifier: "v".repeat(43), redirect: client.redirect.clone() };
    let tokens = Tokens::of(&world.net.post(&format!("{base}/token"), &client.exchange(&code)).await);
    client.call("read_note", &tokens.access).await.is(200);
    let account = alice.open(&format!("{base}/account")).await;
    for action in ["revoke", "rename", "stop", "password"] {
        account.form(&format!("{base}/account/{action}"));
    }
    for page in [sign_in, consent, account] {
        for link in page.text().split("href=\"/").skip(1).chain(page.text().split("action=\"/").skip(1)) {
            let link = format!("/{}", link.split('"').next().unwrap_or_default());
            assert!(link == base || link.starts_with(&format!("{base}/")), "{link}");
            assert_ne!(world.get(&link).await.status, 404, "{link}");
        }
    }
}
