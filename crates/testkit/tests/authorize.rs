//! The authorization endpoint over HTTP (RFC 6749 §4.1, RFC 7636, RFC 8707, RFC 9207).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use portcullis_server::admin::Command;
use portcullis_testkit::{
    Ask, Browser, HonestClient, LOOPBACK, Tokens, WEB, World, authorization, claims, encode,
};

const STATE: Option<&str> = Some("state-of-the-client");
type Query = Vec<(String, String)>;

fn verifier() -> String {
    HonestClient::verifier()
}

/// The query with one parameter set anew, or left out where the value is empty.
fn with(query: &Query, name: &str, value: &str) -> Query {
    let mut out: Query = query.iter().filter(|(known, _)| known != name).cloned().collect();
    if !value.is_empty() {
        out.push((name.to_owned(), value.to_owned()));
    }
    out
}

async fn world() -> (World, Browser, HonestClient) {
    let world = World::start().await;
    let alice = world.signed_in("alice").await;
    let client = world.client().await;
    (world, alice, client)
}

#[tokio::test]
async fn a01_get_and_post_ask_the_same() {
    let (_world, mut alice, client) = world().await;
    let query = client.request(&verifier(), None);
    let got = alice.ask(&query).await;
    let posted = alice.send(Ask::post("/authorize").form(&query)).await;
    for answer in [got, posted] {
        assert!(answer.is(303).location().contains("/consent?request="));
    }
    alice.send(Ask::new("PUT", "/authorize")).await.is(405);
}

#[tokio::test]
async fn a02_unknown_is_ignored_repeated_is_refused_empty_is_absent() {
    let (world, mut alice, client) = world().await;
    let query = client.request(&verifier(), None);
    let mut extended = query.clone();
    for (name, value) in
        [("unknown", "1"), ("nonce", "n"), ("scope", ""), ("audience", "x"), ("login_hint", "alice")]
    {
        extended.push((name.to_owned(), value.to_owned()));
    }
    assert!(alice.ask(&extended).await.is(303).location().contains("/consent"));
    for name in ["state", "scope", "response_type", "code_challenge", "code_challenge_method", "unknown"] {
        let mut twice = extended.clone();
        twice.push((name.to_owned(), "again".to_owned()));
        twice.push((name.to_owned(), "again".to_owned()));
        let state = if name == "state" { None } else { STATE };
        alice.ask(&twice).await.returns_error(LOOPBACK, "invalid_request", state, world.issuer());
    }
    for name in ["client_id", "redirect_uri"] {
        let mut twice = query.clone();
        twice.push((name.to_owned(), query.iter().find(|(known, _)| known == name).unwrap().1.clone()));
        alice.ask(&twice).await.stops(400, "E-REDIRECT-UNKNOWN");
    }
    // No state at all is fine; a long one comes back byte for byte; one beyond the limit is refused.
    let page = alice.page(&with(&query, "state", "")).await;
    assert_eq!(alice.allow(&page).await.landed("state"), None);
    let long = "s/+ %&=".repeat(290);
    let page = alice.page(&with(&query, "state", &long)).await;
    assert_eq!(alice.allow(&page).await.landed("state").as_deref(), Some(long.as_str()));
    let beyond = alice.ask(&with(&query, "state", &"s".repeat(2049))).await;
    beyond.returns_error(LOOPBACK, "invalid_request", None, world.issuer());
    for broken in ["a=%zz", "a=%ff", &"x=1&".repeat(70)] {
        alice.get(&format!("/authorize?{broken}")).await.stops(400, "E-");
    }
}

#[tokio::test]
async fn a03_a05_a20_nothing_is_sent_where_nobody_proved_it_may_go() {
    let (world, mut alice, client) = world().await;
    let query = client.request(&verifier(), None);
    for id in ["", "nobody", "dcr_AAAAAAAAAAAAAAAAAAAAAA", "a b", "ftp://x.example/", &"x".repeat(600)] {
        alice.ask(&with(&query, "client_id", id)).await.stops(400, "E-CLIENT-UNKNOWN");
        alice
            .ask(&with(&with(&query, "client_id", id), "prompt", "none"))
            .await
            .stops(400, "E-CLIENT-UNKNOWN");
    }
    for uri in [
        "http://127.0.0.1:7777/cb/",
        "http://127.0.0.1:7777/cb?x",
        "http://127.0.0.1:7777/CB",
        "http://localhost:7777/cb",
        "https://127.0.0.1:7777/cb",
        "http://127.0.0.1:7777/cb#f",
        "http://127.0.0.1:7777@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "https://evil.example/cb",
        "//evil.example/cb",
        "javascript:alert(1)",
        "",
        &format!("http://127.0.0.1/{}", "x".repeat(2000)),
    ] {
        alice.ask(&with(&query, "redirect_uri", uri)).await.stops(400, "E-REDIRECT-UNKNOWN");
    }
    // Whoever registered a website may write a link to here: its errors stay with us too.
    let web = world.client_at("/mcp", WEB).await;
    let query = web.request(&verifier(), None);
    for (name, value) in
        [("response_type", "token"), ("prompt", "none"), ("scope", "nope"), ("code_challenge", "")]
    {
        alice.ask(&with(&query, name, value)).await.stops(400, "E-REQUEST-REFUSED");
    }
}

#[tokio::test]
async fn a04_a08_a09_a10_a17_every_other_error_goes_back_with_state_and_issuer() {
    let (world, mut alice, client) = world().await;
    let query = client.request(&verifier(), None);
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "s256", "invalid_request"),
        ("scope", "nope", "invalid_scope"),
        ("scope", "a  b", "invalid_scope"),
        ("resource", "/mcp", "invalid_target"),
        ("resource", "https://elsewhere.example/mcp", "invalid_target"),
        ("request", "eyJ", "invalid_request"),
        ("request_uri", "https://x.example/", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("prompt", "none", "consent_required"),
    ] {
        let answer = alice.ask(&with(&query, name, value)).await;
        answer.returns_error(LOOPBACK, error, STATE, world.issuer());
        assert!(answer.landed("error_description").is_some(), "{name}={value}");
    }
    let fragment = alice.ask(&with(&query, "resource", &format!("{}#x", world.notes))).await;
    fragment.returns_error(LOOPBACK, "invalid_target", STATE, world.issuer());
    let mut stranger = world.browser();
    let nobody = stranger.ask(&with(&query, "prompt", "none")).await;
    nobody.returns_error(LOOPBACK, "login_required", STATE, world.issuer());
    let page = alice.page(&query).await;
    let denied = alice.deny(&page).await;
    denied.returns_error(LOOPBACK, "access_denied", STATE, world.issuer());
}

#[tokio::test]
async fn a06_the_port_of_a_loopback_address_is_free_and_nothing_else() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let client = world.client_at("/mcp", &format!("http://{host}/callback")).await;
        for other in ["127.0.0.1", "[::1]", "localhost"] {
            for port in ["", ":1", ":65535"] {
                let uri = format!("http://{other}{port}/callback");
                let answer = alice.ask(&with(&client.request(&verifier(), None), "redirect_uri", &uri)).await;
                if other == host {
                    assert!(answer.is(303).location().contains("/consent"), "{host} {uri}");
                } else {
                    answer.stops(400, "E-REDIRECT-UNKNOWN");
                }
            }
        }
    }
}

#[tokio::test]
async fn a07_each_kind_of_redirect_gets_its_answer_byte_for_byte() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    for uri in [
        WEB,
        LOOPBACK,
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://client.example/cb?tenant=1&x",
    ] {
        let client = world.client_at("/mcp", uri).await;
        let page = alice.page(&client.request(&verifier(), None)).await;
        let answer = alice.allow(&page).await;
        let glue = if uri.contains('?') { '&' } else { '?' };
        assert!(answer.is(303).location().starts_with(&format!("{uri}{glue}")), "{answer:?}");
        assert!(answer.landed("code").is_some());
    }
}

#[tokio::test]
async fn a11_a13_one_resource_however_it_is_spelled_and_one_alone() {
    let (world, mut alice, client) = world().await;
    let port = world.issuer().rsplit(':').next().unwrap().to_owned();
    let bare = with(&client.request("v", None), "resource", "");
    for spelled in [format!("{}/", world.notes), format!("HTTP://127.0.0.1:{port}/mcp"), world.notes.clone()]
    {
        let verifier = verifier();
        let mut query = with(&with(&client.request(&verifier, None), "resource", ""), "x", "");
        query.push(("resource".to_owned(), spelled.clone()));
        query.push(("resource".to_owned(), spelled.clone()));
        let page = alice.page(&query).await;
        let code = alice.allow(&page).await.landed("code").unwrap();
        let code = portcullis_testkit::Code { code, verifier, redirect: LOOPBACK.to_owned() };
        assert_eq!(claims(&client.redeem(&code).await.access)["aud"], *world.notes, "{spelled}");
    }
    let mut both = bare;
    both.push(("resource".to_owned(), world.notes.clone()));
    both.push(("resource".to_owned(), world.other.clone()));
    alice.ask(&both).await.returns_error(LOOPBACK, "invalid_target", STATE, world.issuer());
}

#[tokio::test]
async fn a12_a15_who_names_nothing_gets_the_default_resource_and_its_default_scopes() {
    let (world, mut alice, client) = world().await;
    let verifier = verifier();
    let page = alice.page(&authorization(&client.id, LOOPBACK, &verifier)).await;
    let code = alice.allow(&page).await.landed("code").unwrap();
    let code = portcullis_testkit::Code { code, verifier, redirect: LOOPBACK.to_owned() };
    let tokens = client.redeem(&code).await;
    assert_eq!(tokens.scope, "notes:read", "not everything");
    assert_eq!(claims(&tokens.access)["aud"], *world.notes);
}

#[tokio::test]
async fn a14_unknown_scopes_narrow_and_what_was_granted_is_told() {
    let (_world, mut alice, client) = world().await;
    let tokens = client.connect(&mut alice, Some("notes:write mail:send offline_access")).await;
    assert_eq!(tokens.scope, "notes:write");
    let code = {
        let page = alice.page(&client.request("v".repeat(43).as_str(), Some("notes:read notes:write"))).await;
        alice.allow_only(&page, &["notes:write"]).await.landed("code").unwrap()
    };
    let code = portcullis_testkit::Code { code, verifier: "v".repeat(43), redirect: LOOPBACK.to_owned() };
    assert_eq!(client.redeem(&code).await.scope, "notes:write", "what was not ticked stays closed");
}

#[tokio::test]
async fn a16_a17_success_carries_code_state_and_issuer_each_once_and_nothing_else() {
    let (world, mut alice, client) = world().await;
    let page = alice.page(&client.request(&verifier(), None)).await;
    let answer = alice.allow(&page).await;
    let mut names: Vec<String> = answer.landing().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["code", "iss", "state"]);
    assert_eq!(answer.landed("iss").as_deref(), Some(world.issuer()));
}

#[tokio::test]
async fn a19_t_303_every_form_is_answered_by_303() {
    let world = World::start().await;
    world.person("alice").await;
    let client = world.client().await;
    let mut browser = world.browser();
    let page = browser.page(&client.request(&verifier(), None)).await;
    let signed_in = browser.sign_in_at(&page, "alice", portcullis_testkit::PASSWORD).await;
    let to = world.net.target(signed_in.is(303).location());
    let consent = browser.open(&to).await;
    browser.allow(&consent).await.is(303);
}

#[tokio::test]
async fn a21_a22_a23_consent_is_always_shown_and_says_all_that_matters() {
    let (world, mut alice, client) = world().await;
    client.connect(&mut alice, Some("notes:read notes:write")).await;
    let page = alice.page(&client.request(&verifier(), Some("notes:read notes:write"))).await;
    page.answer.is(200);
    let text = page.text();
    for shown in [
        "Notebook",
        "127.0.0.1:7777",
        LOOPBACK,
        &world.notes,
        "Read your notes",
        "alice",
        "nobody can check it",
    ] {
        assert!(text.contains(shown), "{shown}");
    }
    let form = page.form("/consent");
    assert!(
        form.fields.iter().any(|field| field.name == "started" && !field.ticked),
        "no tick is made for them"
    );
    assert_eq!(form.buttons.len(), 2);
    // Another client in the same browser is asked for anew as well.
    let web = world.client_at("/mcp", WEB).await;
    let page = alice.page(&web.request(&verifier(), None)).await;
    assert!(page.text().contains("client.example"));
    // Nothing is allowed where nobody said that they began it.
    let page = alice.page(&client.request(&verifier(), None)).await;
    let form = page.form("/consent").tick_all("scope");
    alice.press(&form, Some("allow")).await.is(400);
    // And nothing is given where nothing is ticked.
    let page = alice.page(&client.request(&verifier(), None)).await;
    alice.allow_only(&page, &[]).await.is(400);
}

#[tokio::test]
async fn a29_refresh_tokens_do_not_hang_on_offline_access_or_a_prompt() {
    let (_world, mut alice, client) = world().await;
    for scope in [None, Some("notes:read"), Some("notes:read offline_access"), Some("offline_access")] {
        let tokens = client.connect(&mut alice, scope).await;
        assert!(!tokens.refresh.is_empty(), "{scope:?}");
        assert_eq!(tokens.scope, "notes:read", "{scope:?}");
    }
}

#[tokio::test]
async fn a32_s12_a_wider_request_shows_what_is_new_and_keeps_the_old_agent() {
    let (world, mut alice, client) = world().await;
    let old = client.connect(&mut alice, None).await;
    let denied = client.call("write_note", &old.access).await;
    let scope = denied.is_challenged(403, Some("insufficient_scope")).get("scope").unwrap().to_owned();
    let verifier = verifier();
    let page = alice.page(&client.request(&verifier, Some(&scope))).await;
    assert!(page.text().contains("What is new") && page.text().contains("It already may"), "{}", page.text());
    let code = alice.allow(&page).await.landed("code").unwrap();
    let code = portcullis_testkit::Code { code, verifier, redirect: LOOPBACK.to_owned() };
    let wide = client.redeem(&code).await;
    client.call("write_note", &wide.access).await.is(200);
    client.call("read_note", &wide.access).await.is(200);
    // The old grant goes on, as narrow as it was approved.
    let old = Tokens::of(&client.refresh(&old.refresh).await);
    assert_eq!(old.scope, "notes:read");
    assert_ne!(old.agent(), wide.agent());
    assert_eq!(world.state(&old.agent()).await, "live");
}

#[tokio::test]
async fn the_agent_that_is_replaced_ends_when_the_new_one_is_first_used() {
    let (world, mut alice, client) = world().await;
    let old = client.connect(&mut alice, None).await;
    let verifier = verifier();
    let page = alice.page(&client.request(&verifier, None)).await;
    let form =
        page.form("/consent").tick_all("scope").tick_all("started").tick("replaces", &old.agent(), true);
    let code = alice.press(&form, Some("allow")).await.landed("code").unwrap();
    let code = portcullis_testkit::Code { code, verifier, redirect: LOOPBACK.to_owned() };
    let new = client.redeem(&code).await;
    client.call("read_note", &old.access).await.is(200);
    client.call("read_note", &new.access).await.is(200);
    world.app.flush().await;
    assert_eq!(world.state(&old.agent()).await, "ended: replaced");
    client.call("read_note", &old.access).await.is_challenged(401, Some("invalid_token"));
    client.call("read_note", &new.access).await.is(200);
}

#[tokio::test]
async fn a_client_switched_off_or_gone_while_the_page_is_open_gets_nothing() {
    let (world, mut alice, client) = world().await;
    let page = alice.page(&client.request(&verifier(), None)).await;
    world.administer(Command::ClientRemove { client_id: client.id.clone() }).await;
    alice.allow(&page).await.stops(400, "E-CLIENT-UNKNOWN");
    assert!(world.administer(Command::AgentList { all: true }).await.is_empty());
    let query = encode(&client.request(&verifier(), None));
    alice.get(&format!("/authorize?{query}")).await.stops(400, "E-CLIENT-UNKNOWN");
}
