//! What callers see of servers that behave, and of those that do not.

use std::future::poll_fn;
use std::task::Poll;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use portcullis_runner::{Sharing, limits};
use serde_json::{Value, json};

use super::Test;
use super::world::{World, call, ended, initialize, read, with};

pub(crate) const TESTS: &[Test] = &[
    ("t_crosstalk_each_session_has_a_process_of_its_own", t_crosstalk_each_session_has_a_process_of_its_own),
    (
        "t_crosstalk_a_shared_server_s_answers_reach_who_asked",
        t_crosstalk_a_shared_server_s_answers_reach_who_asked,
    ),
    (
        "runner_one_agent_s_servers_leave_room_for_another_s",
        runner_one_agent_s_servers_leave_room_for_another_s,
    ),
    (
        "runner_one_agent_s_calls_of_a_shared_server_leave_room_for_another_s",
        runner_one_agent_s_calls_of_a_shared_server_leave_room_for_another_s,
    ),
    ("runner_a_server_that_dies_is_told_and_replaced", runner_a_server_that_dies_is_told_and_replaced),
    ("runner_garbage_is_passed_over", runner_garbage_is_passed_over),
    ("runner_a_line_without_end_ends_its_own_server", runner_a_line_without_end_ends_its_own_server),
    ("runner_a_flood_stops_nobody_else", runner_a_flood_stops_nobody_else),
    ("runner_silence_is_a_timeout", runner_silence_is_a_timeout),
    ("w07_progress_streams_before_its_answer", w07_progress_streams_before_its_answer),
    ("w09_sessions_live_as_the_older_wires_say", w09_sessions_live_as_the_older_wires_say),
    (
        "runner_a_server_s_question_is_answered_by_its_own_session",
        runner_a_server_s_question_is_answered_by_its_own_session,
    ),
    (
        "runner_the_wire_without_sessions_is_refused_in_words_to_fall_back_at",
        runner_the_wire_without_sessions_is_refused,
    ),
];

fn plain(body: impl AsyncFnOnce(World)) {
    with(|_, _, _| {}, body);
}

fn t_crosstalk_each_session_has_a_process_of_its_own() {
    plain(async |world| {
        let sessions =
            [("a", world.begin("a").await), ("a", world.begin("a").await), ("b", world.begin("b").await)];
        let mut pids = Vec::new();
        for (agent, session) in &sessions {
            pids.push(world.said(agent, session, "pid", "").await);
        }
        pids.sort();
        pids.dedup();
        assert_eq!(pids.len(), sessions.len());
        let (_, own) = &sessions[0];
        for method in [Method::GET, Method::DELETE] {
            let foreign = world.raw("b", method.clone(), Some(own), "").await;
            assert_eq!(foreign.status(), StatusCode::NOT_FOUND, "{method}");
        }
        assert_eq!(world.call("b", own, "echo", "x").await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.said("a", own, "echo", "x").await, "x");
    });
}

fn t_crosstalk_a_shared_server_s_answers_reach_who_asked() {
    with(
        |spec, settings, _| {
            settings.sharing = Sharing::Shared;
            spec.servers.get_mut("s").unwrap().sharing = Sharing::Shared;
        },
        async |world| {
            let (a, b) = (world.begin("a").await, world.begin("b").await);
            assert_eq!(world.said("a", &a, "pid", "").await, world.said("b", &b, "pid", "").await);
            // Both use the same id at once.
            let all = (0..50).map(|turn| {
                let (world, agent, session) =
                    if turn % 2 == 0 { (&world, "a", &a) } else { (&world, "b", &b) };
                async move {
                    let text = format!("{agent}{turn}");
                    assert_eq!(world.said(agent, session, "echo", &text).await, text);
                }
            });
            for one in all.collect::<Vec<_>>() {
                one.await;
            }
            let both = tokio::join!(world.said("a", &a, "echo", "1"), world.said("b", &b, "echo", "2"));
            assert_eq!(both, ("1".to_owned(), "2".to_owned()));
            assert_eq!(world.call("b", &a, "echo", "x").await.status, StatusCode::NOT_FOUND);
            world.stdio.end("a");
            assert_eq!(world.call("a", &a, "echo", "x").await.status, StatusCode::NOT_FOUND);
            assert_eq!(world.said("b", &b, "echo", "still").await, "still");
        },
    );
}

fn runner_one_agent_s_servers_leave_room_for_another_s() {
    with(
        |spec, _, _| spec.children = 2 * limits::CHILDREN_EACH,
        async |world| {
            let held: Vec<_> =
                (0..2 * limits::CHILDREN_EACH).map(|_| world.runner.channel("s", "a")).collect();
            let refused = world.send("a", None, &initialize()).await;
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(refused.text.contains("end sessions that are not needed"), "{}", refused.text);
            let session = world.begin("b").await;
            assert_eq!(world.said("b", &session, "echo", "x").await, "x");
            drop(held);
        },
    );
}

fn runner_one_agent_s_calls_of_a_shared_server_leave_room_for_another_s() {
    with(
        |spec, settings, _| {
            settings.sharing = Sharing::Shared;
            spec.servers.get_mut("s").unwrap().sharing = Sharing::Shared;
        },
        async |world| {
            let mut calls = Vec::new();
            let mut refused = 0;
            for _ in 0..limits::PENDING / limits::PENDING_EACH {
                let session = world.begin("a").await;
                for _ in 0..limits::PENDING_EACH {
                    let (world, session) = (&world, session.clone());
                    let mut call =
                        Box::pin(async move { world.call("a", &session, "hang", "").await.status });
                    match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
                        Poll::Ready(status) => {
                            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                            refused += 1;
                        }
                        Poll::Pending => calls.push(call),
                    }
                }
            }
            assert_eq!(
                (calls.len(), refused),
                (limits::PENDING_EACH, limits::PENDING - limits::PENDING_EACH)
            );
            let session = world.begin("b").await;
            assert_eq!(world.said("b", &session, "echo", "x").await, "x");
        },
    );
}

fn runner_a_server_that_dies_is_told_and_replaced() {
    plain(async |world| {
        let (session, other) = (world.begin("a").await, world.begin("b").await);
        let answer = world.call("a", &session, "die", "").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        let error = answer.json();
        assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(-32603)), "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains("ended before it answered"));
        assert_eq!(world.call("a", &session, "echo", "x").await.status, StatusCode::NOT_FOUND);
        let again = world.begin("a").await;
        assert_eq!(world.said("a", &again, "echo", "back").await, "back");
        assert_eq!(world.said("b", &other, "echo", "here").await, "here");
    });
}

fn runner_garbage_is_passed_over() {
    plain(async |world| {
        let session = world.begin("a").await;
        assert_eq!(world.said("a", &session, "garbage", "").await, "after");
    });
}

fn runner_a_line_without_end_ends_its_own_server() {
    plain(async |world| {
        let (session, other) = (world.begin("a").await, world.begin("b").await);
        let pid = world.said("a", &session, "pid", "").await;
        let answer = world.call("a", &session, "long", "").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.json()["error"]["data"]["error"], "upstream_too_large");
        ended(&pid).await;
        assert_eq!(world.said("b", &other, "echo", "here").await, "here");
    });
}

fn runner_a_flood_stops_nobody_else() {
    plain(async |world| {
        let (session, other) = (world.begin("a").await, world.begin("b").await);
        let mut flood = call("flood", "");
        flood["params"]["_meta"] = json!({"progressToken": "t"});
        let mut flooding = world.raw("a", Method::POST, Some(&session), flood.to_string()).await.into_body();
        assert!(flooding.frame().await.is_some());
        // Nobody reads on: the window fills, and the server waits.
        for turn in 0..20 {
            let text = format!("{turn}");
            assert_eq!(world.said("b", &other, "echo", &text).await, text);
        }
        for _ in 0..2000 {
            assert!(flooding.frame().await.is_some(), "it goes on when somebody reads");
        }
    });
}

fn runner_silence_is_a_timeout() {
    with(
        |_, settings, _| settings.answer = std::time::Duration::from_secs(2),
        async |world| {
            let session = world.begin("a").await;
            let answer = world.call("a", &session, "hang", "").await;
            assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{}", answer.text);
            assert_eq!(answer.json()["error"]["data"]["error"], "upstream_timeout");
            assert_eq!(world.said("a", &session, "echo", "x").await, "x");
        },
    );
}

fn w07_progress_streams_before_its_answer() {
    plain(async |world| {
        let session = world.begin("a").await;
        for token in [json!("t"), json!(7), json!("7")] {
            let mut message = call("progress", "");
            message["params"]["_meta"] = json!({"progressToken": token});
            message["id"] = json!("own");
            let answer = world.send("a", Some(&session), &message).await;
            assert!(answer.is_stream);
            let events = answer.events();
            assert_eq!(events.len(), 2, "{events:?}");
            assert_eq!(events[0]["params"]["progressToken"], token);
            assert_eq!(events[1]["id"], "own");
        }
    });
}

fn w09_sessions_live_as_the_older_wires_say() {
    plain(async |world| {
        let ping = json!({"jsonrpc":"2.0","id":1,"method":"ping"});
        assert_eq!(world.send("a", None, &ping).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(world.send("a", Some("no-such"), &ping).await.status, StatusCode::NOT_FOUND);
        let session = world.begin("a").await;
        let pid = world.said("a", &session, "pid", "").await;
        let stream = world.raw("a", Method::GET, Some(&session), "").await;
        assert_eq!(stream.status(), StatusCode::OK);
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let second = world.raw("a", Method::GET, Some(&session), "").await;
        assert_eq!(second.status(), StatusCode::CONFLICT);
        drop(stream);
        assert_eq!(world.raw("a", Method::GET, Some(&session), "").await.status(), StatusCode::OK);
        assert_eq!(
            world.raw("a", Method::PUT, Some(&session), "").await.status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        for garbage in ["", "[]", "{", "nonsense"] {
            let answer = read(world.raw("a", Method::POST, Some(&session), garbage).await).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{garbage:?}");
        }
        let ended_one = world.raw("a", Method::DELETE, Some(&session), "").await;
        assert_eq!(ended_one.status(), StatusCode::NO_CONTENT);
        ended(&pid).await;
        assert_eq!(world.call("a", &session, "echo", "x").await.status, StatusCode::NOT_FOUND);
    });
}

fn runner_a_server_s_question_is_answered_by_its_own_session() {
    plain(async |world| {
        let (session, other) = (world.begin("a").await, world.begin("b").await);
        let asking = world.raw("a", Method::POST, Some(&session), call("ask", "").to_string()).await;
        let mut asking = asking.into_body();
        let question = asking.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(String::from_utf8_lossy(&question).contains("elicitation/create"));
        let answer = |said: &str| json!({"jsonrpc":"2.0","id":"q1","result":{"said":said}});
        // Another's answer to the same id goes nowhere, and so does one to what was not asked.
        assert_eq!(world.send("b", Some(&other), &answer("forged")).await.status, StatusCode::ACCEPTED);
        let unasked = json!({"jsonrpc":"2.0","id":"q2","result":{}});
        assert_eq!(world.send("a", Some(&session), &unasked).await.status, StatusCode::ACCEPTED);
        assert_eq!(world.send("a", Some(&session), &answer("mine")).await.status, StatusCode::ACCEPTED);
        let rest = asking.collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&rest).contains("mine"), "{rest:?}");
    });
}

fn runner_the_wire_without_sessions_is_refused() {
    plain(async |world| {
        let list = json!({"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}});
        let answer = world.send("a", None, &list).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        let error: Value = answer.json();
        assert_eq!(error["id"], 5);
        assert_eq!(error["error"]["data"]["supported"], json!(["2025-03-26", "2025-06-18", "2025-11-25"]));
        // And then it falls back.
        let begun = world.send("a", None, &initialize()).await;
        assert_eq!(begun.status, StatusCode::OK);
    });
}
