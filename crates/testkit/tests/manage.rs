//! Managing a registration (RFC 7592): its own client, with its own token, losing nothing and reviving nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use portcullis_rules::verdict::Write;
use portcullis_server::admin::Command;
use portcullis_testkit::{Answer, Ask, Browser, HonestClient, Tokens, WEB, World, authorization};
use portcullis_wire::id::ClientId;
use portcullis_wire::time::UnixTime;
use serde_json::{Value, json};

/// A confidential client as it was answered.
struct Registered {
    body: Value,
}

impl Registered {
    async fn at(world: &World) -> Self {
        let body = json!({
            "redirect_uris": [WEB, "https://client.example/other"], "client_name": "Notebook", "scope": "notes:read",
            "client_uri": "https://notebook.example/", "token_endpoint_auth_method": "client_secret_post",
        });
        let body = world.send(Ask::post("/register").json(&body)).await.is(201).json();
        Self { body }
    }

    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.body))
    }

    fn path(&self) -> String {
        format!("/register/{}", self.text("client_id"))
    }

    fn ask(&self, method: &str) -> Ask {
        Ask::new(method, &self.path()).bearer(self.text("registration_access_token"))
    }

    async fn put(&self, world: &World, body: &Value) -> Answer {
        world.send(self.ask("PUT").json(body)).await
    }

    /// All it may say of itself, with `changes`.
    fn with(&self, changes: &[(&str, Value)]) -> Value {
        let mut body = self.body.clone();
        for (name, value) in changes {
            body[*name] = value.clone();
        }
        body
    }

    async fn connect(&self, world: &World, browser: &mut Browser) -> Tokens {
        let verifier = HonestClient::verifier();
        let page = browser.page(&authorization(self.text("client_id"), WEB, &verifier)).await;
        let code = browser.allow(&page).await.landed("code").unwrap_or_else(|| panic!("{:?}", page.answer));
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", &verifier),
            ("redirect_uri", WEB),
            ("client_id", self.text("client_id")),
            ("client_secret", self.text("client_secret")),
        ];
        Tokens::of(&world.net.token(&form).await)
    }

    async fn refresh(&self, world: &World, refresh: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh),
            ("client_id", self.text("client_id")),
            ("client_secret", self.text("client_secret")),
        ];
        world.net.token(&form).await
    }
}

/// 401 with a bearer challenge, which says nothing of whether there is such a client.
#[track_caller]
fn is_unauthorized(answer: &Answer, error: Option<&str>) {
    answer.refuses(401, "invalid_token");
    let challenge = answer.challenge();
    assert_eq!((challenge.scheme.as_str(), challenge.get("error")), ("Bearer", error), "{answer:?}");
}

#[tokio::test]
async fn g13_only_a_client_with_a_row_of_its_own_is_told_how_to_manage_it() {
    let world = World::start().await;
    let own = Registered::at(&world).await;
    assert_eq!(own.text("registration_client_uri"), world.net.url(&own.path()));
    assert!(own.text("registration_access_token").starts_with("pc_reg_"));
    let public = json!({ "redirect_uris": [WEB], "token_endpoint_auth_method": "none" });
    let public = world.send(Ask::post("/register").json(&public)).await.is(201).json();
    for name in ["registration_access_token", "registration_client_uri"] {
        assert!(public.get(name).is_none(), "{name}: that row is shared");
    }
    let path = format!("/register/{}", public["client_id"].as_str().unwrap());
    let token = own.text("registration_access_token");
    is_unauthorized(&world.send(Ask::get(&path).bearer(token)).await, Some("invalid_token"));
    // It is told to the client alone: no document names it.
    let metadata = world.get("/.well-known/oauth-authorization-server").await.is(200).text();
    assert!(!metadata.contains("registration_client") && !metadata.contains("7592"));
}

#[tokio::test]
async fn g13_t_roundtrip_what_was_read_and_sent_back_changes_nothing() {
    let world = World::start().await;
    let own = Registered::at(&world).await;
    let answer = world.send(own.ask("GET")).await;
    assert_eq!(answer.is(200).header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let read = answer.json();
    for (name, value) in own.body.as_object().unwrap() {
        if !name.starts_with("client_secret") {
            assert_eq!(&read[name], value, "{name}");
        }
    }
    assert!(read.get("client_secret").is_none(), "of that we keep a digest");
    assert_eq!(own.put(&world, &read).await.is(200).json(), read);
    assert_eq!(own.put(&world, &own.body).await.is(200).json(), read, "with its own secret, too");
    assert_eq!(world.send(own.ask("GET")).await.is(200).json(), read);
    let mut alice = world.signed_in("alice").await;
    own.connect(&world, &mut alice).await;
}

#[tokio::test]
async fn g13_an_update_takes_the_place_of_what_was_and_is_felt_at_once() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let own = Registered::at(&world).await;
    let id = own.text("client_id");
    let tokens = own.connect(&world, &mut alice).await;
    let body = json!({
        "client_id": id, "redirect_uris": ["https://client.example/other"], "client_name": "Notebook 2",
        "token_endpoint_auth_method": "client_secret_post",
    });
    let told = own.put(&world, &body).await.is(200).json();
    assert_eq!(told["client_name"], "Notebook 2");
    assert_eq!(told["redirect_uris"], json!(["https://client.example/other"]));
    assert!(told.get("client_uri").is_none() && told.get("scope").is_none(), "what is left out is gone");
    assert_eq!(world.send(own.ask("GET")).await.is(200).json(), told);
    let verifier = HonestClient::verifier();
    alice.ask(&authorization(id, WEB, &verifier)).await.stops(400, "E-REDIRECT-UNKNOWN");
    let page = alice.page(&authorization(id, "https://client.example/other", &verifier)).await;
    assert!(page.answer.is(200).text().contains("Notebook 2"), "asked again, under the new name");
    own.refresh(&world, &tokens.refresh).await.is(200);
    // A consent page that was open meanwhile is looked at again before it counts.
    own.put(&world, &own.with(&[("client_name", json!("Bank"))])).await.is(200);
    assert_eq!(alice.allow(&page).await.landed("code"), None);
}

#[tokio::test]
async fn g13_every_update_is_judged_as_a_registration_is() {
    let world = World::start().await;
    let own = Registered::at(&world).await;
    let before = world.send(own.ask("GET")).await.is(200).json();
    let without = |name: &str| {
        let mut body = own.body.clone();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let metadata = "invalid_client_metadata";
    for (name, body, error) in [
        ("no client_id", without("client_id"), metadata),
        ("another client_id", own.with(&[("client_id", json!("dcr_other"))]), metadata),
        ("a client_id that is no text", own.with(&[("client_id", json!(7))]), metadata),
        ("another secret", own.with(&[("client_secret", json!("pc_cs_wrong"))]), metadata),
        ("a secret that is no text", own.with(&[("client_secret", json!(["x"]))]), metadata),
        ("no redirect", without("redirect_uris"), "invalid_redirect_uri"),
        (
            "a script as redirect",
            own.with(&[("redirect_uris", json!(["javascript:alert(1)"]))]),
            "invalid_redirect_uri",
        ),
        (
            "plain http",
            own.with(&[("redirect_uris", json!(["http://client.example/cb"]))]),
            "invalid_redirect_uri",
        ),
        ("a public client", own.with(&[("token_endpoint_auth_method", json!("none"))]), metadata),
        ("an unknown method", own.with(&[("token_endpoint_auth_method", json!("magic"))]), metadata),
        ("an unknown grant", own.with(&[("grant_types", json!(["password"]))]), metadata),
        (
            "a statement",
            own.with(&[("software_statement", json!("e30.e30."))]),
            "unapproved_software_statement",
        ),
        ("no object", json!([1]), metadata),
    ] {
        let answer = own.put(&world, &body).await;
        assert_eq!((answer.status, answer.oauth_error().as_str()), (400, error), "{name}: {answer:?}");
    }
    let twice = format!(
        r#"{{"client_id":"{0}","client_id":"{0}","redirect_uris":["{WEB}"]}}"#,
        own.text("client_id")
    );
    world.send(own.ask("PUT").body("application/json", twice)).await.refuses(400, metadata);
    let form = own.ask("PUT").form(&[("client_id", own.text("client_id"))]);
    world.send(form).await.refuses(415, metadata);
    world.send(own.ask("PUT").body("application/json", vec![b' '; 200_000])).await.is(413);
    world.send(own.ask("POST").json(&own.body)).await.is(405);
    assert_eq!(world.send(own.ask("GET")).await.is(200).json(), before, "nothing of that changed anything");
}

#[tokio::test]
async fn g13_rfc7592_2_1_unknown_clients_and_wrong_tokens_are_401_and_look_alike() {
    let world = World::start().await;
    let (own, other) = (Registered::at(&world).await, Registered::at(&world).await);
    let token = own.text("registration_access_token").to_owned();
    let mut alice = world.signed_in("alice").await;
    let access = own.connect(&world, &mut alice).await.access;
    for method in ["GET", "PUT", "DELETE"] {
        let ask = |path: &str| Ask::new(method, path).json(&own.body);
        is_unauthorized(&world.send(ask(&own.path())).await, None);
        is_unauthorized(
            &world.send(ask(&own.path()).basic(own.text("client_id"), own.text("client_secret"))).await,
            None,
        );
        let mut bodies = Vec::new();
        for (path, token) in [
            (own.path(), other.text("registration_access_token")),
            (own.path(), own.text("client_secret")),
            (own.path(), access.as_str()),
            (own.path(), "nonsense"),
            (other.path(), token.as_str()),
            ("/register/dcr_unknown".to_owned(), token.as_str()),
            ("/register/personal".to_owned(), token.as_str()),
            ("/register/%20".to_owned(), token.as_str()),
        ] {
            let answer = world.send(ask(&path).bearer(token)).await;
            is_unauthorized(&answer, Some("invalid_token"));
            bodies.push(answer.text());
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{method}: {bodies:?}");
    }
    let twice = own.ask("GET").bearer(&token);
    world.send(twice).await.refuses(400, "invalid_request");
    world.send(own.ask("GET")).await.is(200);
    world.send(other.ask("GET")).await.is(200);
}

#[tokio::test]
async fn g13_rfc7592_2_3_a_removed_client_is_gone_with_its_tokens_and_not_revived() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let (own, other) = (Registered::at(&world).await, Registered::at(&world).await);
    let (tokens, kept) = (own.connect(&world, &mut alice).await, other.connect(&world, &mut alice).await);
    world.net.call("/mcp", "read_note", &tokens.access).await.is(200);
    let answer = world.send(own.ask("DELETE")).await;
    assert_eq!((answer.is(204).header("cache-control"), answer.body.len()), (Some("no-store"), 0));
    world.net.call("/mcp", "read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    own.refresh(&world, &tokens.refresh).await.refuses(401, "invalid_client");
    alice
        .ask(&authorization(own.text("client_id"), WEB, &HonestClient::verifier()))
        .await
        .stops(400, "E-CLIENT-UNKNOWN");
    for ask in [own.ask("GET"), own.ask("PUT").json(&own.body), own.ask("DELETE")] {
        is_unauthorized(&world.send(ask).await, Some("invalid_token"));
    }
    assert!(world.state(&tokens.agent()).await.starts_with("ended"));
    world.net.call("/mcp", "read_note", &kept.access).await.is(200);
    other.refresh(&world, &kept.refresh).await.is(200);
}

#[tokio::test]
async fn g13_t_disable_a_client_that_was_switched_off_cannot_bring_itself_back() {
    let world = World::start().await;
    let own = Registered::at(&world).await;
    let id = ClientId::parse(own.text("client_id")).unwrap();
    world.store.commit(Vec::new(), vec![Write::SetClientEnabled(id.clone(), false)]).await.unwrap();
    for ask in [own.ask("GET"), own.ask("PUT").json(&own.body), own.ask("DELETE")] {
        is_unauthorized(&world.send(ask).await, Some("invalid_token"));
    }
    assert!(!world.store.client(id.clone()).await.unwrap().unwrap().enabled);
    world.store.commit(Vec::new(), vec![Write::SetClientEnabled(id, true)]).await.unwrap();
    world.send(own.ask("GET")).await.is(200);
    // What an administrator entered is nobody's to manage.
    let machine = world.machine("notes:read").await.0;
    let path = format!("/register/{machine}");
    let answer = world.send(Ask::get(&path).bearer(own.text("registration_access_token"))).await;
    is_unauthorized(&answer, Some("invalid_token"));
    assert!(
        world.administer(Command::ClientList).await.iter().any(|row| row["client_id"] == machine.as_str())
    );
}

#[tokio::test]
async fn g13_t_flood_any_page_may_ask_and_what_comes_often_waits() {
    let world = World::start().await;
    let own = Registered::at(&world).await;
    // Any page may ask, none with a cookie; and what comes often has to wait.
    let answer = world.send(own.ask("GET").header("origin", "https://app.example")).await;
    assert_eq!(answer.is(200).header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let preflight =
        world.send(Ask::new("OPTIONS", &own.path()).header("origin", "https://app.example")).await;
    let methods = preflight.is(204).header("access-control-allow-methods").unwrap();
    assert!(methods.contains("PUT") && methods.contains("DELETE"), "{methods}");
    let mut waits = 0;
    for _ in 0..200 {
        let answer = world.send(own.ask("GET")).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some());
            waits += 1;
        }
    }
    assert!(waits > 0, "there is a limit");
}

#[tokio::test]
async fn t_flood_a_registration_that_nobody_used_fills_neither_the_trail_nor_the_cuts() {
    let world = World::start().await;
    let before = world.events().await.len();
    for round in 0..10 {
        let own = Registered::at(&world).await;
        let body = own.with(&[("client_name", json!(format!("Notebook {round}")))]);
        own.put(&world, &body).await.is(200);
        world.send(own.ask("DELETE")).await.is(204);
    }
    let cuts = world.store.cuts(UnixTime::default()).await.unwrap().1;
    assert_eq!((world.events().await.len() - before, cuts.len()), (0, 0));
    // Once somebody has connected it, what it does is told, and its tokens are cut off.
    let mut alice = world.signed_in("alice").await;
    let own = Registered::at(&world).await;
    own.connect(&world, &mut alice).await;
    let before = world.events().await.len();
    own.put(&world, &own.with(&[("client_name", json!("Other"))])).await.is(200);
    world.send(own.ask("DELETE")).await.is(204);
    assert_eq!(world.events().await.len() - before, 2);
    assert_eq!(world.store.cuts(UnixTime::default()).await.unwrap().1.len(), 1);
}

#[tokio::test]
async fn t_flood_one_registration_is_changed_only_so_often_and_others_go_on() {
    let world = World::start().await;
    let (own, other) = (Registered::at(&world).await, Registered::at(&world).await);
    for round in 0..21 {
        world.advance(std::time::Duration::from_secs(1));
        let status = if round < 20 { 200 } else { 429 };
        let body = own.with(&[("client_name", json!(format!("Notebook {round}")))]);
        own.put(&world, &body).await.is(status);
    }
    other.put(&world, &other.with(&[("client_name", json!("Other"))])).await.is(200);
    // What it is stays as it was, and it can still be read and removed.
    assert_eq!(world.send(own.ask("GET")).await.is(200).json()["client_name"], "Notebook 19");
    world.send(own.ask("DELETE")).await.is(204);
}
