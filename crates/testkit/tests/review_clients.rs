//! What a stranger's client may cost, learn or take away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use portcullis_jose::key::{Alg, SigningKey};
use portcullis_rules::event::EventKind;
use portcullis_server::admin::{AdminError, Command};
use portcullis_testkit::{Answer, Ask, WEB, World, authorization, forge};
use serde_json::{Value, json};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn keyed(world: &World) -> (SigningKey, String) {
    let key = forge::key(Alg::Es256);
    let id = world.machine_with_keys("notes:read", forge::jwks(&key)).await;
    (key, id)
}

fn assertion(world: &World, key: &SigningKey, id: &str, jti: &str) -> String {
    let claims = json!({
        "iss": id, "sub": id, "aud": world.issuer(), "jti": jti, "iat": world.now(), "exp": world.now() + 60,
    });
    forge::sign(key, "JWT", &claims)
}

async fn post(world: &World, path: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    form.extend_from_slice(more);
    world.send(Ask::post(path).form(&form)).await
}

#[tokio::test]
async fn x05_an_assertion_is_spent_by_what_was_refused_too() {
    let world = World::start().await;
    let (key, id) = keyed(&world).await;
    let refused = [
        ("/token", "grant_type", "client_credentials", ("scope", "notes:write"), 400),
        ("/token", "grant_type", "client_credentials", ("resource", "https://x.example/"), 400),
        ("/token", "grant_type", "refresh_token", ("refresh_token", "nonsense"), 400),
        ("/revoke", "token", "nonsense", ("x", "y"), 200),
        ("/introspect", "token", "nonsense", ("x", "y"), 400),
    ];
    for (n, (path, name, value, more, status)) in refused.into_iter().enumerate() {
        let once = assertion(&world, &key, &id, &n.to_string());
        post(&world, path, &once, &[(name, value), more]).await.is(status);
        let again = post(&world, "/token", &once, &[("grant_type", "client_credentials")]).await;
        again.refuses(401, "invalid_client");
    }
}

#[tokio::test]
async fn x26_who_shows_nothing_but_an_id_learns_nothing_of_tokens() {
    let world = World::start().await;
    let command = |redirect_uris: Vec<String>| Command::ClientAdd {
        name: "both".to_owned(),
        scope: None,
        resource: None,
        jwks: None,
        redirect_uris,
        introspects: Some(world.notes.clone()),
    };
    let both = world.app.administer(command(vec![WEB.to_owned()])).await;
    assert!(matches!(both, Err(AdminError::Invalid(_))));
    let client = world.client().await;
    let form = [("client_id", client.id.as_str()), ("token", "x")];
    world.send(Ask::post("/introspect").form(&form)).await.refuses(401, "invalid_client");
}

#[tokio::test]
async fn g11_a_registration_is_small_and_holds_nothing_but_what_is_used() {
    let world = World::start().await;
    let filler = "x".repeat(5 * 1024);
    let body = json!({ "redirect_uris": [WEB], "x": filler });
    world.send(Ask::post("/register").json(&body)).await.is(413);
    let mut set: Value = serde_json::from_str(&forge::jwks(&forge::key(Alg::Es256))).unwrap();
    set["keys"][0]["x5c"] = json!(["filler"]);
    set["more"] = json!("filler");
    let body = json!({
        "redirect_uris": [WEB], "token_endpoint_auth_method": "private_key_jwt", "jwks": set,
    });
    let answer = world.send(Ask::post("/register").json(&body)).await;
    assert!(!answer.is(201).text().contains("filler"));
}

#[tokio::test]
async fn t_cookie_a_form_of_another_site_replaces_no_cookie() {
    let world = World::start().await;
    let client = world.client().await;
    let mut alice = world.signed_in("alice").await;
    let form = client.request(VERIFIER, None);
    // As a browser sends it: without the cookies it has, since they are `SameSite`.
    for site in [Some("cross-site"), Some("same-site"), None] {
        let mut ask = Ask::post("/authorize").form(&form);
        if let Some(site) = site {
            ask = ask.header("sec-fetch-site", site);
        }
        let answer = world.send(ask).await;
        assert_eq!(answer.is(303).set_cookies(), Vec::<String>::new(), "{site:?}");
        let to = world.net.target(answer.location());
        let page = alice.open(&to).await;
        page.answer.is(200);
        page.form("/consent");
    }
    let own = Ask::post("/authorize").form(&form).header("sec-fetch-site", "none");
    assert!(!world.send(own).await.is(303).set_cookies().is_empty());
}

/// A site with one metadata document, which can change.
async fn site() -> (String, Arc<Mutex<Value>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = format!("http://{}/client", listener.local_addr().unwrap());
    let document = Arc::new(Mutex::new(json!({
        "client_id": id, "client_name": "Notebook", "redirect_uris": [WEB],
        "token_endpoint_auth_method": "none",
    })));
    let held = Arc::clone(&document);
    let answer = move || {
        let text = held.lock().unwrap().to_string();
        std::future::ready(([("content-type", "application/json")], text))
    };
    let router = Router::new().route("/client", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (id, document)
}

async fn world_with_documents() -> World {
    World::builder().settings(|settings| settings.insecure_cimd_loopback = true).start().await
}

#[tokio::test]
async fn a20_a_documents_link_sends_only_those_on_who_have_signed_in() {
    let (world, (id, _)) = (world_with_documents().await, site().await);
    let mut query = authorization(&id, WEB, VERIFIER);
    query.push(("scope".to_owned(), "nonsense".to_owned()));
    let mut nobody = world.browser();
    let answer = nobody.ask(&query).await;
    assert_eq!(answer.header("location"), None, "{answer:?}");
    let mut alice = world.signed_in("alice").await;
    alice.ask(&query).await.returns_error(WEB, "invalid_scope", Some("state-of-the-client"), world.issuer());
}

#[tokio::test]
async fn c16_consent_notices_a_document_that_changed_and_writes_it_down() {
    let (world, (id, document)) = (world_with_documents().await, site().await);
    let mut alice = world.signed_in("alice").await;
    let query = authorization(&id, WEB, VERIFIER);
    let changed = async || {
        let events = world.events().await;
        events.iter().filter(|event| event.kind == EventKind::ClientChanged).count()
    };
    let page = alice.page(&query).await;
    assert!(alice.allow(&page).await.landed("code").is_some());
    assert_eq!(changed().await, 0);
    let page = alice.page(&query).await;
    document.lock().unwrap()["client_name"] = json!("Something else");
    world.advance(std::time::Duration::from_secs(301));
    let answer = alice.allow(&page).await;
    assert_eq!(answer.header("location"), None, "what was shown is no longer so");
    assert!(answer.is(409).text().contains("Something else"));
    assert_eq!(changed().await, 0, "nothing was decided");
    let page = portcullis_testkit::Page { answer };
    assert!(alice.allow(&page).await.landed("code").is_some());
    assert_eq!(changed().await, 1);
}
