//! Calls that wait for their person (protocol R20).

use std::time::Duration;

use portcullis_testkit::{Answer, World};
use serde_json::{Value, json};

use crate::scene::{Scene, builder, call, calls, went};

const TOOL: &str = "delete_note";

/// The page of ours that a refused call names.
#[track_caller]
fn page(world: &World, answer: &Answer) -> String {
    let json = answer.is(200).json();
    assert_eq!(json["result"]["isError"], true, "{json}");
    let text = json["result"]["content"][0]["text"].as_str().unwrap();
    let url = text.split_whitespace().find(|word| word.contains("/approve?id=")).unwrap();
    world.net.target(url)
}

async fn approve(scene: &mut Scene, arguments: &Value) {
    let answer = scene.call(TOOL, arguments).await;
    let address = page(&scene.world, &answer);
    let form = scene.alice.open(&address).await.form("/approve");
    scene.alice.press(&form, Some("approve")).await.is(303);
}

#[tokio::test]
async fn r20_an_approved_call_passes_once_and_nothing_else_does() {
    let mut scene = Scene::set(builder()).await;
    let arguments = json!({ "id": "n1" });
    let other = scene.client.connect(&mut scene.alice, Some("notes:read")).await;
    approve(&mut scene, &arguments).await;
    page(&scene.world, &scene.call(TOOL, &json!({ "id": "n2" })).await);
    page(&scene.world, &call(&scene.world, &other.access, TOOL, &arguments).await);
    assert!(scene.world.seen().is_empty(), "nothing went so far");
    went(&scene.call(TOOL, &arguments).await);
    page(&scene.world, &scene.call(TOOL, &arguments).await);
    assert_eq!(scene.world.seen().len(), 1);
    let passed = calls(&scene.world).await;
    let passed: Vec<_> = passed.iter().filter(|row| row["decision"] == "allowed_by_person").collect();
    assert_eq!(passed.len(), 1);
    assert_eq!((&passed[0]["tool"], &passed[0]["agent"]), (&json!(TOOL), &json!(scene.tokens.agent())));
}

#[tokio::test]
async fn r20_an_approval_is_over_after_ten_minutes() {
    let mut scene = Scene::set(builder()).await;
    let arguments = json!({ "id": "n1" });
    approve(&mut scene, &arguments).await;
    scene.world.advance(Duration::from_secs(601));
    let fresh = portcullis_testkit::Tokens::of(&scene.client.refresh(&scene.tokens.refresh).await);
    page(&scene.world, &call(&scene.world, &fresh.access, TOOL, &arguments).await);
    assert!(scene.world.seen().is_empty());
}

#[tokio::test]
async fn r20_of_the_same_call_many_times_at_once_one_passes() {
    let mut scene = Scene::set(builder()).await;
    let arguments = json!({ "id": "n1" });
    approve(&mut scene, &arguments).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let ask = crate::scene::calling(&scene.tokens.access, TOOL, &arguments);
        let net = scene.world.net.clone();
        calls.spawn(async move { net.send(ask).await });
    }
    let answers = calls.join_all().await;
    let passed = answers.iter().filter(|answer| answer.json()["result"]["echo"].is_object()).count();
    assert_eq!((passed, scene.world.seen().len()), (1, 1));
}
