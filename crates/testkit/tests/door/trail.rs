//! What is written down of a call, when, and what happens when it cannot be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_server::admin::Command;
use portcullis_server::{Calls, WhenFull};
use portcullis_store::{CommitError, StoreError};
use portcullis_testkit::{Ask, PASSWORD};
use serde_json::json;

use crate::scene::{Scene, builder, call, calling, calls, is_whole, rows, went};
use crate::sluice::Sluice;

const ISSUER: &str = "https://notes.example.com";
const CANARY: &str = "canary-of-an-argument";

#[tokio::test]
async fn t_canary_a_call_leaves_a_row_with_every_field_and_no_secret() {
    let scene = Scene::set(builder()).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let ask = calling(&scene.tokens.access, "read_note", &json!({ "text": CANARY }))
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = scene.world.send(ask).await;
    went(&answer);
    let row = calls(&scene.world).await.remove(0);
    let user = scene.world.administer(Command::UserList).await[0]["id"].clone();
    for (name, expected) in [
        ("event", json!("tool_called")),
        ("agent", json!(scene.tokens.agent())),
        ("client_id", json!(scene.client.id)),
        ("subject", user),
        ("resource", json!(scene.world.notes)),
        ("tool", json!("read_note")),
        ("method", json!("tools/call")),
        ("scopes", json!(["notes:read"])),
        ("decision", json!("allowed")),
        ("ending", json!("answered")),
        ("request", json!(answer.header("x-request-id").unwrap())),
        ("trace", json!(trace)),
        ("person", json!("alice")),
        ("values", json!(null)),
    ] {
        assert_eq!(row[name], expected, "{name}: {row}");
    }
    assert!(row["rule"].as_str().unwrap().contains("notes:read"), "{row}");
    assert!(row["arguments"].as_str().is_some_and(|digest| digest.len() >= 43), "{row}");
    assert!(row["latency_us"].is_number() && row["number"].is_number() && row["hash"].is_string(), "{row}");
    let all = format!("{:?}", rows(&scene.world).await);
    for secret in [CANARY, PASSWORD, &scene.tokens.access, &scene.tokens.refresh] {
        assert!(!all.contains(secret), "{secret}");
    }
    scene.world.app.flush().await;
    for file in std::fs::read_dir(scene.world.directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    }
}

#[tokio::test]
async fn t_flood_refusals_with_nobody_behind_them_are_counted_and_have_no_row_each() {
    let scene = Scene::set(builder()).await;
    rows(&scene.world).await;
    for number in 0..50 {
        scene.world.send(Ask::tool("/mcp", "read_note")).await.is(401);
        call(&scene.world, &format!("invented-{number}"), "read_note", &json!({})).await.is(401);
    }
    let rows = rows(&scene.world).await;
    let counted: Vec<_> =
        rows.iter().filter(|row| row["event"] == "refused_unproven" && row["count"] == 50).collect();
    assert_eq!(counted.len(), 2, "{counted:?}");
}

#[tokio::test]
async fn t_flood_an_agent_that_knocks_and_asks_again_for_tokens_fills_no_trail() {
    let scene = Scene::set(builder()).await;
    went(&scene.call("read_note", &json!({})).await);
    rows(&scene.world).await;
    let before = rows(&scene.world).await.len();
    scene.client.refresh(&scene.tokens.refresh).await.is(200);
    for number in 0..100 {
        scene.call(&format!("invented_{number}"), &json!({})).await.is(200);
        scene.call("delete_note", &json!({})).await.is(200);
        scene.client.refresh(&scene.tokens.refresh).await.is(200);
    }
    let rows = rows(&scene.world).await;
    let rows = &rows[..rows.len() - before];
    assert!(rows.len() <= 50, "{}", rows.len());
    for (what, word) in
        [("decision", "hidden"), ("decision", "awaits_approval"), ("event", "refresh_retried")]
    {
        let told: Vec<_> = rows.iter().filter(|row| row[what] == word).collect();
        assert_eq!(told.iter().map(|row| row["count"].as_u64().unwrap_or(1)).sum::<u64>(), 100, "{word}");
        assert!(told.iter().all(|row| row["agent"] == scene.tokens.agent()), "{told:?}");
        assert!(told.iter().any(|row| row["count"].is_null() && row["resource"].is_string()), "{told:?}");
    }
    is_whole(&scene.world).await;
}

#[tokio::test]
async fn t_audit_who_is_erased_is_gone_and_the_trail_verifies_after_a_restart_too() {
    let scene = Scene::set(builder().issuer(ISSUER)).await;
    went(&scene.call("read_note", &json!({ "text": CANARY })).await);
    is_whole(&scene.world).await;
    scene.world.administer(Command::UserErase { name: "alice".to_owned() }).await;
    is_whole(&scene.world).await;
    let row = calls(&scene.world).await.remove(0);
    assert!(row["person"].is_null() && row["arguments"].is_null(), "{row}");
    assert!(!format!("{:?}", rows(&scene.world).await).contains("alice"));
    scene.call("read_note", &json!({})).await.is_challenged(401, Some("invalid_token"));
    scene.world.app.flush().await;
    let directory = Arc::clone(&scene.world.directory);
    drop(scene);
    let world = builder().issuer(ISSUER).over(directory).start().await;
    is_whole(&world).await;
    assert_eq!(calls(&world).await.len(), 1);
}

/// A scene over a store that can be made to fail.
async fn gated(calls: Calls, when_full: WhenFull) -> (Scene, Arc<Sluice>) {
    let held: Arc<Mutex<Option<Arc<Sluice>>>> = Arc::default();
    let place = Arc::clone(&held);
    let builder = builder()
        .settings(move |settings| {
            settings.audit.calls = calls;
            settings.audit.when_full = when_full;
        })
        .store(move |store| {
            let sluice = Arc::new(Sluice::new(store));
            *place.lock().unwrap() = Some(Arc::clone(&sluice));
            sluice
        });
    let scene = Scene::set(builder).await;
    // The server's tools are known before the disk is full.
    went(&scene.call("read_note", &json!({})).await);
    scene.world.app.flush().await;
    let sluice = held.lock().unwrap().take().unwrap();
    (scene, sluice)
}

fn full() -> CommitError {
    CommitError::Store(StoreError::Broken("disk full".to_owned()))
}

#[tokio::test]
async fn a_call_is_on_disk_before_the_server_sees_it_where_the_owner_wants_that() {
    let (scene, sluice) = gated(Calls::Before, WhenFull::Stop).await;
    let seen = scene.world.seen().len();
    sluice.hold(|_| true);
    let (net, ask) = (scene.world.net.clone(), calling(&scene.tokens.access, "read_note", &json!({})));
    let waiting = tokio::spawn(async move { net.send(ask).await });
    sluice.arrival().await;
    assert_eq!(scene.world.seen().len(), seen, "the row stands at the store's door, and the call with it");
    sluice.release();
    went(&waiting.await.unwrap());
    assert_eq!(scene.world.seen().len(), seen + 1);
}

#[tokio::test]
async fn a_trail_that_cannot_be_written_stops_calls_or_not_as_its_owner_says() {
    for (mode, when_full, goes) in [
        (Calls::Before, WhenFull::Stop, false),
        (Calls::Before, WhenFull::Go, true),
        (Calls::Batched, WhenFull::Stop, false),
        (Calls::Batched, WhenFull::Go, true),
    ] {
        let (scene, sluice) = gated(mode, when_full).await;
        sluice.break_commits(Some(full()));
        if mode == Calls::Batched {
            // The first call goes either way; that its row could not be written stops the second.
            went(&scene.call("read_note", &json!({})).await);
            scene.world.app.flush().await;
        }
        let seen = scene.world.seen().len();
        let answer = scene.call("read_note", &json!({})).await;
        match goes {
            true => drop(went(&answer)),
            false => assert!(answer.is(503).header("retry-after").is_some()),
        }
        assert_eq!(scene.world.seen().len(), seen + usize::from(goes), "{mode:?} {when_full:?}");
        sluice.break_commits(None);
        scene.world.app.flush().await;
        went(&scene.call("read_note", &json!({})).await);
        scene.world.advance(Duration::from_secs(1));
        is_whole(&scene.world).await;
    }
}
