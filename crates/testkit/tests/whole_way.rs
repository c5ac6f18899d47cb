//! The whole way, once: from a bare 401 to a revoked token.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use portcullis_testkit::{Tokens, World};

#[tokio::test]
async fn from_a_bare_401_to_a_call_a_refresh_and_the_end() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let first = client.connect(&mut alice, None).await;
    assert_eq!(first.scope, "notes:read");
    client.call("read_note", &first.access).await.is(200);
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    client.call("read_note", &second.access).await.is(200);
    let seen = world.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| !seen.has_credential && seen.client == client.id));
    client.revoke(&second.refresh).await.is(200);
    for token in [&first.access, &second.access] {
        client.call("read_note", token).await.is_challenged(401, Some("invalid_token"));
    }
    client.refresh(&second.refresh).await.refuses(400, "invalid_grant");
}
