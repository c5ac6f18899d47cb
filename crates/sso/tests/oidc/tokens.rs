//! ID tokens that are not ours to take.

use std::sync::Arc;

use portcullis_jose::key::{Alg, SigningKey};
use portcullis_sso::oidc::Preset;
use portcullis_wire::base64url;
use serde_json::{Value, json};

use super::Side;
use super::provider::{Document, Signature};

fn part(value: &Value) -> String {
    base64url::encode(value.to_string().as_bytes())
}

async fn forged(forge: impl Fn(&Value) -> String + Send + Sync + 'static) -> &'static str {
    let side = Side::new(Preset::Generic).await;
    side.provider.state().signature = Signature::Forged(Arc::new(forge));
    side.refusal().await
}

#[tokio::test]
async fn oidc_core_3_1_3_7_each_claim_must_fit() {
    let side = Side::new(Preset::Generic).await;
    let now = side.now().seconds();
    let own = side.provider.issuer().to_owned();
    for (name, claim, given, expected) in [
        ("2: another issuer", "iss", json!("https://other.example"), "id_token_issuer"),
        ("2: the issuer with a slash", "iss", json!(format!("{own}/")), "id_token_issuer"),
        ("3: another application's", "aud", json!("other"), "id_token_audience"),
        ("3: our id as a part", "aud", json!("portcullis-2"), "id_token_audience"),
        ("4: several, no azp", "aud", json!(["portcullis", "other"]), "id_token_audience"),
        ("5: azp of another", "azp", json!("other"), "id_token_audience"),
        ("5: azp of no type", "azp", json!(7), "id_token_claim"),
        ("9: expired", "exp", json!(now - 61), "id_token_expired"),
        ("9: expired long ago", "exp", json!(0), "id_token_expired"),
        ("9: a fraction", "exp", json!(1.5), "id_token_claim"),
        ("10: issued tomorrow", "iat", json!(now + 86_400), "id_token_early"),
        ("not before tomorrow", "nbf", json!(now + 86_400), "id_token_early"),
        ("11: another nonce", "nonce", json!("nonce-2"), "id_token_nonce"),
        ("11: a nonce that begins the same", "nonce", json!("nonce-1x"), "id_token_nonce"),
        ("at_hash of another token", "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), "id_token_at_hash"),
        ("no subject", "sub", json!(""), "id_token_claim"),
        ("a long subject", "sub", json!("x".repeat(256)), "id_token_claim"),
        ("a subject with a control", "sub", json!("a\u{0}b"), "id_token_claim"),
        ("a subject beyond ASCII", "sub", json!("\u{430}da"), "id_token_claim"),
        ("one in a list", "aud", json!(["portcullis"]), "signed in"),
        ("azp is us", "azp", json!("portcullis"), "signed in"),
        ("within the leeway", "exp", json!(now - 59), "signed in"),
    ] {
        let given = given.clone();
        side.provider.edit(Document::IdToken, move |it| it[claim] = given.clone());
        assert_eq!(side.refusal().await, expected, "{name}");
    }
    side.provider.edit(Document::IdToken, |it| {
        it["aud"] = json!(["other", "portcullis"]);
        it["azp"] = json!("portcullis");
    });
    assert_eq!(side.refusal().await, "signed in", "several, and azp is us");
}

#[tokio::test]
async fn t_alg_none_is_refused_by_its_name_however_it_is_spelt() {
    for alg in ["none", "None", "NONE", "nOnE"] {
        for signature in ["", "AAAA"] {
            let found =
                forged(move |claims| format!("{}.{}.{signature}", part(&json!({"alg": alg})), part(claims)))
                    .await;
            assert_eq!(found, "id_token_alg_none", "{alg} {signature:?}");
        }
    }
}

#[tokio::test]
async fn t_alg_a_shared_secret_or_a_public_key_signs_nothing() {
    for alg in ["HS256", "HS384", "hs512"] {
        // Whatever it was made with, the client secret or our copy of the public key: it is not looked at.
        let found = forged(move |claims| {
            format!("{}.{}.{}", part(&json!({"alg": alg, "typ": "JWT"})), part(claims), "A".repeat(43))
        })
        .await;
        assert_eq!(found, "id_token_alg_symmetric", "{alg}");
    }
}

#[tokio::test]
async fn t_alg_only_what_the_provider_lists_and_the_key_is_for() {
    let side = Side::new(Preset::Generic).await;
    side.provider.edit(Document::Discovery, |it| {
        it["id_token_signing_alg_values_supported"] = json!(["RS256", "none", "HS256"]);
    });
    assert_eq!(side.refusal().await, "id_token_alg", "the key is there, but the provider lists RS256 alone");
    let side = Side::new(Preset::Generic).await;
    side.provider.edit(Document::Discovery, |it| {
        it["id_token_signing_alg_values_supported"] = json!(["none", "HS256"]);
    });
    assert_eq!(side.refusal().await, "discovery_unsupported");
}

#[tokio::test]
async fn each_algorithm_signs_somebody_in() {
    for alg in Alg::ALL {
        let side = Side::new(Preset::Generic).await;
        side.provider.state().keys = vec![SigningKey::generate(alg).unwrap()];
        side.provider.edit(Document::Discovery, |it| {
            it["id_token_signing_alg_values_supported"] = json!(["RS256", "PS256", "ES256", "EdDSA"]);
        });
        if alg == Alg::EdDsa {
            // Its hash is SHA-512.
            side.provider.edit(Document::IdToken, |it| {
                it["at_hash"] = {
                    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, b"access-of-ada");
                    base64url::encode(&hash.as_ref()[..32]).into()
                };
            });
        }
        assert_eq!(side.refusal().await, "signed in", "{alg}");
    }
}

#[tokio::test]
async fn t_token_types_other_tokens_are_no_id_tokens() {
    let stranger = Arc::new(SigningKey::generate(Alg::Es256).unwrap());
    let side = Side::new(Preset::Generic).await;
    let own = Arc::new(SigningKey::generate(Alg::Es256).unwrap());
    let copy = SigningKey::from_pkcs8(Alg::Es256, &own.to_pkcs8().unwrap()).unwrap();
    side.provider.state().keys = vec![copy];
    for (typ, expected) in [
        ("JWT", "signed in"),
        ("at+jwt", "id_token_type"),
        ("logout+jwt", "id_token_type"),
        ("dpop+jwt", "id_token_type"),
        ("secevent+jwt", "id_token_type"),
    ] {
        let own = Arc::clone(&own);
        side.provider.state().signature =
            Signature::Forged(Arc::new(move |claims| own.sign(typ, claims).unwrap()));
        assert_eq!(side.refusal().await, expected, "{typ}");
    }
    side.provider.state().signature =
        Signature::Forged(Arc::new(move |claims| stranger.sign("JWT", claims).unwrap()));
    assert_eq!(side.refusal().await, "id_token_key", "a key the provider does not publish");
}

#[tokio::test]
async fn t_trunc_no_changed_id_token_is_taken() {
    let side = Side::new(Preset::Generic).await;
    let own = SigningKey::generate(Alg::Es256).unwrap();
    let copy = SigningKey::from_pkcs8(Alg::Es256, &own.to_pkcs8().unwrap()).unwrap();
    side.provider.state().keys = vec![copy];
    let own = Arc::new(own);
    type Change = fn(String) -> String;
    let changes: [(&str, Change); 7] = [
        ("cut", |token| token[..token.len() - 2].to_owned()),
        ("longer", |token| format!("{token}AA")),
        ("four parts", |token| format!("{token}.AA")),
        ("five parts, as an encrypted one", |token| format!("{token}.AA.AA")),
        ("no signature", |token| format!("{}.", token.rsplit_once('.').unwrap().0)),
        ("another payload", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}.{}", parts[0], part(&json!({"sub": "root"})), parts[2])
        }),
        ("beyond the length", |token| format!("{token}{}", "A".repeat(40_000))),
    ];
    for (name, change) in changes {
        let own = Arc::clone(&own);
        side.provider.state().signature =
            Signature::Forged(Arc::new(move |claims| change(own.sign("JWT", claims).unwrap())));
        assert_ne!(side.refusal().await, "signed in", "{name}");
    }
}

#[tokio::test]
async fn t_kid_collision_two_issuers_with_one_key_name_share_nothing() {
    let (one, two) = (Side::new(Preset::Generic).await, Side::new(Preset::Generic).await);
    for side in [&one, &two] {
        side.provider.edit(Document::Keys, |it| it["keys"][0]["kid"] = "same".into());
    }
    let key_of_two = {
        let state = two.provider.state();
        SigningKey::from_pkcs8(Alg::Es256, &state.keys[0].to_pkcs8().unwrap()).unwrap()
    };
    // Provider one sends a token that provider two's key signed, under the name both keys have.
    one.provider.state().signature = Signature::Forged(Arc::new(move |claims| {
        let token = key_of_two.sign("JWT", claims).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        format!("{}.{}.{}", part(&json!({"alg": "ES256", "kid": "same", "typ": "JWT"})), parts[1], parts[2])
    }));
    assert_eq!(one.refusal().await, "id_token_signature");
}

#[tokio::test]
async fn a_token_with_many_groups_is_read_and_one_without_end_is_not() {
    for (groups, expected) in [(0, "signed in"), (250, "signed in"), (2000, "id_token_too_long")] {
        let side = Side::new(Preset::Generic).await;
        let own = SigningKey::generate(Alg::EdDsa).unwrap();
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&own.to_pkcs8().unwrap()).unwrap();
        let header = json!({"alg": "EdDSA", "kid": own.kid()});
        side.provider.state().keys = vec![own];
        side.provider.edit(Document::IdToken, |it| drop(it.as_object_mut().unwrap().remove("at_hash")));
        let names: Vec<_> =
            (0..groups).map(|number| format!("00000000-0000-4000-8000-{number:012}")).collect();
        side.provider.claim("groups", json!(names));
        side.provider.state().signature = Signature::Forged(Arc::new(move |claims| {
            let signed = format!("{}.{}", part(&header), part(claims));
            let signature = pair.sign(signed.as_bytes());
            format!("{signed}.{}", base64url::encode(signature.as_ref()))
        }));
        assert_eq!(side.refusal().await, expected, "{groups}");
    }
}
