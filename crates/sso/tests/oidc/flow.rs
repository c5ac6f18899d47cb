//! The way out and back, as it should be.

use std::collections::HashMap;

use portcullis_sso::oidc::{Preset, Settings};
use portcullis_wire::time::UnixTime;
use serde_json::json;
use url::Url;

use super::provider::Document;
use super::{REDIRECT, Side};

fn query(url: &str) -> HashMap<String, String> {
    let pairs: Vec<_> = Url::parse(url).unwrap().query_pairs().into_owned().collect();
    let map: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(pairs.len(), map.len(), "no parameter twice");
    map
}

#[tokio::test]
async fn oidc_core_3_1_2_1_the_request_is_a_code_flow_with_pkce_and_nonce() {
    let mut side = Side::new(Preset::Generic).await;
    let url = side.party.begin(&side.begin, side.now()).await.unwrap();
    assert!(url.starts_with(&format!("{}/authorize?", side.provider.issuer())), "{url}");
    let sent = query(&url);
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "portcullis"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid profile email"),
        ("state", "state-1"),
        ("nonce", "nonce-1"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(expected), "{name}");
    }
    assert_eq!(sent.len(), 8, "and the challenge; nothing else, above all no `resource`");
    side.begin.login_hint = Some("ada+x@acme.example".to_owned());
    side.begin.again = true;
    let sent = query(&side.party.begin(&side.begin, side.now()).await.unwrap());
    assert_eq!(sent["login_hint"], "ada+x@acme.example");
    assert_eq!((sent["prompt"].as_str(), sent["max_age"].as_str()), ("login", "0"));
}

#[tokio::test]
async fn an_endpoint_with_a_query_of_its_own_keeps_it() {
    let side = Side::new(Preset::Generic).await;
    let own = format!("{}/authorize?p=b2c", side.provider.issuer());
    side.provider.edit(Document::Discovery, move |it| it["authorization_endpoint"] = own.clone().into());
    let sent = query(&side.party.begin(&side.begin, side.now()).await.unwrap());
    assert_eq!((sent["p"].as_str(), sent["response_type"].as_str()), ("b2c", "code"));
    let side = Side::new(Preset::Generic).await;
    let doubled = format!("{}/authorize?state=theirs", side.provider.issuer());
    side.provider.edit(Document::Discovery, move |it| it["authorization_endpoint"] = doubled.clone().into());
    assert_eq!(side.refusal().await, "discovery_field", "a parameter of ours would be there twice");
}

#[tokio::test]
async fn a_person_signs_in_and_only_the_identity_comes_out() {
    let side = Side::new(Preset::Generic).await;
    let identity = side.sign_in().await.unwrap();
    assert_eq!(identity.issuer, side.provider.issuer());
    assert_eq!(identity.subject, "00u1ada");
    assert_eq!(identity.authenticated_at, Some(UnixTime::from_seconds(side.now().seconds() - 1)));
    assert_eq!(identity.claims["email"], "ada@acme.example");
    let told = format!("{identity:?} {:?} {:?}", identity.claims, side.party);
    for token in ["access-of-ada", "refresh-of-ada", "s3cret", "eyJ"] {
        assert!(!told.contains(token), "{told}");
    }
    let asked = side.provider.last("/token").unwrap();
    assert!(asked.head.to_lowercase().contains("authorization: basic "), "{}", asked.head);
    assert!(!asked.body.contains("s3cret") && !asked.body.contains("resource"), "{}", asked.body);
}

#[tokio::test]
async fn oidc_core_9_the_client_authenticates_as_the_provider_supports() {
    type Methods = Option<Vec<&'static str>>;
    let cases: [(&str, Methods, bool, &str); 6] = [
        ("nothing said", None, true, "basic"),
        ("both", Some(vec!["client_secret_post", "client_secret_basic"]), true, "basic"),
        ("post alone", Some(vec!["client_secret_post"]), true, "post"),
        ("no secret", Some(vec!["none"]), false, "none"),
        ("no secret, nothing said", None, false, "none"),
        ("neither", Some(vec!["private_key_jwt"]), true, "refused"),
    ];
    for (name, methods, has_secret, expected) in cases {
        let side = Side::with(Preset::Generic, |settings: &mut Settings| {
            if !has_secret {
                settings.client_secret = None;
            }
        })
        .await;
        if !has_secret {
            side.provider.state().secret = None;
        }
        side.provider.edit(Document::Discovery, move |it| match &methods {
            None => drop(it.as_object_mut().unwrap().remove("token_endpoint_auth_methods_supported")),
            Some(methods) => it["token_endpoint_auth_methods_supported"] = json!(methods),
        });
        if expected == "refused" {
            assert_eq!(side.refusal().await, "discovery_unsupported", "{name}");
            continue;
        }
        side.sign_in().await.unwrap();
        let asked = side.provider.last("/token").unwrap();
        let found = match (asked.head.contains("uthorization: Basic"), asked.body.contains("client_secret="))
        {
            (true, false) => "basic",
            (false, true) => "post",
            (false, false) if asked.body.contains("client_id=portcullis") => "none",
            _ => "two ways at once",
        };
        assert_eq!(found, expected, "{name}: {} {}", asked.head, asked.body);
    }
}

#[tokio::test]
async fn oidc_core_5_3_userinfo_adds_what_the_id_token_does_not_say() {
    let side = Side::new(Preset::Generic).await;
    side.provider.state().userinfo =
        json!({"groups": ["evil"], "department": "x", "iss": "evil", "acr": "high"})
            .as_object()
            .unwrap()
            .clone();
    let identity = side.sign_in().await.unwrap();
    assert_eq!(identity.claims["groups"], json!(["engineers"]), "the signed word counts");
    assert_eq!(identity.claims["department"], "x");
    assert!(!identity.claims.contains_key("acr"), "only a signed token says how somebody proved themselves");
    side.provider.edit(Document::Userinfo, |it| it["sub"] = "00u2eve".into());
    assert_eq!(side.refusal().await, "userinfo_subject");
}

#[tokio::test]
async fn a_code_is_good_once_and_with_its_own_verifier_alone() {
    let mut side = Side::new(Preset::Generic).await;
    let back = side.away().await.unwrap();
    side.back(&back).await.unwrap();
    let again = side.back(&back).await.unwrap_err();
    assert_eq!((again.code, again.act), ("token_invalid_grant", portcullis_sso::Act::Person));
    side.kept.verifier = "another-verifier-of-another-browser-0123456789".to_owned();
    assert_eq!(side.refusal().await, "token_invalid_grant");
}

#[tokio::test]
async fn a_fresh_sign_in_is_proven_by_auth_time() {
    let mut side = Side::new(Preset::Generic).await;
    let now = side.now().seconds();
    side.begin.again = true;
    side.kept.again_since = Some(side.now());
    for (name, given, expected) in [
        ("just now", json!(now), "signed in"),
        ("before it was asked", json!(now - 300), "id_token_not_again"),
        ("within a minute before", json!(now - 30), "id_token_not_again"),
        ("in the future", json!(now + 3600), "id_token_not_again"),
        ("a text", json!(now.to_string()), "id_token_claim"),
        ("null", json!(null), "id_token_claim"),
    ] {
        side.provider.edit(Document::IdToken, move |it| it["auth_time"] = given.clone());
        assert_eq!(side.refusal().await, expected, "{name}");
    }
    side.provider.edit(Document::IdToken, |it| drop(it.as_object_mut().unwrap().remove("auth_time")));
    assert_eq!(side.refusal().await, "id_token_auth_time");
    side.kept.again_since = None;
    assert_eq!(side.refusal().await, "signed in", "where none is asked for, none is needed");
}
