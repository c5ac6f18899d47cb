//! What a token endpoint refuses, and what a look without a person finds.

use portcullis_sso::oidc::{Preset, Secret};
use portcullis_sso::{Act, Finding};
use serde_json::json;

use super::Side;
use super::provider::{Document, Mood};

#[tokio::test]
async fn rfc6749_5_2_each_error_says_who_must_act() {
    for (error, status, code, act, passes) in [
        ("invalid_client", "401 X", "token_invalid_client", Act::Administrator, false),
        ("invalid_grant", "400 X", "token_invalid_grant", Act::Person, false),
        ("unauthorized_client", "400 X", "token_unauthorized_client", Act::Provider, false),
        ("invalid_scope", "400 X", "token_invalid_scope", Act::Administrator, false),
        ("temporarily_unavailable", "503 X", "token_unavailable", Act::Provider, true),
        ("server_error", "500 X", "token_unavailable", Act::Provider, true),
        ("access-of-ada secret text", "400 X", "token_refused", Act::Administrator, false),
        ("incorrect_client_credentials", "200 OK", "token_invalid_client", Act::Administrator, false),
    ] {
        let side = Side::new(Preset::Generic).await;
        let head = format!("{status}\r\ncontent-type: application/json");
        let body = json!({"error": error, "error_description": "ada@acme.example s3cret"}).to_string();
        side.provider.state().moods.insert("/token".to_owned(), Mood::Raw(head, body));
        let fault = side.sign_in().await.unwrap_err();
        assert_eq!((fault.code, fault.act, fault.transient), (code, act, passes), "{error}");
        assert_eq!(side.refusal().await, code, "and it keeps what it was told");
    }
}

#[tokio::test]
async fn an_expired_secret_is_told_as_such() {
    let side = Side::new(Preset::Generic).await;
    side.provider.state().secret = Some("a newer one".to_owned());
    let fault = side.sign_in().await.unwrap_err();
    assert_eq!((fault.code, fault.act), ("token_invalid_client", Act::Administrator));
    assert!(fault.fix.contains("client_secret_file"), "{}", fault.fix);
}

fn faults(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().filter_map(|finding| finding.fault.as_ref()).map(|fault| fault.code).collect()
}

#[tokio::test]
async fn a_look_at_a_good_provider_finds_nothing_wrong() {
    let side = Side::new(Preset::Generic).await;
    let findings = side.party.check(side.now()).await;
    assert_eq!(faults(&findings), [""; 0], "{findings:#?}");
    assert_eq!(findings.len(), 8);
    side.provider.edit(Document::Discovery, |it| it["issuer"] = "https://evil.example".into());
    let findings = side.party.check(side.now()).await;
    assert_eq!(faults(&findings), ["discovery_issuer"], "what was remembered does not count");
}

#[tokio::test]
async fn a_look_names_each_fault() {
    let side = Side::with(Preset::Generic, |settings| {
        settings.client_secret = Some(Secret::new("old"));
        settings.scopes = vec!["openid".to_owned(), "groups2".to_owned()];
    })
    .await;
    side.provider.edit(Document::Keys, |it| it["keys"] = json!([]));
    let findings = side.party.check(side.now()).await;
    assert_eq!(
        faults(&findings),
        ["scopes_unsupported", "keys_none", "token_invalid_client"],
        "{findings:#?}"
    );
    side.provider.edit(Document::Discovery, |it| it["code_challenge_methods_supported"] = json!(["plain"]));
    assert_eq!(faults(&side.party.check(side.now()).await), ["discovery_unsupported"]);
}

#[tokio::test]
async fn a_look_at_github_asks_whether_it_knows_us() {
    let side = Side::new(Preset::GitHub).await;
    assert_eq!(faults(&side.party.check(side.now()).await), [""; 0]);
    side.provider.state().secret = Some("a newer one".to_owned());
    assert_eq!(faults(&side.party.check(side.now()).await), ["token_invalid_client"]);
}
