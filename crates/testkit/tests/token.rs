//! The token endpoint over HTTP (RFC 6749 §3.2, §4.1.3, §6; RFC 7636 §4.6; RFC 8707 §2).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_rules::event::EventKind;
use portcullis_server::admin::Command;
use portcullis_testkit::{
    Answer, Ask, Browser, Code, HonestClient, LOOPBACK, PASSWORD, Tokens, WEB, World, claims, encode, forge,
};
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
type Form = Vec<(String, String)>;

async fn world() -> (World, Browser, HonestClient) {
    let world = World::start().await;
    let alice = world.signed_in("alice").await;
    let client = world.client().await;
    (world, alice, client)
}

/// The form with one parameter set anew, or left out where the value is empty.
fn with(form: &Form, name: &str, value: &str) -> Form {
    let mut out: Form = form.iter().filter(|(known, _)| known != name).cloned().collect();
    if !value.is_empty() {
        out.push((name.to_owned(), value.to_owned()));
    }
    out
}

async fn at_once(world: &World, forms: impl IntoIterator<Item = Form>) -> Vec<Answer> {
    let mut running = JoinSet::new();
    for form in forms {
        let net = world.net.clone();
        running.spawn(async move { net.token(&form).await });
    }
    running.join_all().await
}

#[tokio::test]
async fn t01_only_a_posted_form_is_read() {
    let (world, mut alice, client) = world().await;
    let form = client.exchange(&client.code(&mut alice, None).await);
    let query = format!("/token?{}", encode(&form));
    world.get(&query).await.is(405);
    world.send(Ask::post(&query).form(&[("a", "b")])).await.refuses(400, "invalid_request");
    world.send(Ask::post(&query)).await.refuses(415, "invalid_request");
    let json: serde_json::Map<_, _> =
        form.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    world.send(Ask::post("/token").json(&json.into())).await.refuses(415, "invalid_request");
    let text = Ask::post("/token").body("text/plain", encode(&form));
    world.send(text).await.refuses(415, "invalid_request");
    for (name, body) in
        [("escape", "grant_type=%zz"), ("utf-8", "grant_type=%ff"), ("many", &"x=1&".repeat(70))]
    {
        let ask = Ask::post("/token").body("application/x-www-form-urlencoded", body);
        assert_eq!(world.send(ask).await.is(400).oauth_error(), "invalid_request", "{name}");
    }
    let large = with(&form, "x", &"y".repeat(20_000));
    world.net.token(&large).await.refuses(413, "invalid_request");
    let mut twice = form.clone();
    twice.push(("code".to_owned(), "again".to_owned()));
    world.net.token(&twice).await.refuses(400, "invalid_request");
    world.net.token(&form).await.is(200);
}

#[tokio::test]
async fn t02_t10_t17_t09_x27_a_token_is_told_whole_and_kept_by_nobody() {
    let (world, mut alice, client) = world().await;
    let code = client.code(&mut alice, None).await;
    let answer = world.net.token(&client.exchange(&code)).await;
    assert_eq!(answer.is(200).header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 600);
    assert_eq!(json["scope"], "notes:read");
    let access = json["access_token"].as_str().unwrap();
    let header: serde_json::Value = {
        let part = portcullis_wire::base64url::decode(access.split('.').next().unwrap()).unwrap();
        serde_json::from_slice(&part).unwrap()
    };
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("ES256")));
    let jwks = world.get("/.well-known/jwks.json").await.is(200).json();
    assert!(jwks["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));
    assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key["d"].is_null()));
    let claims = claims(access);
    assert_eq!(claims["iss"], world.issuer());
    assert_eq!(claims["aud"], *world.notes);
    assert_eq!(claims["client_id"], client.id.as_str());
    assert_eq!(claims["scope"], "notes:read");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    for name in ["sub", "jti"] {
        assert!(claims[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    assert!(!claims.to_string().contains("alice"), "the subject tells nothing");
}

#[tokio::test]
async fn t05_a18_t06_t08_each_binding_flipped_is_refused_and_burns_nothing() {
    let (world, mut alice, client) = world().await;
    let other = world.client_at("/mcp", WEB).await;
    let code = client.code(&mut alice, None).await;
    let good = client.exchange(&code);
    for (name, value, error) in [
        ("code_verifier", "", "invalid_request"),
        ("code_verifier", "short", "invalid_request"),
        ("code_verifier", &"w".repeat(43), "invalid_grant"),
        ("code_verifier", &"w".repeat(129), "invalid_request"),
        ("redirect_uri", "http://127.0.0.1:7778/cb", "invalid_grant"),
        ("redirect_uri", WEB, "invalid_grant"),
        ("client_id", &other.id, "invalid_grant"),
        ("code", "nonsense", "invalid_grant"),
        ("code", &forge::altered(&code.code), "invalid_grant"),
        ("resource", &world.other, "invalid_target"),
        ("resource", "nonsense", "invalid_target"),
    ] {
        let answer = world.net.token(&with(&good, name, value)).await;
        assert_eq!(answer.is(400).oauth_error(), error, "{name}={value}");
    }
    // The redirect URI may be left out, the resource may be named.
    let last = with(&with(&good, "redirect_uri", ""), "resource", &format!("{}/", world.notes));
    let tokens = Tokens::of(&world.net.token(&last).await);
    assert_eq!(claims(&tokens.access)["aud"], *world.notes);
}

#[tokio::test]
async fn a18_a_code_lives_a_minute() {
    let (world, mut alice, client) = world().await;
    let in_time = client.code(&mut alice, None).await;
    world.advance(Duration::from_secs(59));
    client.redeem(&in_time).await;
    let late = client.code(&mut alice, None).await;
    world.advance(Duration::from_secs(60));
    world.net.token(&client.exchange(&late)).await.refuses(400, "invalid_grant");
}

#[tokio::test]
async fn t07_t_forged_code_a_proven_second_use_ends_the_grant_and_a_guess_does_not() {
    let (world, mut alice, client) = world().await;
    let code = client.code(&mut alice, None).await;
    let tokens = client.redeem(&code).await;
    for (name, value) in [
        ("code_verifier", "w".repeat(43)),
        ("code", forge::altered(&code.code)),
        ("redirect_uri", WEB.to_owned()),
    ] {
        world.net.token(&with(&client.exchange(&code), name, &value)).await.refuses(400, "invalid_grant");
        client.call("read_note", &tokens.access).await.is(200);
    }
    world.net.token(&client.exchange(&code)).await.refuses(400, "invalid_grant");
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    assert_eq!(world.state(&tokens.agent()).await, "ended: code_replayed");
    let told = world.events().await.len();
    for _ in 0..10 {
        world.net.token(&client.exchange(&code)).await.refuses(400, "invalid_grant");
    }
    assert_eq!(world.events().await.len(), told, "it is told once, however often the code is shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t21_fifty_redemptions_at_once_one_200_and_the_grant_is_dead_after_the_second() {
    let (world, mut alice, client) = world().await;
    let code = client.code(&mut alice, None).await;
    let answers = at_once(&world, (0..50).map(|_| client.exchange(&code))).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), bad.len()), (1, 49));
    for answer in bad {
        answer.refuses(400, "invalid_grant");
    }
    let tokens = Tokens::of(good[0]);
    client.call("read_note", &tokens.access).await.is_challenged(401, Some("invalid_token"));
    client.refresh(&tokens.refresh).await.refuses(400, "invalid_grant");
    assert_eq!(world.administer(Command::AgentList { all: true }).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_no_burn_many_wrong_verifiers_beside_the_right_one_cost_nothing() {
    let (world, mut alice, client) = world().await;
    let code = client.code(&mut alice, None).await;
    let good = client.exchange(&code);
    let wrong = (0..20).map(|n| with(&good, "code_verifier", &format!("{n:043}")));
    let answers = at_once(&world, wrong.chain([good.clone()])).await;
    let tokens: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(tokens.len(), 1);
    client.call("read_note", &Tokens::of(tokens[0]).access).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t12_refreshes_at_once_get_the_same_successor_and_nobody_is_logged_out() {
    let (world, mut alice, client) = world().await;
    let first = client.connect(&mut alice, None).await;
    let answers = at_once(&world, (0..20).map(|_| client.refreshing(&first.refresh))).await;
    let tokens: Vec<Tokens> = answers.iter().map(Tokens::of).collect();
    for one in &tokens {
        assert_eq!(one.refresh, tokens[0].refresh, "one family");
        client.call("read_note", &one.access).await.is(200);
    }
    assert_ne!(tokens[0].refresh, first.refresh);
    client.refresh(&tokens[0].refresh).await.is(200);
}

#[tokio::test]
async fn t11_t12_a_retry_is_good_for_a_minute_and_until_the_successor_is_used() {
    let (world, mut alice, client) = world().await;
    let first = client.connect(&mut alice, None).await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    world.advance(Duration::from_secs(59));
    assert_eq!(Tokens::of(&client.refresh(&first.refresh).await).refresh, second.refresh);
    // The successor is used: the one before the one before is a replay.
    let third = Tokens::of(&client.refresh(&second.refresh).await);
    client.refresh(&first.refresh).await.refuses(400, "invalid_grant");
    client.refresh(&third.refresh).await.refuses(400, "invalid_grant");
    client.call("read_note", &third.access).await.is_challenged(401, Some("invalid_token"));
    assert_eq!(world.state(&first.agent()).await, "ended: refresh_replayed");
    // Late: the same, without a third.
    let first = client.connect(&mut alice, None).await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    world.advance(Duration::from_secs(60));
    client.refresh(&first.refresh).await.refuses(400, "invalid_grant");
    client.refresh(&second.refresh).await.refuses(400, "invalid_grant");
}

#[tokio::test]
async fn t11_each_older_generation_ends_the_grant_and_a_forged_one_touches_nothing() {
    let (_world, mut alice, client) = world().await;
    for replayed in 0..4 {
        let mut family = vec![client.connect(&mut alice, None).await];
        for _ in 0..5 {
            let next = Tokens::of(&client.refresh(&family.last().unwrap().refresh).await);
            family.push(next);
        }
        let last = family.last().unwrap();
        client.refresh(&forge::altered(&family[replayed].refresh)).await.refuses(400, "invalid_grant");
        client.call("read_note", &last.access).await.is(200);
        client.refresh(&family[replayed].refresh).await.refuses(400, "invalid_grant");
        client.call("read_note", &last.access).await.is_challenged(401, Some("invalid_token"));
        client.refresh(&last.refresh).await.refuses(400, "invalid_grant");
    }
}

#[tokio::test]
async fn t13_t14_a_refresh_may_narrow_and_never_widens_and_a_refusal_burns_nothing() {
    let (world, mut alice, client) = world().await;
    let other = world.client_at("/mcp", WEB).await;
    let tokens = client.connect(&mut alice, Some("notes:read notes:write")).await;
    let form = client.refreshing(&tokens.refresh);
    for (name, value, status, error) in [
        ("scope", "notes:admin", 400, "invalid_scope"),
        ("scope", "notes:read notes:admin", 400, "invalid_scope"),
        ("scope", "unknown", 400, "invalid_scope"),
        ("scope", "a  b", 400, "invalid_scope"),
        ("resource", &*world.other, 400, "invalid_target"),
        ("resource", "nonsense", 400, "invalid_target"),
        ("client_id", &*other.id, 400, "invalid_grant"),
        ("client_id", "nobody", 401, "invalid_client"),
        ("refresh_token", "nonsense", 400, "invalid_grant"),
    ] {
        let answer = world.net.token(&with(&form, name, value)).await;
        assert_eq!(answer.is(status).oauth_error(), error, "{name}={value}");
    }
    let mut refresh = tokens.refresh;
    for (scope, granted) in [
        ("notes:read", "notes:read"),
        ("notes:read offline_access", "notes:read"),
        ("offline_access", "notes:read notes:write"),
        ("", "notes:read notes:write"),
        ("notes:write notes:read", "notes:read notes:write"),
    ] {
        let form = with(&client.refreshing(&refresh), "scope", scope);
        let next = Tokens::of(&world.net.token(&with(&form, "resource", &world.notes)).await);
        assert_eq!(next.scope, granted, "{scope}");
        assert_eq!(claims(&next.access)["scope"], granted, "{scope}");
        assert_eq!(claims(&next.access)["aud"], *world.notes, "{scope}");
        refresh = next.refresh;
    }
}

#[tokio::test]
async fn t03_t15_each_fault_has_the_word_clients_act_on() {
    let (world, mut alice, client) = world().await;
    let (machine, secret) = world.machine("notes:read").await;
    let code = client.exchange(&client.code(&mut alice, None).await);
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let grant = |grant: &str| with(&pair("client_id", &client.id), "grant_type", grant);
    for (name, form, status, error) in [
        ("nothing", pair("x", "y"), 400, "invalid_request"),
        ("no grant", pair("client_id", &client.id), 400, "invalid_request"),
        ("password", grant("password"), 400, "unsupported_grant_type"),
        ("implicit", grant("implicit"), 400, "unsupported_grant_type"),
        ("device", grant("urn:ietf:params:oauth:grant-type:device_code"), 400, "unsupported_grant_type"),
        ("jwt", grant("urn:ietf:params:oauth:grant-type:jwt-bearer"), 400, "unsupported_grant_type"),
        ("no code", grant("authorization_code"), 400, "invalid_request"),
        ("no refresh token", grant("refresh_token"), 400, "invalid_request"),
        ("not a machine", grant("client_credentials"), 400, "unauthorized_client"),
        ("nobody", with(&code, "client_id", ""), 401, "invalid_client"),
        ("unknown", with(&code, "client_id", "dcr_unknown"), 401, "invalid_client"),
        ("a secret it has not", with(&code, "client_secret", "x"), 401, "invalid_client"),
        ("dead code", with(&code, "code", "pc_code_x"), 400, "invalid_grant"),
        ("assertion without type", with(&code, "client_assertion", "a.b.c"), 400, "invalid_request"),
    ] {
        let answer = world.net.token(&form).await;
        assert_eq!(answer.is(status).oauth_error(), error, "{name}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{name}");
    }
    let cc = [("grant_type", "client_credentials")];
    let wrong = world.send(Ask::post("/token").basic(&machine, "wrong").form(&cc)).await;
    wrong.refuses(401, "invalid_client");
    assert!(wrong.header("www-authenticate").unwrap().starts_with("Basic "));
    let both = [("grant_type", "client_credentials"), ("client_secret", secret.as_str())];
    world
        .send(Ask::post("/token").basic(&machine, &secret).form(&both))
        .await
        .refuses(400, "invalid_request");
    for header in ["Basic", "Basic !!!", "Basic YQ==", "Bearer abc", "Digest x"] {
        let ask = Ask::post("/token").header("authorization", header).form(&cc);
        world.send(ask).await.refuses(401, "invalid_client");
    }
    let twice = Ask::post("/token").basic(&machine, &secret).basic(&machine, &secret).form(&cc);
    world.send(twice).await.refuses(400, "invalid_request");
    // A machine has no codes, and no refresh token either.
    let of_another = with(&with(&code, "client_id", ""), "redirect_uri", "");
    let answer = world.send(Ask::post("/token").basic(&machine, &secret).form(&of_another)).await;
    answer.refuses(400, "invalid_grant");
    world.net.token(&code).await.is(200);
}

#[tokio::test]
async fn t18_errors_are_fixed_ascii_and_repeat_nothing() {
    let (world, _, client) = world().await;
    for given in [
        "<script>alert(1)</script>",
        "ключ-ключ-ключ-ключ",
        "a\r\nset-cookie: x=y",
        "\"quoted\\",
        &"x".repeat(4000),
    ] {
        for name in ["code", "client_id", "grant_type", "code_verifier", "scope", "resource", "refresh_token"]
        {
            for grant in ["authorization_code", "refresh_token", "client_credentials"] {
                let mut form = vec![("grant_type".to_owned(), grant.to_owned())];
                for (other, value) in [("client_id", &*client.id), ("code", "c"), ("refresh_token", "r")] {
                    form.push((other.to_owned(), value.to_owned()));
                }
                let answer = world.net.token(&with(&form, name, given)).await;
                answer.oauth_error();
                assert!(answer.status < 500 && !answer.text().contains(given), "{name}={given}");
            }
        }
    }
}

#[tokio::test]
async fn t16_t_idle_grants_end_unused_old_or_with_what_they_rest_on() {
    let (world, mut alice, client) = world().await;
    let idle = client.connect(&mut alice, None).await;
    world.advance(DAY * 29);
    let idle = Tokens::of(&client.refresh(&idle.refresh).await);
    world.advance(DAY * 30);
    assert!(world.administer(Command::AgentList { all: false }).await.is_empty(), "over by itself, unasked");
    client.refresh(&idle.refresh).await.refuses(400, "invalid_grant");
    alice.sign_in("alice", PASSWORD).await;
    let mut old = client.connect(&mut alice, None).await;
    for _ in 0..18 {
        world.advance(DAY * 20);
        old = Tokens::of(&client.refresh(&old.refresh).await);
    }
    world.advance(DAY * 5);
    client.refresh(&old.refresh).await.refuses(400, "invalid_grant");
}

#[tokio::test]
async fn t20_t_db_dump_no_secret_lies_in_the_files() {
    let (world, mut alice, client) = world().await;
    let (_, secret) = world.machine("notes:read").await;
    let code: Code = client.code(&mut alice, None).await;
    let first = client.redeem(&code).await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let session = alice.jar.values().find(|value| value.starts_with("pc_ses_")).unwrap().clone();
    let secrets = [&secret, &code.code, &first.refresh, &second.refresh, &first.access, &session];
    let mut files = 0;
    for entry in std::fs::read_dir(world.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        for text in secrets.iter().map(|text| text.as_bytes()).chain([PASSWORD.as_bytes()]) {
            assert!(!bytes.windows(text.len()).any(|window| window == text));
        }
    }
    assert!(files > 0);
    for text in [&code.code, &first.refresh, &secret] {
        assert!(text.len() >= 43 && text.starts_with("pc_"), "256 random bits at least");
    }
}

#[tokio::test]
async fn without_the_grant_no_refresh_token_is_given() {
    let (world, mut alice, _) = world().await;
    let body = serde_json::json!({
        "redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"],
    });
    let mut client = world.client().await;
    let json = world.send(Ask::post("/register").json(&body)).await.is(201).json();
    client.id = json["client_id"].as_str().unwrap().to_owned();
    assert!(client.connect(&mut alice, None).await.refresh.is_empty());
    let kinds: Vec<EventKind> = world.events().await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds[0], EventKind::TokenIssued);
}
