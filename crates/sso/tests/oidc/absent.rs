//! T-absent: each field of each document a provider sends, dropped, nulled, retyped.

use portcullis_sso::oidc::{Preset, Settings};
use serde_json::{Value, json};

use super::Side;
use super::provider::Document;

/// What is left of a field.
type Deed = fn(&Value) -> Option<Value>;

/// What is done to a field.
const DEEDS: [(&str, Deed); 4] = [
    ("dropped", |_| None),
    ("nulled", |_| Some(Value::Null)),
    ("retyped", |was| Some(if was.is_string() { json!(7) } else { json!("7") })),
    ("wrapped", |was| Some(json!({ "x": was }))),
];

fn apply(it: &mut Value, name: &str, deed: Deed) {
    let members = match it {
        Value::Array(entries) => entries.last_mut().unwrap().as_object_mut().unwrap(),
        other => other.as_object_mut().unwrap(),
    };
    let was = members.remove(name).unwrap_or(Value::Null);
    if let Some(new) = deed(&was) {
        members.insert(name.to_owned(), new);
    }
}

/// Fields, and whether one may be absent. Its null and its wrong type are refused all the same.
async fn matrix(
    preset: Preset,
    settings: fn(&mut Settings),
    document: Document,
    fields: &[(&'static str, bool)],
) {
    for &(field, may_be_absent) in fields {
        for (deed, change) in DEEDS {
            let side = Side::with(preset, settings).await;
            side.provider.edit(document, move |it| apply(it, field, change));
            let found = side.refusal().await;
            if deed == "dropped" && may_be_absent {
                assert_eq!(found, "signed in", "{document:?}.{field} {deed}");
            } else {
                assert_ne!(found, "signed in", "{document:?}.{field} {deed}");
            }
        }
    }
}

#[tokio::test]
async fn t_absent_each_field_of_the_discovery_document() {
    let fields = [
        ("issuer", false),
        ("authorization_endpoint", false),
        ("token_endpoint", false),
        ("jwks_uri", false),
        ("response_types_supported", false),
        ("id_token_signing_alg_values_supported", false),
        ("userinfo_endpoint", true),
        ("grant_types_supported", true),
        ("scopes_supported", true),
        ("token_endpoint_auth_methods_supported", true),
        ("code_challenge_methods_supported", true),
        ("authorization_response_iss_parameter_supported", true),
    ];
    matrix(Preset::Generic, |_| {}, Document::Discovery, &fields).await;
}

#[tokio::test]
async fn t_absent_each_field_of_the_token_answer() {
    let fields = [("access_token", false), ("token_type", false), ("id_token", false)];
    matrix(Preset::Generic, |_| {}, Document::Token, &fields).await;
}

#[tokio::test]
async fn t_absent_each_claim_of_the_id_token() {
    let fields = [
        ("iss", false),
        ("sub", false),
        ("exp", false),
        ("iat", false),
        ("nonce", false),
        ("at_hash", true),
        ("auth_time", true),
    ];
    matrix(Preset::Generic, |_| {}, Document::IdToken, &fields).await;
    for (name, given) in [
        ("null", Some(json!(null))),
        ("a number", Some(json!(7))),
        ("empty", Some(json!(""))),
        ("an empty list", Some(json!([]))),
        ("a list of others", Some(json!([7]))),
        ("dropped", None),
    ] {
        let side = Side::new(Preset::Generic).await;
        side.provider.edit(Document::IdToken, move |it| {
            let claims = it.as_object_mut().unwrap();
            claims.remove("aud");
            given.clone().map(|given| claims.insert("aud".to_owned(), given));
        });
        assert_eq!(side.refusal().await, "id_token_claim", "{name}");
    }
}

#[tokio::test]
async fn t_absent_the_subject_of_userinfo() {
    matrix(Preset::Generic, |_| {}, Document::Userinfo, &[("sub", false)]).await;
}

#[tokio::test]
async fn t_absent_each_member_of_the_key_set() {
    matrix(Preset::Generic, |_| {}, Document::Keys, &[("keys", false)]).await;
    for field in ["kty", "crv", "x", "y", "kid", "alg", "use"] {
        let side = Side::new(Preset::Generic).await;
        side.provider.edit(Document::Keys, move |it| {
            it["keys"][0][field] = json!(7);
        });
        assert_ne!(side.refusal().await, "signed in", "{field}");
    }
}

fn with_orgs(settings: &mut Settings) {
    settings.scopes = ["read:user", "user:email", "read:org"].map(str::to_owned).to_vec();
}

#[tokio::test]
async fn t_absent_each_field_github_sends() {
    matrix(Preset::GitHub, with_orgs, Document::User, &[("id", false), ("login", false)]).await;
    matrix(
        Preset::GitHub,
        with_orgs,
        Document::Emails,
        &[("email", false), ("primary", false), ("verified", false)],
    )
    .await;
    matrix(Preset::GitHub, with_orgs, Document::Orgs, &[("login", false)]).await;
    matrix(Preset::GitHub, with_orgs, Document::Token, &[("access_token", false), ("token_type", false)])
        .await;
}

#[tokio::test]
async fn t_absent_documents_of_another_shape() {
    for document in [Document::Discovery, Document::Keys, Document::Token, Document::Userinfo] {
        for shape in [json!(null), json!([]), json!("x"), json!(1), json!({})] {
            let side = Side::new(Preset::Generic).await;
            let given = shape.clone();
            side.provider.edit(document, move |it| *it = given.clone());
            assert_ne!(side.refusal().await, "signed in", "{document:?} {shape}");
        }
    }
    for document in [Document::User, Document::Emails, Document::Orgs] {
        for shape in [json!(null), json!([7]), json!("x"), json!(1), json!({})] {
            let side = Side::with(Preset::GitHub, with_orgs).await;
            let given = shape.clone();
            side.provider.edit(document, move |it| *it = given.clone());
            assert_ne!(side.refusal().await, "signed in", "{document:?} {shape}");
        }
    }
}
