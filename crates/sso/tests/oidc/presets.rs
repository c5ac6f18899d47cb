//! The providers we know by name, by the shapes their documents and tokens have.

use std::collections::BTreeSet;

use portcullis_fetch::{Fetcher, Settings as FetchSettings};
use portcullis_sso::oidc::{Preset, RelyingParty, Settings, entra_issuer};
use portcullis_sso::{Act, EmailTrust, Mapping};
use serde_json::{Value, json};

use super::Side;
use super::provider::{Document, Provider};

fn person(side: &Side, claims: Value) {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    side.provider.state().claims = claims;
}

fn naming(mut mapping: Mapping, names: &[(&str, &str)]) -> Mapping {
    mapping.group_names = names.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    mapping
}

fn ours(names: &[&str]) -> Option<BTreeSet<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn words_and_issuers_of_presets() {
    for preset in Preset::ALL {
        assert_eq!(Preset::parse(preset.as_str()), Some(preset));
    }
    assert_eq!(Preset::parse("saml"), None);
    let fetcher = || Fetcher::new(FetchSettings::default()).unwrap();
    for (preset, given, expected) in [
        (Preset::Google, "", Some("https://accounts.google.com")),
        (Preset::GitHub, "", Some("https://github.com")),
        (Preset::Auth0, "https://acme.eu.auth0.com", Some("https://acme.eu.auth0.com/")),
        (Preset::Auth0, "https://acme.eu.auth0.com/", Some("https://acme.eu.auth0.com/")),
        (Preset::Okta, "https://acme.okta.com/oauth2/default", Some("https://acme.okta.com/oauth2/default")),
        (Preset::Generic, "", None),
        (Preset::Generic, "acme.okta.com", None),
        (Preset::Generic, "http://acme.okta.com", None),
        (Preset::Generic, "https://acme.okta.com?x=1", None),
        (Preset::Generic, "https://acme.okta.com#x", None),
        (Preset::Generic, "https://user@acme.okta.com", None),
        (Preset::Generic, "ftp://acme.okta.com", None),
    ] {
        let made = RelyingParty::new(Settings::new(preset, given, "id"), fetcher());
        assert_eq!(
            made.ok().map(|party| party.issuer().to_owned()).as_deref(),
            expected,
            "{preset:?} {given}"
        );
    }
    assert!(RelyingParty::new(Settings::new(Preset::Google, "", ""), fetcher()).is_err(), "no client id");
}

#[test]
fn entra_wants_one_tenant_by_its_id() {
    let id = "8EAEF023-2b34-4da1-9baa-8bc8c9d6a490";
    assert_eq!(
        entra_issuer(id).unwrap(),
        "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0"
    );
    for tenant in [
        "common",
        "organizations",
        "consumers",
        "9188040D-6c67-4c5b-b112-36a304b66dad",
        "acme.onmicrosoft.com",
        "",
        "x/../y",
        "8eaef023",
    ] {
        let fault = entra_issuer(tenant).unwrap_err();
        assert_eq!((fault.code, fault.act), ("entra_tenant", Act::Administrator), "{tenant}");
    }
}

#[tokio::test]
async fn google_signs_in_its_organisation_alone() {
    let side = Side::with(Preset::Google, |it| it.hosted_domains = vec!["acme.example".to_owned()]).await;
    side.provider.edit(Document::Discovery, |it| {
        let document = it.as_object_mut().unwrap();
        document.remove("authorization_response_iss_parameter_supported");
    });
    let shape = |hd: Value| {
        json!({"sub": "110169484474386276334", "azp": "portcullis", "hd": hd, "email": "ada@acme.example",
               "email_verified": true, "name": "Ada Lovelace", "picture": "https://lh3.example/a", "given_name": "Ada"})
    };
    person(&side, shape(json!("acme.example")));
    let mapped = Preset::Google.mapping().apply(&side.sign_in().await.unwrap());
    assert!(mapped.email.unwrap().verified);
    assert_eq!(mapped.groups, None, "Google sends no groups");
    assert_eq!(side.provider.count("/userinfo"), 0);
    for other in [json!("evil.example"), json!(null), json!(["acme.example"]), json!("ACME.example.evil")] {
        person(&side, shape(other.clone()));
        assert_eq!(side.refusal().await, "hosted_domain", "{other}");
    }
    person(&side, json!({"sub": "1", "email": "ada@acme.example", "email_verified": true}));
    assert_eq!(side.refusal().await, "hosted_domain", "a private account has no organisation");
}

#[tokio::test]
async fn entra_vouches_for_no_address_and_its_overage_is_told() {
    let side = Side::new(Preset::Entra).await;
    let shape = json!({
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": "00000000-0000-0000-66f3-3332eca7ea81",
        "tid": "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "ver": "2.0", "preferred_username": "ada@acme.example",
        "name": "Ada Lovelace", "email": "ceo@acme.example", "roles": ["Mcp.Admin"],
        "groups": ["0760b6cf-170e-4a14-91b3-4b78e0739963"],
    });
    person(&side, shape.clone());
    let identity = side.sign_in().await.unwrap();
    let names = [("Mcp.Admin", "ops"), ("0760b6cf-170e-4a14-91b3-4b78e0739963", "staff")];
    let mapped = naming(Preset::Entra.mapping(), &names).apply(&identity);
    assert!(!mapped.email.unwrap().verified, "anybody may type in any address there");
    assert_eq!(mapped.groups, ours(&["ops", "staff"]));
    let vouched = Mapping { email_trust: EmailTrust::Administrator, ..Preset::Entra.mapping() };
    assert!(vouched.apply(&identity).email.unwrap().verified);
    for (name, value) in [("_claim_names", json!({"groups": "src1"})), ("hasgroups", json!(true))] {
        let mut over = shape.clone();
        over.as_object_mut().unwrap().remove("groups");
        over[name] = value;
        person(&side, over);
        let fault = side.sign_in().await.unwrap_err();
        assert_eq!(fault.code, "groups_overage", "{name}");
        assert!(fault.fix.contains("app roles"), "{}", fault.fix);
    }
}

#[tokio::test]
async fn okta_sends_a_thin_token_and_the_rest_by_userinfo() {
    let side = Side::new(Preset::Okta).await;
    person(
        &side,
        json!({"sub": "00uid4BxXw6I6TV4m0g3", "ver": 1, "amr": ["pwd"], "idp": "00o1", "jti": "ID.x",
               "preferred_username": "ada@acme.example", "name": "Ada Lovelace", "email": "ada@acme.example"}),
    );
    side.provider.state().userinfo =
        json!({"email": "ada@acme.example", "email_verified": true, "groups": ["Everyone", "mcp-admins"],
               "zoneinfo": "Europe/London"})
        .as_object()
        .unwrap()
        .clone();
    let url = side.party.begin(&side.begin, side.now()).await.unwrap();
    assert!(url.contains("scope=openid+profile+email+groups"), "{url}");
    let mapped =
        naming(Preset::Okta.mapping(), &[("mcp-admins", "ops")]).apply(&side.sign_in().await.unwrap());
    assert!(mapped.email.unwrap().verified);
    assert_eq!(mapped.groups, ours(&["ops"]));
}

#[tokio::test]
async fn auth0_issuers_end_in_a_slash_and_claims_are_named_by_urls() {
    let provider = Provider::start().await;
    let issuer = format!("{}/", provider.issuer());
    let told = issuer.clone();
    provider.edit(Document::Discovery, move |it| it["issuer"] = told.clone().into());
    let claimed = issuer.clone();
    provider.edit(Document::IdToken, move |it| it["iss"] = claimed.clone().into());
    provider.state().names_issuer = false;
    provider.claim("sub", json!("auth0|507f1f77bcf86cd799439020"));
    provider.claim("https://acme.example/roles", json!(["admin"]));
    let side = Side::at(provider, Preset::Auth0, |_| {});
    assert_eq!(side.party.issuer(), issuer);
    let identity = side.sign_in().await.unwrap();
    assert_eq!(identity.subject, "auth0|507f1f77bcf86cd799439020");
    let mut mapping = naming(Preset::Auth0.mapping(), &[("admin", "ops")]);
    mapping.groups = vec![portcullis_sso::ClaimPath::new("https://acme.example/roles")];
    assert_eq!(mapping.apply(&identity).groups, ours(&["ops"]));
}

#[tokio::test]
async fn keycloak_keeps_its_roles_inside_objects() {
    let side = Side::new(Preset::Keycloak).await;
    person(
        &side,
        json!({"sub": "f:8b0a:ada", "typ": "ID", "azp": "portcullis", "sid": "1", "acr": "1", "email_verified": false,
               "email": "ada@acme.example", "name": "Ada Lovelace", "preferred_username": "ada",
               "realm_access": {"roles": ["offline_access", "mcp-admin"]}, "groups": ["/staff"]}),
    );
    let mapped = naming(Preset::Keycloak.mapping(), &[("mcp-admin", "ops"), ("/staff", "staff")])
        .apply(&side.sign_in().await.unwrap());
    assert!(!mapped.email.unwrap().verified);
    assert_eq!(mapped.groups, ours(&["ops", "staff"]));
}

#[tokio::test]
async fn github_is_asked_at_its_api_and_its_number_is_the_subject() {
    let side = Side::with(Preset::GitHub, |it| {
        it.scopes = ["read:user", "user:email", "read:org"].map(str::to_owned).to_vec();
    })
    .await;
    let url = side.party.begin(&side.begin, side.now()).await.unwrap();
    assert!(url.contains("/login/oauth/authorize?") && url.contains("code_challenge="), "{url}");
    assert!(!url.contains("nonce="), "{url}");
    let identity = side.sign_in().await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.authenticated_at), ("583231", None));
    let mapped = naming(Preset::GitHub.mapping(), &[("acme", "staff")]).apply(&identity);
    assert_eq!(mapped.name.as_deref(), Some("Ada Lovelace"));
    let email = mapped.email.unwrap();
    assert_eq!((email.address.as_str(), email.verified), ("ada@acme.example", true));
    assert_eq!(mapped.groups, ours(&["staff"]));
    let asked = side.provider.last("/api/v3/user").unwrap();
    assert!(
        asked.head.to_lowercase().contains("user-agent: portcullis"),
        "GitHub wants a name: {}",
        asked.head
    );

    side.provider.edit(Document::User, |it| it["name"] = Value::Null);
    side.provider.edit(Document::Emails, |it| it[1]["verified"] = json!(false));
    let mapped = Preset::GitHub.mapping().apply(&side.sign_in().await.unwrap());
    assert_eq!(mapped.name.as_deref(), Some("ada"), "who gives no name is called by the account");
    assert!(!mapped.email.unwrap().verified);
    side.provider.edit(Document::Emails, |it| it[0]["primary"] = json!(true));
    assert_eq!(side.refusal().await, "github_field", "two primary addresses");
}

#[tokio::test]
async fn github_without_organisations_or_addresses_asks_for_neither() {
    let side = Side::with(Preset::GitHub, |it| it.scopes = vec!["read:user".to_owned()]).await;
    let identity = side.sign_in().await.unwrap();
    assert!(!identity.claims.contains_key("orgs") && !identity.claims.contains_key("email"));
    assert_eq!(
        (side.provider.count("/api/v3/user/orgs"), side.provider.count("/api/v3/user/emails")),
        (0, 0)
    );
}

#[tokio::test]
async fn google_and_github_prove_no_fresh_sign_in() {
    for preset in [Preset::Google, Preset::GitHub] {
        let mut side = Side::new(preset).await;
        side.begin.again = true;
        assert_eq!(side.refusal().await, "again_unsupported", "{preset:?}");
    }
    let mut side = Side::new(Preset::GitHub).await;
    side.kept.again_since = Some(side.now());
    assert_eq!(side.refusal().await, "again_unsupported");
}
