//! Personal tokens: read by their issuer, and asked everything else that a signed token is asked.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use portcullis_guard::{Guard, OpaqueFault, OpaqueTokens};
use portcullis_jose::claims::Audience;
use world::{NOW, RESOURCE, World, post};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn guard(world: &Arc<World>) -> Guard {
    world.builder(RESOURCE).opaque_tokens(Arc::clone(world) as Arc<dyn OpaqueTokens>).build()
}

#[tokio::test]
async fn a_personal_token_is_looked_up_once_and_then_remembered_for_as_long_as_it_says() {
    let world = World::new();
    let guard = guard(&world);
    let mut claims = world.claims("mcp:tools");
    claims.exp = NOW + 30;
    *world.personal.lock().unwrap() = Some(Ok(claims));
    for _ in 0..3 {
        assert_eq!(post(&guard, "pt_x", CALL).await.status, StatusCode::OK);
    }
    assert_eq!(world.lookups.load(Ordering::SeqCst), 1);
    world.now.store(NOW + 30, Ordering::SeqCst);
    *world.personal.lock().unwrap() = Some(Err(OpaqueFault::Refused));
    let answer = post(&guard, "pt_x", CALL).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.challenge().unwrap().contains("invalid_token"));
}

#[tokio::test]
async fn t_revoke_lattice_a_cut_refuses_a_personal_token_that_was_just_seen() {
    let world = World::new();
    let guard = guard(&world);
    *world.personal.lock().unwrap() = Some(Ok(world.claims("mcp:tools")));
    assert_eq!(post(&guard, "pt_x", CALL).await.status, StatusCode::OK);
    world.cut_after.store(2, Ordering::SeqCst);
    *world.personal.lock().unwrap() = Some(Err(OpaqueFault::Refused));
    assert_eq!(post(&guard, "pt_x", CALL).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn t_aud_matrix_a_personal_token_for_another_resource_is_refused() {
    let world = World::new();
    let mut claims = world.claims("mcp:tools");
    claims.aud = Audience::one("https://other.example.com/mcp");
    *world.personal.lock().unwrap() = Some(Ok(claims));
    assert_eq!(post(&guard(&world), "pt_x", CALL).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn t_fail_closed_a_personal_token_that_cannot_be_looked_up_is_503_and_without_the_port_401() {
    let world = World::new();
    assert_eq!(post(&guard(&world), "pt_x", CALL).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(post(&world.plain(), "pt_x", CALL).await.status, StatusCode::UNAUTHORIZED);
}
