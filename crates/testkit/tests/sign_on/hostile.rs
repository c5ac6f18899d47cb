//! A provider that lies, hangs, or changes: refused, explained, written down, and nobody else is slowed.

use std::sync::Arc;
use std::time::Duration;

use crate::provider::{Document, Mood, Provider, Signature};
use portcullis_jose::key::{Alg, SigningKey};
use portcullis_rules::event::EventKind;
use portcullis_wire::base64url;
use serde_json::{Value, json};

use crate::scene::{acme, arrived, through, try_arriving};

type Lie = fn(&Provider);

fn forged(there: &Provider, forge: impl Fn(&Value) -> String + Send + Sync + 'static) {
    there.state().signature = Signature::Forged(Arc::new(forge));
}

fn unsigned(alg: &str, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    format!("{}.{}", part(&json!({ "alg": alg, "typ": "JWT" })), part(claims))
}

#[tokio::test]
async fn t_absent_t_alg_a_hostile_providers_lies_are_each_refused_explained_and_written_down() {
    let lies: [(&str, Lie); 13] = [
        ("alg none", |there| forged(there, |claims| format!("{}.", unsigned("none", claims)))),
        ("a secret as a key", |there| {
            forged(there, |claims| {
                let signed = unsigned("HS256", claims);
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"s3cret/of+ours");
                let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
                format!("{signed}.{}", base64url::encode(tag.as_ref()))
            });
        }),
        ("a key that is not its own", |there| {
            forged(there, |claims| SigningKey::generate(Alg::Es256).unwrap().sign("JWT", claims).unwrap());
        }),
        ("an ID token of another client", |there| {
            there.edit(Document::IdToken, |claims| claims["aud"] = "another".into());
        }),
        ("for us and another, of another", |there| {
            there.edit(Document::IdToken, |claims| {
                claims["aud"] = json!(["portcullis", "another"]);
                claims["azp"] = "another".into();
            });
        }),
        ("another nonce", |there| there.edit(Document::IdToken, |claims| claims["nonce"] = "another".into())),
        ("no nonce", |there| {
            there.edit(Document::IdToken, |claims| {
                claims.as_object_mut().unwrap().remove("nonce");
            });
        }),
        ("another issuer", |there| {
            there.edit(Document::IdToken, |claims| claims["iss"] = "https://login.acme.example".into());
        }),
        ("over", |there| there.edit(Document::IdToken, |claims| claims["exp"] = json!(1_700_000_000))),
        ("nobody", |there| there.edit(Document::IdToken, |claims| claims["sub"] = Value::Null)),
        ("its issuer changed", |there| {
            there.edit(Document::Discovery, |document| document["issuer"] = "https://evil.example".into());
        }),
        ("markup for a token", |there| {
            let mood =
                Mood::Raw("200 OK\r\ncontent-type: text/html".to_owned(), "<html>no</html>".to_owned());
            there.state().moods.insert("/token".to_owned(), mood);
        }),
        ("the secret is no longer good", |there| there.state().secret = Some("a-new-one".to_owned())),
    ];
    for (name, lie) in lies {
        let (world, there) = acme(|_| {}).await;
        lie(&there);
        let mut browser = world.browser();
        let page = browser.open("/sign-in").await;
        let form = page.form("/sign-in/with");
        let out = browser.press(&form, Some("acme")).await;
        let answer = if out.status == 200 {
            there.state().now = portcullis_wire::time::UnixTime::from_seconds(world.now());
            let to = crate::scene::destination(&portcullis_testkit::Page { answer: out });
            let back = there.visit(to.as_str());
            browser.get(&world.net.target(&back)).await
        } else {
            out
        };
        assert!(matches!(answer.status, 400 | 403 | 502), "{name}: {answer:?}");
        let html = answer.text();
        for part in ["E-PROVIDER", "Who must act", "What you can do", "Back to sign-in", "Cause"] {
            assert!(html.contains(part), "{name}: {part} in {html}");
        }
        for secret in ["s3cret", "access-of-ada", "ada@acme.example", "00u1ada"] {
            assert!(!html.contains(secret), "{name}: {secret} is told to a stranger");
        }
        assert!(!browser.jar.keys().any(|cookie| cookie.ends_with("-session")), "{name}");
        assert!(world.store.users().await.unwrap().is_empty(), "{name}");
        let events = world.events().await;
        let row = events.iter().find(|one| one.kind == EventKind::SignInRefused);
        let reason = row.and_then(|row| row.reason).unwrap_or_else(|| panic!("{name}: no row"));
        assert!(html.contains(reason), "{name}: {reason}");
    }
}

#[tokio::test]
async fn t_outbound_a_provider_that_hangs_slows_nobody_of_another() {
    let (hanging, there) = (Provider::start().await, Provider::start().await);
    for path in ["/token", "/keys", "/userinfo"] {
        hanging.state().moods.insert(path.to_owned(), Mood::Hang);
    }
    let providers =
        vec![crate::scene::of("hanging", "Hanging", &hanging), crate::scene::of("acme", "Acme", &there)];
    let world = crate::scene::world(providers).await;
    let mut ways = Vec::new();
    for _ in 0..10 {
        let mut browser = world.browser();
        let page = browser.open("/sign-in").await;
        let out = crate::scene::choose(&mut browser, &page, "hanging").await;
        let back = hanging.visit(crate::scene::destination(&out).as_str());
        ways.push((browser, world.net.target(&back)));
    }
    let waiting: Vec<_> = ways
        .into_iter()
        .map(|(mut browser, target)| tokio::spawn(async move { browser.get(&target).await }))
        .collect();
    arrived(&world, &there).await;
    assert!(waiting.iter().all(|one| !one.is_finished()), "all of them still wait for theirs");
    for answer in waiting {
        let answer = answer.await.unwrap();
        answer.stops(502, "E-PROVIDER");
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn t_kid_collision_a_provider_that_rotates_its_keys_is_followed_and_no_other_providers_key_counts() {
    let (world, there) = acme(|_| {}).await;
    arrived(&world, &there).await;
    there.state().keys = vec![SigningKey::generate(Alg::Es256).unwrap()];
    world.advance(Duration::from_secs(60));
    arrived(&world, &there).await;
}

#[tokio::test]
async fn t_mixup_a_hostile_provider_gets_no_code_of_another_and_its_own_signs_in_nobody_there() {
    let (honest, hostile) = (Provider::start().await, Provider::start().await);
    let providers =
        vec![crate::scene::of("honest", "Honest", &honest), crate::scene::of("hostile", "Hostile", &hostile)];
    let world = crate::scene::world(providers).await;
    // The hostile one claims to be the honest one, in every document it has.
    let issuer = honest.issuer().to_owned();
    hostile.edit(Document::IdToken, move |claims| claims["iss"] = issuer.clone().into());
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    through(&world, &mut browser, &page, &hostile, "hostile").await.stops(403, "E-PROVIDER");
    // The person chose the hostile one, which sends the browser on to the honest one with the state it was given: the
    // honest one answers at its own address, where that state is another's.
    let page = browser.open("/sign-in").await;
    let out = crate::scene::choose(&mut browser, &page, "hostile").await;
    let to = crate::scene::destination(&out);
    let state = crate::scene::parameter(&to, "state");
    let page = browser.open("/sign-in").await;
    let mut elsewhere = crate::scene::destination(&crate::scene::choose(&mut browser, &page, "honest").await);
    let pairs: Vec<(String, String)> =
        elsewhere
            .query_pairs()
            .map(|(name, value)| {
                if name == "state" {
                    ("state".to_owned(), state.clone())
                } else {
                    (name.into(), value.into())
                }
            })
            .collect();
    elsewhere.query_pairs_mut().clear().extend_pairs(pairs);
    let back = honest.visit(elsewhere.as_str());
    let before = hostile.count("/token");
    browser.get(&world.net.target(&back)).await.stops(403, "E-MIX-UP");
    assert_eq!(hostile.count("/token"), before, "no code of the honest one went there");
    assert_eq!(honest.count("/token"), 0);
    // And the answer of the honest one, turned to the hostile one's address, names who it is of (RFC 9207).
    let page = browser.open("/sign-in").await;
    let out = crate::scene::choose(&mut browser, &page, "hostile").await;
    let state = crate::scene::parameter(&crate::scene::destination(&out), "state");
    let turned = portcullis_testkit::encode(&[
        ("code", "a-code-of-the-honest-one"),
        ("state", &state),
        ("iss", honest.issuer()),
    ]);
    browser.get(&format!("/callback/hostile?{turned}")).await.stops(403, "E-PROVIDER");
    assert_eq!(hostile.count("/token"), before, "not even asked");
    assert!(world.store.users().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_administrators_look_names_what_is_wrong_and_how_it_is_mended() {
    let (world, there) = acme(|_| {}).await;
    let check = || portcullis_server::admin::Command::ProviderCheck { name: "acme".to_owned() };
    let rows = world.administer(check()).await;
    assert!(rows.len() > 3 && rows.iter().all(|row| row["ok"] == true), "{rows:?}");
    let (world, _) = (
        world,
        there.edit(Document::Discovery, |document| document["issuer"] = "https://evil.example".into()),
    );
    world.advance(Duration::from_secs(2 * 3600));
    let rows = world.administer(check()).await;
    let wrong = rows.iter().find(|row| row["ok"] == false).unwrap();
    assert!(wrong["fault"]["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{wrong}");
    try_arriving_fails(&world).await;
}

async fn try_arriving_fails(world: &portcullis_testkit::World) {
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    browser.press(&page.form("/sign-in/with"), Some("acme")).await.stops(403, "E-PROVIDER");
}

#[tokio::test]
async fn an_honest_provider_signs_somebody_in() {
    let (world, there) = acme(|_| {}).await;
    try_arriving(&world, &mut world.browser(), &there).await.is(303);
}
