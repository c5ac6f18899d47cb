//! Streams: event by event, cut at once, so many for each agent.

use std::time::Duration;

use axum_core::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use http_body_util::channel::Channel;
use portcullis_gateway::door::{ANSWERS_HELD, EVENT, IN_FLIGHT_PER_AGENT, STREAMS_PER_AGENT};
use portcullis_gateway::ports::Ending;
use serde_json::json;

use crate::world::{World, json_answer, script};

fn open() -> (http_body_util::channel::Sender<Bytes, std::io::Error>, Response<Body>) {
    let (sender, body) = Channel::<Bytes, std::io::Error>::new(8);
    let response =
        Response::builder().header("content-type", "text/event-stream").body(Body::new(body)).unwrap();
    (sender, response)
}

const PROGRESS: &str = "event: message\r\ndata: {\"jsonrpc\":\"2.0\", \"method\":\"notifications/progress\", \"x\":1.50}\r\n\r\n";
const ANSWER: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true}}\n\n";

#[tokio::test]
async fn w07_each_event_is_there_before_the_next_is_written_and_keeps_its_bytes() {
    let world = World::new();
    world.client("ann").call("read_note", json!({})).await;
    let (mut sender, response) = open();
    script(&world, vec![response]);
    let request = world.client("ann").message("tools/call", json!({"name": "read_note"}));
    let response = world.send(request).await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body();
    for piece in [": still here\n", "\n", PROGRESS, "retry: 10\n\n", ANSWER] {
        sender.send_data(Bytes::from_static(piece.as_bytes())).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, piece.as_bytes());
    }
    drop(sender);
    assert!(body.frame().await.is_none());
    drop(body);
    assert_eq!(world.fake.last().ending, Some(Ending::ToolError));
}

#[tokio::test]
async fn r26_a_cut_ends_a_stream_at_once_and_is_written_down() {
    let world = World::new();
    world.client("ann").call("read_note", json!({})).await;
    let (sender, response) = open();
    script(&world, vec![response]);
    let request = world.client("ann").message("tools/call", json!({"name": "read_note"}));
    let mut body = world.send(request).await.into_body();
    let (frame, ()) = tokio::join!(body.frame(), async { world.sky.cut() });
    assert!(frame.is_none());
    assert_eq!(world.fake.last().ending, Some(Ending::Cut));
    drop(sender);
    assert_eq!(world.client("ann").call("read_note", json!({})).await.status, 401);
}

#[tokio::test]
async fn w08_who_leaves_leaves_the_server_too_and_it_is_written_down() {
    let world = World::new();
    world.client("ann").call("read_note", json!({})).await;
    let (mut sender, response) = open();
    script(&world, vec![response]);
    let request = world.client("ann").message("tools/call", json!({"name": "read_note"}));
    let body = world.send(request).await.into_body();
    drop(body);
    assert_eq!(world.fake.last().ending, Some(Ending::Left));
    assert!(sender.send_data(Bytes::new()).await.is_err());
}

#[tokio::test]
async fn t_bounds_events_that_grow_have_one_room_for_all() {
    let world = World::new();
    let client = world.client("ann");
    client.call("read_note", json!({})).await;
    let most = ANSWERS_HELD / EVENT;
    let part = Bytes::from(vec![b'x'; EVENT / 2 - 64]);
    let mut open_streams = Vec::new();
    let mut ended = 0;
    for _ in 0..most + 2 {
        let (mut sender, response) = open();
        script(&world, vec![response]);
        let mut body =
            world.send(client.message("tools/call", json!({"name": "read_note"}))).await.into_body();
        sender.send_data(Bytes::from_static(b"data: ")).await.unwrap();
        for _ in 0..2 {
            sender.send_data(part.clone()).await.unwrap();
        }
        // What came is taken in; an event that has not ended is not there yet.
        let seen = tokio::time::timeout(Duration::ZERO, body.frame()).await;
        ended += usize::from(seen.is_ok_and(|frame| frame.is_none()));
        open_streams.push((sender, body));
    }
    assert_eq!(ended, 2, "the room was for {most}");
    open_streams.clear();
    let (mut sender, response) = open();
    script(&world, vec![response]);
    let mut body = world.send(client.message("tools/call", json!({"name": "read_note"}))).await.into_body();
    for piece in [Bytes::from_static(b": "), part, Bytes::from_static(b"\n"), ANSWER.into()] {
        sender.send_data(piece).await.unwrap();
    }
    assert!(body.frame().await.is_some(), "there is room again");
}

#[tokio::test]
async fn t_caps_an_agent_has_so_many_streams_and_requests_and_others_have_theirs() {
    let world = World::new();
    world.client("ann").call("read_note", json!({})).await;
    for (most, is_stream) in [(STREAMS_PER_AGENT, true), (IN_FLIGHT_PER_AGENT, false)] {
        world.server.answers(|_| {
            let (sender, response) = open();
            std::mem::forget(sender);
            response
        });
        let ask = |agent: &str| match is_stream {
            true => world.client(agent).request("GET", &[], ""),
            false => world.client(agent).message("prompts/get", json!({"name": "p"})),
        };
        let mut held = Vec::new();
        for _ in 0..most {
            let response = world.send(ask("ann")).await;
            assert_eq!(response.status(), 200);
            held.push(response);
        }
        let refused = world.send(ask("ann")).await;
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(world.send(ask("bob")).await.status(), 200);
        held.pop();
        assert_eq!(world.send(ask("ann")).await.status(), 200);
    }
    let listen = world.client("cem").message("subscriptions/listen", json!({"notifications": {}}));
    assert_eq!(world.send(listen).await.status(), 200);
}

#[tokio::test]
async fn t_caps_an_endless_event_ends_its_stream() {
    let world = World::new();
    let (mut sender, response) = open();
    script(&world, vec![response]);
    let mut body = world.send(world.client("ann").request("GET", &[], "")).await.into_body();
    let write = async {
        let piece = Bytes::from(vec![b'a'; EVENT / 8]);
        sender.send_data(Bytes::from_static(b"data: ")).await.unwrap();
        while sender.send_data(piece.clone()).await.is_ok() {}
    };
    let (frame, ()) = tokio::join!(body.frame(), write);
    assert!(frame.is_none_or(|frame| frame.is_err()));
}

#[tokio::test]
async fn a_large_answer_streams_where_nothing_is_edited_and_is_refused_where_something_may_be() {
    let world = World::new();
    world.client("ann").call("read_note", json!({})).await;
    world.server.answers(|_| {
        let large = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{}"}}}}"#, "a".repeat(17 << 20));
        Response::builder().header("content-type", "application/json").body(Body::from(large)).unwrap()
    });
    let passed = world.client("ann").stateful().call("read_note", json!({})).await;
    assert_eq!((passed.status.as_u16(), passed.body.len() > 17 << 20), (200, true));
    assert_eq!(world.client("ann").call("read_note", json!({})).await.status, 502);
    // Held answers count as under way until they are sent.
    world.server.answers(|_| json_answer(&json!({"jsonrpc":"2.0","id":1,"result":{"x":"y"}})));
    let ask = || world.send(world.client("slow").message("prompts/get", json!({"name": "p"})));
    let mut unread = Vec::new();
    for _ in 0..IN_FLIGHT_PER_AGENT {
        unread.push(ask().await);
    }
    assert_eq!(ask().await.status(), 429);
    drop(unread);
    assert_eq!(ask().await.status(), 200);
    let small = world.client("ann").stateful().send("GET", &[], "").await;
    assert_eq!(small.status, 200);
    let response =
        world.send(world.client("ann").stateful().message("prompts/get", json!({"name": "p"}))).await;
    assert!(response.body().size_hint().exact().is_some());
}
