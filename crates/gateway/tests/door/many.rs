//! Many at once.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::world::World;

/// 200 agents, all with the same ids, each in a session of its own: no answer, session or task reaches another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_crosstalk_two_hundred_agents_with_the_same_ids_get_their_own_answers() {
    let world = Arc::new(World::new());
    let mut agents = JoinSet::new();
    for number in 0..200 {
        let world = Arc::clone(&world);
        agents.spawn(async move {
            let agent = format!("a{number}");
            let client = world.client(&agent).begin().await;
            for round in 0..10 {
                let answer = client.call("read_note", json!({"tag": agent, "round": round})).await;
                assert_eq!(answer.said(), format!("\"read_note\" for usr_{agent}"));
                assert_eq!(answer.json()["result"]["echo"], json!({"tag": agent, "round": round}));
                let stateless = world.client(&agent).call("read_note", json!({"tag": agent})).await;
                assert_eq!(stateless.json()["result"]["echo"]["tag"], json!(agent));
            }
            (agent, client.session().to_owned())
        });
    }
    let all = agents.join_all().await;
    for seen in world.server.seen() {
        if let Some(session) = seen.headers.get("mcp-session-id") {
            assert_eq!(session.to_str().unwrap(), format!("upstream-{}", seen.subject.unwrap()));
        }
    }
    let looks = world.server.seen.lock().unwrap().iter().filter(|seen| seen.is_internal).count();
    assert_eq!(looks, 1, "one look for all");
    let rows = world.fake.rows();
    assert_eq!(rows.len(), 200 * 21);
    let mut requests: Vec<_> = rows.iter().map(|row| row.call.request.clone()).collect();
    requests.sort_unstable();
    requests.dedup();
    assert_eq!(requests.len(), rows.len(), "every request has a name of its own");
    let (_, session) = &all[0];
    let (other, _) = &all[1];
    let client = world.client(other).stateful().header("mcp-session-id", session);
    assert_eq!(client.call("read_note", json!({})).await.status, 404);
}
