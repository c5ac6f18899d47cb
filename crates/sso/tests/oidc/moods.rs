//! Providers that hang, lie, change and forget.

use std::sync::Arc;
use std::time::Duration;

use portcullis_jose::key::{Alg, SigningKey};
use portcullis_sso::Act;
use portcullis_sso::oidc::Preset;
use serde_json::json;

use super::Side;
use super::provider::{Document, Mood};

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn later(side: &Side, seconds: u64) {
    let mut state = side.provider.state();
    state.now = state.now + Duration::from_secs(seconds);
}

fn rotate(side: &Side) {
    side.provider.state().keys = vec![SigningKey::generate(Alg::Es256).unwrap()];
}

#[tokio::test]
async fn discovery_and_keys_are_fetched_once_an_hour() {
    let side = Side::new(Preset::Generic).await;
    for _ in 0..5 {
        side.sign_in().await.unwrap();
    }
    assert_eq!((side.provider.count(DISCOVERY), side.provider.count("/keys")), (1, 1));
    later(&side, 3600);
    side.sign_in().await.unwrap();
    assert_eq!((side.provider.count(DISCOVERY), side.provider.count("/keys")), (2, 2));
}

#[tokio::test]
async fn oidc_core_10_1_1_a_rotated_key_is_found_and_a_flood_of_unknown_ones_costs_nothing() {
    let side = Side::new(Preset::Generic).await;
    side.sign_in().await.unwrap();
    later(&side, 60);
    rotate(&side);
    side.sign_in().await.unwrap();
    assert_eq!(side.provider.count("/keys"), 2);
    // T-kid-collision: from here on the key set lags behind the signatures.
    let old = serde_json::to_value(side.provider.state().keys[0].public_jwk()).unwrap();
    side.provider.edit(Document::Keys, move |it| it["keys"] = json!([old]));
    rotate(&side);
    for _ in 0..20 {
        assert_eq!(side.refusal().await, "id_token_key");
    }
    assert_eq!(side.provider.count("/keys"), 2, "within 30 s nothing is fetched anew");
    later(&side, 31);
    for _ in 0..20 {
        assert_eq!(side.refusal().await, "id_token_key");
    }
    assert_eq!(side.provider.count("/keys"), 3, "and once in the next");
}

#[tokio::test]
async fn a_withdrawn_key_signs_nobody_in_after_an_hour() {
    let side = Side::new(Preset::Generic).await;
    side.sign_in().await.unwrap();
    side.provider.edit(Document::Keys, |it| it["keys"] = json!([]));
    later(&side, 3600);
    assert_eq!(side.refusal().await, "id_token_key");
}

#[tokio::test]
async fn a_provider_that_hangs_costs_one_wait_and_slows_nobody_else() {
    let side = Side::new(Preset::Generic).await;
    let other = Side::new(Preset::Generic).await;
    side.provider.state().moods.insert(DISCOVERY.to_owned(), Mood::Hang);
    let began = tokio::time::Instant::now();
    let side = Arc::new(side);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let side = Arc::clone(&side);
            tokio::spawn(async move { side.party.begin(&side.begin, side.now()).await.unwrap_err() })
        })
        .collect();
    other.sign_in().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "others do not wait: {:?}", began.elapsed());
    for waited in waiting {
        let fault = waited.await.unwrap();
        assert_eq!((fault.code, fault.transient), ("discovery_unavailable", true));
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(side.provider.count(DISCOVERY), 1, "fifty shared one wait, and its failure");
    side.provider.state().moods.clear();
    assert_eq!(side.refusal().await, "discovery_unavailable", "for ten seconds");
    later(&side, 10);
    side.sign_in().await.unwrap();
}

#[tokio::test]
async fn t_outbound_each_endpoint_may_flood_redirect_or_fail_and_nobody_is_signed_in() {
    let raw = |head: &str, body: &str| Mood::Raw(head.to_owned(), body.to_owned());
    let elsewhere = "307 X\r\nlocation: http://127.0.0.1:9/\r\ncontent-type: application/json";
    for path in [DISCOVERY, "/keys", "/token", "/userinfo"] {
        for (name, mood, passes) in [
            ("huge", Mood::Huge, Some(false)),
            ("redirect", raw(elsewhere, "{}"), Some(false)),
            ("a page", raw("200 OK\r\ncontent-type: text/html", "<p>Sign in to the wifi"), Some(false)),
            ("no JSON", raw("200 OK\r\ncontent-type: application/json", "{"), Some(false)),
            (
                "a member twice",
                raw("200 OK\r\ncontent-type: application/json", r#"{"sub":"a","sub":"b","id_token":"x"}"#),
                Some(false),
            ),
            ("broken", raw("500 X\r\ncontent-type: application/json", "{}"), Some(true)),
            ("busy", raw("503 X\r\ncontent-type: text/html", "wait"), Some(true)),
            ("nothing", raw("404 X\r\ncontent-type: application/json", "{}"), Some(false)),
        ] {
            let side = Side::new(Preset::Generic).await;
            side.provider.state().moods.insert(path.to_owned(), mood);
            let fault = side.sign_in().await.unwrap_err();
            assert_eq!(Some(fault.transient), passes, "{path} {name}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up_in_time() {
    let hung: Vec<_> = ["/keys", "/token", "/userinfo"]
        .map(|path| {
            tokio::spawn(async move {
                let side = Side::new(Preset::Generic).await;
                side.provider.state().moods.insert(path.to_owned(), Mood::Hang);
                side.sign_in().await.unwrap_err()
            })
        })
        .into();
    for (waited, code) in
        hung.into_iter().zip(["keys_unavailable", "token_unavailable", "userinfo_unavailable"])
    {
        let fault = waited.await.unwrap();
        assert_eq!((fault.code, fault.transient), (code, true));
    }
}

#[tokio::test]
async fn t_issuer_bind_an_issuer_that_changed_is_refused() {
    let side = Side::new(Preset::Generic).await;
    side.sign_in().await.unwrap();
    later(&side, 3600);
    for changed in ["https://evil.example", "", "http://127.0.0.1"] {
        side.provider.edit(Document::Discovery, move |it| it["issuer"] = changed.into());
        assert_ne!(side.refusal().await, "signed in", "{changed}");
        later(&side, 10);
    }
    let slash = format!("{}/", side.provider.issuer());
    side.provider.edit(Document::Discovery, move |it| it["issuer"] = slash.clone().into());
    let fault = side.sign_in().await.unwrap_err();
    assert_eq!((fault.code, fault.act), ("discovery_issuer", Act::Administrator));
    assert!(
        side.provider.last("/token").is_some_and(|asked| !asked.body.contains("code-2")),
        "no code went out"
    );
}

#[tokio::test]
async fn t_mixup_an_answer_of_another_issuer_sends_no_code_anywhere() {
    let side = Side::new(Preset::Generic).await;
    let honest = side.away().await.unwrap();
    for (name, iss, expected) in [
        ("another", Some("https://evil.example"), "answer_issuer"),
        ("a slash more", Some(&*format!("{}/", side.provider.issuer())), "answer_issuer"),
        ("empty", Some(""), "answer_issuer"),
        ("absent, though promised", None, "answer_issuer_absent"),
    ] {
        let mut back = honest.clone();
        back.iss = iss.map(str::to_owned);
        assert_eq!(side.back(&back).await.unwrap_err().code, expected, "{name}");
    }
    assert_eq!(side.provider.count("/token"), 0);
    side.back(&honest).await.unwrap();
}

#[tokio::test]
async fn rfc9207_2_4_a_provider_that_promises_no_issuer_may_still_not_name_another() {
    let side = Side::new(Preset::Generic).await;
    side.provider.state().names_issuer = false;
    let mut back = side.away().await.unwrap();
    assert_eq!(back.iss, None);
    back.iss = Some("https://evil.example".to_owned());
    assert_eq!(side.back(&back).await.unwrap_err().code, "answer_issuer");
    side.sign_in().await.unwrap();
}

#[tokio::test]
async fn endpoints_without_tls_are_refused() {
    for field in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        for given in ["http://login.example/x", "ftp://login.example/x", "javascript:alert(1)", "//x", "x"] {
            let side = Side::new(Preset::Generic).await;
            side.provider.edit(Document::Discovery, move |it| it[field] = given.into());
            assert_eq!(side.refusal().await, "discovery_field", "{field} {given}");
        }
    }
}
