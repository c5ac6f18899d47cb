//! Many agents at once, and one that is cut off.

use std::collections::HashMap;
use std::time::Duration;

use portcullis_server::admin::Command;
use portcullis_testkit::{Ask, Tokens, claims};
use serde_json::json;

use crate::scene::{Scene, builder, call, calling, calls, went};

const AGENTS: usize = 200;

#[tokio::test]
async fn t_crosstalk_two_hundred_agents_at_once_get_their_own_answers() {
    let world = builder().start().await;
    let mut agents = Vec::new();
    for _ in 0..AGENTS {
        let (id, secret) = world.machine("notes:read").await;
        let ask = Ask::post("/token").basic(&id, &secret).form(&[("grant_type", "client_credentials")]);
        agents.push(Tokens::of(&world.send(ask).await).access);
    }
    let mut running = tokio::task::JoinSet::new();
    for token in agents {
        let net = world.net.clone();
        running.spawn(async move {
            let own = claims(&token)["sub"].as_str().unwrap().to_owned();
            for round in 0..3 {
                // All of them use the same id of JSON-RPC.
                let answer =
                    net.send(calling(&token, "read_note", &json!({ "of": own, "round": round }))).await;
                let result = went(&answer)["result"].clone();
                assert_eq!(result["content"][0]["text"], own);
                assert_eq!(result["echo"], json!({ "of": own, "round": round }));
            }
            own
        });
    }
    let owners = running.join_all().await;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for one in world.seen() {
        assert!(!one.has_credential && one.body.contains(&one.subject));
        *seen.entry(one.subject).or_default() += 1;
    }
    assert_eq!(seen.len(), AGENTS);
    assert!(owners.iter().all(|owner| seen[owner] == 3));
}

#[tokio::test]
async fn r26_an_agent_that_is_cut_off_loses_its_open_stream_at_once_and_nobody_else_does() {
    let mut scene = Scene::set(builder()).await;
    let other = scene.client.connect(&mut scene.alice, Some("notes:read")).await;
    let watch = |token: &str| {
        let (net, ask) = (scene.world.net.clone(), calling(token, "watch", &json!({})));
        tokio::spawn(async move { net.send(ask).await })
    };
    let (cut, kept) = (watch(&scene.tokens.access), watch(&other.access));
    while scene.world.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    scene.world.administer(Command::AgentRevoke { id: scene.tokens.agent() }).await;
    let ended = tokio::time::timeout(Duration::from_secs(5), cut).await;
    assert!(ended.is_ok(), "the stream outlived its agent");
    call(&scene.world, &scene.tokens.access, "read_note", &json!({}))
        .await
        .is_challenged(401, Some("invalid_token"));
    assert!(!kept.is_finished());
    went(&call(&scene.world, &other.access, "read_note", &json!({})).await);
    kept.abort();
    let ended = calls(&scene.world).await;
    assert!(
        ended.iter().any(|row| row["ending"] == "cut" && row["agent"] == scene.tokens.agent()),
        "{ended:?}"
    );
}
