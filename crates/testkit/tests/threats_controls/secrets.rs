//! What must not be found: in the file, in the log, in an answer. And what must not be let through when something
//! is broken.

use std::sync::{Arc, Mutex};

use portcullis_rules::model::Origin;
use portcullis_server::admin::Command;
use portcullis_store::{CommitError, Store as _, StoreError};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::inprocess::browser::ticket;
use crate::inprocess::machine::{basic, credentials};
use crate::inprocess::{
    Answer, Ask, Browser, Kind, LOOPBACK, NOTES, PASSWORD, Place, REDIRECT, Tokens, VERIFIER, authorization,
    encode, exchange, refresh, with,
};

const SCOPE: &str = "notes:read notes:write";

/// Takes a place through everything a secret can be part of, and returns every secret that was seen.
async fn everything(place: &Place) -> Vec<(&'static str, String)> {
    let link = serde_json::to_string(&place.administer(Command::SetupLink { reset: None }).await).unwrap();
    let link = link.split("link=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut browser = Browser::new(place);
    let page = browser.get(&format!("/setup?link={link}")).await;
    let of_setup = ticket(&page, "/setup");
    let form = [("ticket", of_setup.as_str()), ("name", "alice"), ("password", PASSWORD)];
    assert_eq!(browser.post("/setup", &form).await.status, 303);
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    let code = browser.code(&query).await;
    let first = place.redeem(&client, &code).await;
    let second = Tokens::of(&place.refresh(&client, &first.refresh).await);
    let machine = place.machine("notes:read").await;
    let minted = Tokens::of(&place.machine_token(&machine, "").await);
    let asker = place.asker(NOTES).await;
    assert_eq!(place.introspect(&asker, &second.access).await.status, 200);
    let body = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post"});
    let web = credentials(&[place.send(Ask::post("/register").json(&body)).await.json()]);
    let mut out = vec![
        ("link", link),
        ("password", PASSWORD.to_owned()),
        ("code", code),
        ("first refresh", first.refresh),
        ("first access", first.access),
        ("second refresh", second.refresh),
        ("second access", second.access),
        ("machine's secret", machine.1),
        ("machine's token", minted.access),
        ("asker's secret", asker.1),
        ("registered secret", web.1),
        ("verifier", VERIFIER.to_owned()),
    ];
    for name in ["session", "browser", "known"] {
        out.push((name, browser.jar[&format!("__Host-portcullis-{name}")].clone()));
    }
    out
}

/// Uses every secret wrongly, everywhere; returns the answers.
async fn misuse(place: &Place, secrets: &[(&'static str, String)]) -> Vec<Answer> {
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    let mut answers = Vec::new();
    for (_, secret) in secrets {
        answers.push(place.token(&exchange(&client, secret)).await);
        answers.push(place.token(&[("grant_type", secret.as_str()), ("client_id", secret)]).await);
        answers.push(place.token(&refresh(secret, secret)).await);
        let by_secret = Ask::post("/token").form(&refresh(&client, secret));
        answers.push(place.send(by_secret.header("authorization", &basic(&client, secret))).await);
        answers.push(place.post("/revoke", &[("client_id", "nobody"), ("token", secret)]).await);
        answers.push(place.post("/introspect", &[("client_id", "nobody"), ("token", secret)]).await);
        answers.push(
            place.send(Ask::post("/mcp").bearer(secret).body(secret.as_str(), "application/json")).await,
        );
        answers.push(place.send(Ask::post("/register").body(secret.as_str(), "application/json")).await);
        answers.push(place.get(&format!("/setup?link={secret}")).await);
        answers.push(place.get(&format!("/sign-in?request={secret}")).await);
        answers.push(place.get(&format!("/{secret}")).await);
        answers.push(Browser::new(place).ask(&with(query.clone(), "scope", secret)).await);
        let mut browser = Browser::new(place);
        let page = browser.get("/sign-in").await;
        answers.push(browser.sign_in(&page, "alice", secret).await);
    }
    answers
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn t_canary_no_secret_surfaces_in_a_log_at_trace_or_in_an_error() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(kept.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let place = Place::on(Kind::Memory).await;
    let secrets = everything(&place).await;
    let mut answers = misuse(&place, &secrets).await;
    place.sluice.break_reads(true);
    answers.extend(misuse_broken(&place, &secrets).await);
    place.sluice.break_reads(false);
    place.sluice.break_commits(Some(CommitError::Store(StoreError::Full)));
    answers.extend(misuse_broken(&place, &secrets).await);
    drop(guard);
    let log = String::from_utf8_lossy(&kept.0.lock().unwrap()).into_owned();
    assert!(log.contains("the store did not answer"), "the log was heard: {log}");
    for (name, secret) in &secrets {
        assert!(!log.contains(secret.as_str()), "the {name} is in the log");
        for answer in answers.iter().filter(|answer| answer.status >= 400) {
            assert!(!answer.everything().contains(secret.as_str()), "{name}: {}", answer.everything());
        }
    }
    for answer in answers {
        assert!(!answer.text().contains("canary-store-fault"), "causes are for the log alone");
    }
}

async fn misuse_broken(place: &Place, secrets: &[(&'static str, String)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (_, secret) in secrets {
        for form in
            [exchange("dcr_AAAAAAAAAAAAAAAAAAAAAA", secret), refresh("dcr_AAAAAAAAAAAAAAAAAAAAAA", secret)]
        {
            answers.push(place.token(&form).await);
        }
        answers.push(place.get(&format!("/setup?link={secret}")).await);
        answers.push(
            place
                .send(Ask::get("/account").header("cookie", &format!("__Host-portcullis-session={secret}")))
                .await,
        );
    }
    answers
}

#[tokio::test]
async fn t_db_dump_the_files_hold_nothing_that_signs_in_or_calls() {
    let place = Place::on(Kind::Sqlite).await;
    let secrets = everything(&place).await;
    let keys = place.sluice.keys().await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(place.directory.as_ref().unwrap().path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        for (name, secret) in &secrets {
            assert!(!holds(secret.as_bytes()), "the {name}");
            // Nor the part of it that is secret, in any other dress.
            if secret.starts_with("pc_") {
                let body = secret.splitn(3, '_').nth(2).unwrap();
                assert!(!holds(&body.as_bytes()[12..44]), "the heart of the {name}");
                let raw = portcullis_wire::base64url::decode(&body[..75 - 75 % 4]).unwrap();
                assert!(!holds(&raw[8..40]), "the bytes of the {name}");
            }
        }
        // PKCS#8 documents begin with this, in clear: ecPublicKey on P-256.
        assert!(!holds(&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]), "a signing key in clear");
        assert!(!holds(&[42; 32]), "the master key");
        files += 1;
    }
    assert!(files >= 2 && keys.len() >= 2);
}

#[tokio::test]
async fn t_fail_closed_a_broken_store_lets_nobody_in_and_says_when_to_come_back() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let machine = place.machine("notes:read").await;
    let asker = place.asker(NOTES).await;
    let query = authorization(&client, REDIRECT, SCOPE);
    let tokens = place.agent(user, &client, SCOPE).await;
    let mut browser = place.signed_in(user).await;
    let code = browser.code(&query).await;
    let page = browser.page(&query).await;
    for fault in ["reads", "full", "busy", "broken", "conflict"] {
        match fault {
            "reads" => place.sluice.break_reads(true),
            "full" => place.sluice.break_commits(Some(CommitError::Store(StoreError::Full))),
            "busy" => place.sluice.break_commits(Some(CommitError::Store(StoreError::Busy))),
            "conflict" => place.sluice.break_commits(Some(CommitError::Conflict)),
            _ => place.sluice.break_commits(Some(CommitError::Store(StoreError::Broken("x".to_owned())))),
        }
        let body = json!({"redirect_uris": ["https://new.example/cb"], "token_endpoint_auth_method": "none"});
        let mut answers = vec![
            ("code", place.token(&exchange(&client, &code)).await),
            ("refresh", place.refresh(&client, &tokens.refresh).await),
            ("machine", place.machine_token(&machine, "").await),
            ("register", place.send(Ask::post("/register").json(&body)).await),
            ("revoke", place.post("/revoke", &[("client_id", &client), ("token", &tokens.refresh)]).await),
            ("consent", browser.consent(&page, "allow", &[]).await),
        ];
        if fault == "reads" {
            answers.push(("introspect", place.introspect(&asker, &tokens.access).await));
            answers.push(("authorize", browser.ask(&query).await));
            answers.push(("account", browser.get("/account").await));
            answers.push(("sign-in", browser.get("/sign-in").await));
        }
        for (name, answer) in answers {
            assert_eq!(answer.status, 503, "{fault}, {name}: {}", answer.everything());
            assert!(
                answer.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 0),
                "{fault}, {name}"
            );
            assert!(!answer.has("location") && !answer.text().contains("access_token"), "{fault}, {name}");
        }
        assert_eq!(place.call("/mcp", &tokens.access).await.status, 200, "{fault}: the guard needs no store");
        assert_eq!(place.call("/mcp", "x").await.status, 401, "{fault}");
        assert_eq!(place.get("/.well-known/jwks.json").await.status, 200, "{fault}");
        place.sluice.break_reads(false);
        place.sluice.break_commits(None);
    }
    // Nothing of it was done, and all of it can be done now.
    assert!(browser.consent(&page, "allow", &[]).await.landed("code").is_some());
    assert_eq!(place.refresh(&client, &tokens.refresh).await.status, 200);
    place.redeem(&client, &code).await;
}

#[tokio::test]
async fn t_caps_what_is_too_long_too_many_or_too_deep_is_refused_early() {
    let place = Place::on(Kind::Memory).await;
    let client = place.client(LOOPBACK).await;
    let user = place.quick_account("alice").await;
    let tokens = place.agent(user, &place.client(REDIRECT).await, SCOPE).await;
    let form = "application/x-www-form-urlencoded";
    let commits = place.sluice.commits();
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let register = |value: serde_json::Value| Ask::post("/register").json(&value);
    let many: Vec<String> = (0..17).map(|n| format!("https://client.example/{n}")).collect();
    let query = authorization(&client, LOOPBACK, SCOPE);
    for (name, ask) in [
        ("a form of 1 MiB", Ask::post("/token").body(vec![b'a'; 1 << 20], form)),
        ("65 parameters", Ask::post("/token").body("a=1&".repeat(65), form)),
        ("10,000 parameters", Ask::post("/revoke").body("a&".repeat(8_000), form)),
        ("a long client_id", Ask::post("/token").form(&refresh(&"c".repeat(600), "x"))),
        (
            "a registration of 1 MiB",
            register(json!({"redirect_uris": [LOOPBACK], "client_name": "n".repeat(1 << 20)})),
        ),
        (
            "a deep registration",
            Ask::post("/register").body(format!(r#"{{"x":{}}}"#, deep(200)), "application/json"),
        ),
        ("a deeper one", Ask::post("/register").body(deep(8_000), "application/json")),
        ("17 redirects", register(json!({"redirect_uris": many}))),
        (
            "a long redirect",
            register(json!({"redirect_uris": [format!("https://client.example/{}", "x".repeat(1_100))]})),
        ),
        (
            "a query of 9 KiB",
            Ask::get(&format!("/authorize?{}", encode(&with(query.clone(), "x", &"x".repeat(9_000))))),
        ),
        (
            "70 scopes",
            Ask::get(&format!(
                "/authorize?{}",
                encode(&with(authorization(&client, REDIRECT, "x"), "scope", &"notes:read ".repeat(70)))
            )),
        ),
        ("a form that is none", Ask::post("/consent").body(vec![b'a'; 1 << 20], form)),
        (
            "a message of 5 MiB",
            Ask::post("/mcp").body(vec![b' '; 5 << 20], "application/json").bearer(&tokens.access),
        ),
        ("a deep message", Ask::post("/mcp").body(deep(10_000), "application/json").bearer(&tokens.access)),
        ("a long token", Ask::post("/mcp").bearer(&"e".repeat(9_000))),
        ("many credentials", (0..50).fold(Ask::post("/mcp"), |ask, _| ask.bearer("x"))),
    ] {
        let answer = place.send(ask).await;
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
        assert!(answer.body.len() < 16 * 1024, "{name}: the answer is {} bytes", answer.body.len());
    }
    assert_eq!(place.sluice.commits(), commits, "none of it wrote");
    // A jar of nonsense is no session, and no fault either.
    let cookies = "a=b; ".repeat(500) + &"=".repeat(100) + ";;; __Host-portcullis-session";
    assert_eq!(place.send(Ask::get("/account").header("cookie", &cookies)).await.status, 303);
}

#[tokio::test]
async fn t_roundtrip_a_registered_client_is_read_back_as_it_was_answered() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let place = Place::on(kind).await;
        let body = json!({
            "redirect_uris": ["https://client.example/cb?x=%20&y", "http://[::1]:9/cb", "cursor://anysphere.cursor/cb"],
            "client_name": "Ünïcode \u{202e}name", "client_uri": "https://client.example/", "scope": "notes:read x:y",
            "token_endpoint_auth_method": "client_secret_post", "grant_types": ["authorization_code"],
            "response_types": ["code"], "application_type": "native", "unknown": {"deep": [1, 2]},
        });
        let told = place.send(Ask::post("/register").json(&body)).await;
        assert_eq!(told.status, 201, "{kind:?}: {}", told.text());
        let told = told.json();
        let listed = place.sluice.clients(Some(Origin::Registered), 10).await.unwrap();
        assert_eq!(listed.len(), 1, "{kind:?}");
        let (row, metadata) = (&listed[0], &listed[0].metadata);
        assert_eq!(told["client_id"], json!(row.id), "{kind:?}");
        assert_eq!(told["redirect_uris"], json!(metadata.redirect_uris), "{kind:?}");
        assert_eq!(told["redirect_uris"], body["redirect_uris"], "byte for byte");
        assert_eq!(told["token_endpoint_auth_method"], metadata.auth_method.as_str(), "{kind:?}");
        assert_eq!(told["client_name"], metadata.name, "{kind:?}");
        assert!(!metadata.name.contains('\u{202e}'), "{kind:?}");
        assert_eq!(told["client_uri"], json!(metadata.client_uri), "{kind:?}");
        assert_eq!(told["grant_types"], json!(["authorization_code"]), "{kind:?}");
        // Put again as it was read, it is the same row: nothing is lost on the way.
        let put = portcullis_rules::verdict::Write::PutClient(row.clone());
        place.sluice.commit(Vec::new(), vec![put]).await.unwrap();
        assert_eq!(place.sluice.client(row.id.clone()).await.unwrap().as_ref(), Some(row), "{kind:?}");
    }
}

#[tokio::test]
async fn t_client_text_a_hostile_name_stays_text_from_registration_to_account() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    for (n, name) in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{ ticket }}",
        "Claude\u{202e}evil",
        "a\u{0}b\nc",
        "\u{200b}\u{200d}Claude",
        "&lt;b&gt;",
        "https://claude.ai",
    ]
    .into_iter()
    .enumerate()
    {
        let redirect = format!("https://client.example/{n}");
        let body =
            json!({"redirect_uris": [redirect], "token_endpoint_auth_method": "none", "client_name": name});
        let answer = place.send(Ask::post("/register").json(&body)).await;
        assert_eq!(answer.status, 201, "{name:?}: {}", answer.text());
        let client = answer.json()["client_id"].as_str().unwrap().to_owned();
        let mut browser = place.signed_in(user).await;
        let page = browser.page(&authorization(&client, &redirect, SCOPE)).await;
        let code = browser.consent(&page, "allow", &[]).await.landed("code").unwrap();
        place.redeem(&client, &code).await;
        for page in [page, browser.get("/account").await] {
            let html = page.text();
            assert!(!html.contains("<script") && !html.contains("<img"), "{name:?}");
            assert!(!html.contains(['\u{202e}', '\u{200b}', '\u{0}']), "{name:?}");
            assert!(!page.text().contains("href=\"https://claude.ai"), "{name:?}");
        }
    }
}
