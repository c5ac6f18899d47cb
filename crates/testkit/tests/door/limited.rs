//! Limits for each agent.

use std::sync::Arc;
use std::time::Duration;

use portcullis_rules::budget::{Each, Limit, Of, Only};
use portcullis_rules::tools::NewTools;
use portcullis_testkit::{Answer, World};
use serde_json::json;

use crate::scene::{Scene, builder, call, calls, went};

const ISSUER: &str = "https://notes.example.com";

fn limit(most: u32, window: Duration) -> Limit {
    Limit { of: Of::Calls, most, window, only: Only::default(), each: Each::Agent }
}

#[track_caller]
fn is_limited(answer: &Answer) -> u64 {
    let json = answer.is(429).json();
    assert!(json["error"]["message"].as_str().unwrap().contains("Limit reached"), "{json}");
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_agent_that_used_up_its_calls_is_told_when_to_come_again_and_others_go_on() {
    let limits = vec![limit(3, Duration::from_secs(60))];
    let mut scene = Scene::set(builder().settings(|settings| settings.limits = limits)).await;
    let other = scene.client.connect(&mut scene.alice, Some("notes:read")).await;
    scene.world.advance(Duration::from_secs(1));
    for _ in 0..3 {
        went(&scene.call("read_note", &json!({})).await);
    }
    let wait = is_limited(&scene.call("read_note", &json!({})).await);
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(calls(&scene.world).await[0]["decision"], "limited");
    went(&call(&scene.world, &other.access, "read_note", &json!({})).await);
    scene.world.advance(Duration::from_secs(wait));
    went(&scene.call("read_note", &json!({})).await);
}

#[tokio::test]
async fn t_caps_invented_tools_use_up_what_one_tool_has_and_leave_the_real_ones_alone() {
    let each = Limit { each: Each::Tool, ..limit(3, Duration::from_secs(60)) };
    let builder = World::builder().door(NewTools::Allow).settings(|settings| settings.limits = vec![each]);
    let scene = Scene::set(builder).await;
    for number in 0..3 {
        scene.call(&format!("invented_{number}"), &json!({})).await.is(200);
    }
    is_limited(&scene.call("invented_again", &json!({})).await);
    went(&scene.call("read_note", &json!({})).await);
}

#[tokio::test]
async fn a_daily_budget_is_remembered_after_a_restart() {
    let day = || vec![limit(2, Duration::from_secs(24 * 60 * 60))];
    let before = builder().issuer(ISSUER).settings(move |settings| settings.limits = day());
    let scene = Scene::set(before).await;
    for _ in 0..2 {
        went(&scene.call("read_note", &json!({})).await);
    }
    scene.world.app.flush().await;
    let (directory, token) = (Arc::clone(&scene.world.directory), scene.tokens.access.clone());
    drop(scene);
    let after = builder().issuer(ISSUER).over(directory).settings(move |settings| settings.limits = day());
    let world = after.start().await;
    is_limited(&call(&world, &token, "read_note", &json!({})).await);
    assert!(world.seen().is_empty());
}
