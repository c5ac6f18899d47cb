//! What a token must be to be let through (RFC 9068 §4, RFC 6750 §3; protocol R06 to R12, R23).

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use portcullis_guard::{Clock, Denied, Keys, TokenFault};
use portcullis_jose::JoseError;
use portcullis_jose::claims::{Audience, ClaimsError};
use portcullis_jose::key::{Alg, SigningKey};
use portcullis_wire::time::UnixTime;
use proptest::prelude::*;
use world::{ISSUER, NOW, RESOURCE, World, post, request, send, set};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn now() -> UnixTime {
    UnixTime::from_seconds(NOW)
}

#[tokio::test]
async fn r06_a_good_token_is_let_through() {
    let world = World::new();
    let answer = post(&world.plain(), &world.token("mcp:tools"), PING).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, PING);
    assert_eq!(answer.header("x-subject"), Some("usr_0000000000001"));
    assert_eq!(answer.challenge(), None);
}

#[tokio::test]
async fn r06_r07_without_credentials_the_challenge_is_bare() {
    let world = World::new();
    for (name, headers) in [("none", vec![]), ("another scheme", vec![("authorization", "Basic YTpi")])] {
        let answer = send(&world.plain(), request("POST", None, &headers, PING)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(
            answer.challenge(),
            Some(
                "Bearer scope=\"mcp:tools\", \
                 resource_metadata=\"https://notes.example.com/.well-known/oauth-protected-resource/mcp\""
            ),
            "{name}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn r08_t_challenge_a_bad_token_is_invalid_token() {
    let world = World::new();
    let answer = post(&world.plain(), "a.b.c", PING).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let challenge = answer.challenge().unwrap();
    assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""), "{challenge}");
    assert!(challenge.ends_with("/.well-known/oauth-protected-resource/mcp\""), "{challenge}");
    assert_eq!(answer.json()["error"], "invalid_token");
    assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
}

#[test]
fn r12_each_claim_is_held_against_this_place_and_time() {
    let world = World::new();
    let good = world.claims("mcp:tools");
    type Change = fn(&mut portcullis_jose::claims::AccessClaims);
    let cases: [(&str, Change, Result<(), Denied>); 12] = [
        ("as it is", |_| {}, Ok(())),
        ("no scope at all", |c| c.scope = None, Ok(())),
        (
            "another issuer",
            |c| c.iss = "https://evil.example".into(),
            Err(TokenFault::Claims(ClaimsError::Issuer).into()),
        ),
        (
            "issuer with a slash",
            |c| c.iss = format!("{ISSUER}/"),
            Err(TokenFault::Claims(ClaimsError::Issuer).into()),
        ),
        (
            "another audience",
            |c| c.aud = Audience::one("https://mail.example.com/mcp"),
            Err(TokenFault::Claims(ClaimsError::Audience).into()),
        ),
        ("expires now", |c| c.exp = NOW, Err(TokenFault::Claims(ClaimsError::Expired).into())),
        ("one second left", |c| c.exp = NOW + 1, Ok(())),
        ("not yet", |c| c.nbf = Some(NOW + 1), Err(TokenFault::Claims(ClaimsError::NotYet).into())),
        ("made in the future", |c| c.iat = NOW + 1, Err(TokenFault::Claims(ClaimsError::NotYet).into())),
        ("client with a space", |c| c.client_id = "a b".into(), Err(TokenFault::Client.into())),
        ("scope with two spaces", |c| c.scope = Some("a  b".into()), Err(TokenFault::Scope.into())),
        ("a grant of somebody else's kind", |c| c.grant = Some("g-1".into()), Ok(())),
    ];
    for (name, change, expected) in cases {
        let mut claims = good.clone();
        change(&mut claims);
        let verdict = world.plain().verify_token(&world.sign(&claims), now()).map(|_| ());
        assert_eq!(verdict, expected, "{name}");
    }
}

#[test]
fn t_aud_matrix_a_token_opens_its_own_resource_and_no_other() {
    let world = World::new();
    let resources = [
        "https://notes.example.com/mcp",
        "https://notes.example.com/mcp/",
        "https://notes.example.com",
        "https://notes.example.com/MCP",
        "https://notes.example.com/mcp2",
        "https://notes.example.com:8443/mcp",
        "https://mail.example.com/mcp",
        "http://127.0.0.1:8414/mcp",
    ];
    for own in resources {
        let mut claims = world.claims("mcp:tools");
        claims.aud = Audience::one(own);
        let token = world.sign(&claims);
        for asked in resources {
            let verdict = world.builder(asked).build().verify_token(&token, now());
            assert_eq!(verdict.is_ok(), own == asked, "token for {own} at {asked}");
        }
    }
}

#[test]
fn t_absent_each_claim_that_is_missing_or_of_another_type_refuses() {
    let world = World::new();
    let guard = world.plain();
    let good = serde_json::to_value(world.claims("mcp:tools")).unwrap();
    for claim in ["iss", "sub", "aud", "client_id", "exp", "iat", "jti"] {
        for bad in [
            None,
            Some("null"),
            Some("[]"),
            Some("{}"),
            Some("true"),
            Some("\"\""),
            Some("1e400"),
            Some("-1.5"),
        ] {
            let mut claims = good.clone();
            let members = claims.as_object_mut().unwrap();
            members.remove(claim);
            if let Some(value) = bad.and_then(|bad| serde_json::from_str::<serde_json::Value>(bad).ok()) {
                members.insert(claim.to_owned(), value);
            }
            let token = world.key.sign("at+jwt", &claims).unwrap();
            let verdict = guard.verify_token(&token, now());
            assert_eq!(verdict.err(), Some(TokenFault::Jose(JoseError::Claims).into()), "{claim} as {bad:?}");
        }
    }
}

#[test]
fn t_token_types_only_access_tokens_are_access_tokens() {
    let world = World::new();
    for (typ, fits) in
        [("at+jwt", true), ("application/at+jwt", true), ("JWT", false), ("logout+jwt", false), ("", false)]
    {
        let token = world.key.sign(typ, &world.claims("mcp:tools")).unwrap();
        assert_eq!(world.plain().verify_token(&token, now()).is_ok(), fits, "{typ:?}");
    }
    let stranger = SigningKey::generate(Alg::Es256).unwrap();
    let token = stranger.sign("at+jwt", &world.claims("mcp:tools")).unwrap();
    assert_eq!(
        world.plain().verify_token(&token, now()).err(),
        Some(TokenFault::Jose(JoseError::UnknownKey).into())
    );
}

#[test]
fn t_garbage_token_a_hundred_thousand_bad_tokens_are_401() {
    let world = World::new();
    let guard = world.plain();
    let good = world.token("mcp:tools").into_bytes();
    assert!(guard.verify_token(std::str::from_utf8(&good).unwrap(), now()).is_ok());
    let alphabet = b"ABCDEFabcdef0123456789-_.~+/=";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for round in 0..100_000 {
        let token = match round % 4 {
            0 => (0..next(200)).map(|_| alphabet[next(alphabet.len())]).collect(),
            1 => good[..next(good.len())].to_vec(),
            2 => {
                let mut token = good.clone();
                let at = next(token.len());
                token.insert(at, alphabet[next(alphabet.len())]);
                token
            }
            _ => {
                let mut token = good.clone();
                // The header and signature, so that no arithmetic is spent on most of them.
                let at = next(40);
                let other = alphabet[next(alphabet.len())];
                if token[at] == other {
                    continue;
                }
                token[at] = other;
                token
            }
        };
        let token = String::from_utf8(token).unwrap();
        match guard.verify_token(&token, now()) {
            Err(denied) => assert_eq!(denied.status(), StatusCode::UNAUTHORIZED, "{token}"),
            Ok(_) => panic!("let through: {token}"),
        }
    }
}

proptest! {
    #[test]
    fn t_garbage_token_no_header_makes_the_guard_panic(value in proptest::collection::vec(any::<u8>(), 0..128)) {
        let world = World::new();
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            let headers = [(http::header::AUTHORIZATION, value)].into_iter().collect();
            let denied = world.plain().verify(&headers, &http::Uri::from_static("/mcp"), now()).unwrap_err();
            prop_assert!(matches!(denied.status(), StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST));
        }
    }
}

#[tokio::test]
async fn r11_t_query_token_a_valid_token_in_the_url_is_refused() {
    let world = World::new();
    let token = world.token("mcp:tools");
    for (name, uri, header, status) in [
        ("alone", format!("/mcp?access_token={token}"), None, StatusCode::UNAUTHORIZED),
        (
            "beside a header",
            format!("/mcp?access_token={token}"),
            Some(token.as_str()),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let mut request = request("POST", header, &[], PING);
        *request.uri_mut() = uri.parse().unwrap();
        let answer = send(&world.plain(), request).await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.challenge().unwrap().contains("error="), header.is_some(), "{name}");
    }
}

#[tokio::test]
async fn r11_two_or_malformed_credentials_are_invalid_request() {
    let world = World::new();
    let token = world.token("mcp:tools");
    let second = format!("Bearer {token}");
    for (name, headers) in [
        ("two headers", vec![("authorization", second.as_str())]),
        ("two schemes", vec![("authorization", "Basic YTpi")]),
    ] {
        let answer = send(&world.plain(), request("POST", Some(&token), &headers, PING)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert_eq!(answer.json()["error"], "invalid_request", "{name}");
        assert!(answer.challenge().unwrap().contains("error=\"invalid_request\""), "{name}");
    }
    let answer = send(&world.plain(), request("POST", Some("a b"), &[], PING)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn r23_an_unknown_key_is_fetched_once() {
    let world = World::new();
    let guard = world.plain();
    let next = SigningKey::generate(Alg::Es256).unwrap();
    *world.published.lock().unwrap() = set(&[&world.key, &next]);
    let token = next.sign("at+jwt", &world.claims("mcp:tools")).unwrap();
    assert_eq!(post(&guard, &token, PING).await.status, StatusCode::OK);
    assert_eq!(world.refreshes.load(Ordering::SeqCst), 1);
    assert_eq!(post(&guard, &token, PING).await.status, StatusCode::OK);
    assert_eq!(world.refreshes.load(Ordering::SeqCst), 1);
    let stranger = SigningKey::generate(Alg::Es256).unwrap();
    let token = stranger.sign("at+jwt", &world.claims("mcp:tools")).unwrap();
    assert_eq!(post(&guard, &token, PING).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.refreshes.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn r08_a_token_seen_before_is_asked_everything_that_can_change() {
    let world = World::new();
    let guard = world.plain();
    let token = world.token("mcp:tools");
    assert!(guard.verify_token(&token, now()).is_ok());

    world.cut_after.store(2, Ordering::SeqCst);
    assert_eq!(
        guard.verify_token(&token, now()).err(),
        Some(TokenFault::Revoked.into()),
        "a cut it has not seen"
    );
    world.cut_after.store(1, Ordering::SeqCst);
    assert!(guard.verify_token(&token, now()).is_ok(), "a cut it has seen");

    let end = UnixTime::from_seconds(NOW + 600);
    assert_eq!(guard.verify_token(&token, end).err(), Some(TokenFault::Claims(ClaimsError::Expired).into()));

    let next = SigningKey::generate(Alg::Es256).unwrap();
    *world.keys.lock().unwrap() = set(&[&next]);
    let gone = Some(Denied::Token(TokenFault::Jose(JoseError::UnknownKey)));
    assert_eq!(guard.verify_token(&token, now()).err(), gone, "its key is gone");
}

#[tokio::test]
async fn t_fail_closed_silence_refuses_and_says_that_it_will_pass() {
    let world = World::new();
    let guard = world.plain();
    let token = world.token("mcp:tools");
    assert_eq!(post(&guard, &token, PING).await.status, StatusCode::OK);
    world.silent.store(true, Ordering::SeqCst);
    let answer = post(&guard, &token, PING).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert_eq!(answer.challenge(), None);
    world.silent.store(false, Ordering::SeqCst);

    let none = Arc::new(portcullis_jose::key::KeySet::from_keys([]).unwrap());
    *world.keys.lock().unwrap() = Arc::clone(&none);
    *world.published.lock().unwrap() = none;
    assert_eq!(post(&guard, &token, PING).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(Keys::keys(&*world).is_empty());
}

#[test]
fn a_fresh_token_of_this_process_is_known_at_its_first_use() {
    let world = World::new();
    let guard = world.plain();
    let mut claims = world.claims("mcp:tools");
    // Never signed at all: only what was vouched for is let through without a look at the signature.
    let unsigned = "a.b.c";
    guard.seen(unsigned, claims.clone(), world.key.kid());
    assert_eq!(guard.verify_token(unsigned, world.now()).unwrap().token, "token-1");
    assert!(guard.verify_token("a.b.d", world.now()).is_err());
    claims.aud = Audience::one("https://mail.example.com/mcp");
    guard.seen("d.e.f", claims, world.key.kid());
    assert!(guard.verify_token("d.e.f", world.now()).is_err());
}

#[test]
fn r23_leeway_is_bounded() {
    let world = World::new();
    let mut claims = world.claims("mcp:tools");
    claims.exp = NOW - 59;
    let token = world.sign(&claims);
    let at = |leeway: i64, late: i64| {
        let guard = world.builder(RESOURCE).leeway(leeway).build();
        guard.verify_token(&token, UnixTime::from_seconds(NOW + late)).is_ok()
    };
    assert!(!at(0, 0));
    assert!(at(60, 0));
    assert!(!at(60, 1));
    assert!(!at(i64::MAX, 1));
}

#[test]
fn r26_an_agent_let_through_earlier_can_be_asked_about_again() {
    let world = World::new();
    let guard = world.plain();
    let agent = guard.verify_token(&world.token("mcp:tools"), now()).unwrap();
    assert_eq!(guard.recheck(&agent, now()), Ok(()));
    let late = UnixTime::from_seconds(NOW + 600);
    assert_eq!(guard.recheck(&agent, late), Err(TokenFault::Claims(ClaimsError::Expired).into()));
    let elsewhere = world.builder("https://mail.example.com/mcp").build();
    assert_eq!(elsewhere.recheck(&agent, now()), Err(TokenFault::Claims(ClaimsError::Audience).into()));
    world.cut_after.store(2, Ordering::SeqCst);
    assert_eq!(guard.recheck(&agent, now()), Err(TokenFault::Revoked.into()));
    world.silent.store(true, Ordering::SeqCst);
    assert_eq!(guard.recheck(&agent, now()), Err(Denied::Unready));
}
