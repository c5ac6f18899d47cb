//! Open streams, and the guard inside an axum router (protocol R26).

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod world;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::{get, post};
use axum_core::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use portcullis_guard::{Agent, Guard, STREAM_LIFE};
use tower::ServiceExt as _;
use world::{NOW, World, request, scopes};

/// Opens a stream behind the guard; the sender is the service's end of it.
async fn open(guard: &Guard, token: &str, kind: &'static str) -> (Sender<Bytes>, Body) {
    let (sender, channel) = Channel::new(8);
    let channel = Arc::new(std::sync::Mutex::new(Some(channel)));
    let inner = tower::service_fn(move |_: Request<Body>| {
        let body = channel.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(Response::builder().header("content-type", kind).body(body).unwrap()) }
    });
    let service = tower_layer::Layer::layer(&guard.require(&scopes("mcp:tools")), inner);
    let response = service.oneshot(request("GET", Some(token), &[], "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    (sender, response.into_body())
}

async fn next(body: &mut Body) -> Option<Bytes> {
    body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn r26_a_stream_ends_at_the_first_event_after_its_agent_was_cut_off() {
    let world = World::new();
    let (mut sender, mut body) = open(&world.plain(), &world.token("mcp:tools"), "text/event-stream").await;
    sender.send_data(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data: 1\n\n");
    world.cut_after.store(2, Ordering::SeqCst);
    sender.send_data(Bytes::from_static(b"data: 2\n\n")).await.unwrap();
    assert_eq!(next(&mut body).await, None);
    assert_eq!(next(&mut body).await, None, "and it stays ended");
    assert!(sender.send_data(Bytes::from_static(b"data: 3\n\n")).await.is_err(), "and the service is told");
}

#[tokio::test]
async fn r26_a_quiet_stream_ends_at_the_cut_itself() {
    let world = World::new();
    let (mut sender, mut body) = open(&world.plain(), &world.token("mcp:tools"), "text/event-stream").await;
    let waiting = tokio::spawn(async move { next(&mut body).await });
    world.changed.notify_waiters(); // somebody else was cut off
    sender.send_data(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "data: 1\n\n");

    let (mut sender, mut body) = open(&world.plain(), &world.token("mcp:tools"), "text/event-stream").await;
    world.cut_after.store(2, Ordering::SeqCst);
    world.changed.notify_waiters();
    assert_eq!(next(&mut body).await, None, "without any event");
    assert!(sender.send_data(Bytes::from_static(b"data: 1\n\n")).await.is_err(), "and the service is told");
}

#[tokio::test]
async fn r26_a_stream_outlives_its_token_by_no_more_than_its_bound() {
    let world = World::new();
    let (mut sender, mut body) =
        open(&world.plain(), &world.token("mcp:tools"), "text/event-stream; charset=utf-8").await;
    let life = i64::try_from(STREAM_LIFE.as_secs()).unwrap();
    world.now.store(NOW + life - 1, Ordering::SeqCst);
    sender.send_data(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    assert!(next(&mut body).await.is_some());
    world.now.store(NOW + life, Ordering::SeqCst);
    sender.send_data(Bytes::from_static(b"data: 2\n\n")).await.unwrap();
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn r26_t_fail_closed_a_stream_ends_when_revocations_fall_silent() {
    let world = World::new();
    let (mut sender, mut body) = open(&world.plain(), &world.token("mcp:tools"), "text/event-stream").await;
    world.silent.store(true, Ordering::SeqCst);
    sender.send_data(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn r26_answers_that_are_no_streams_are_finished() {
    let world = World::new();
    let (mut sender, mut body) = open(&world.plain(), &world.token("mcp:tools"), "application/json").await;
    world.cut_after.store(2, Ordering::SeqCst);
    sender.send_data(Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "{}");
}

#[tokio::test]
async fn w07_a_stream_passes_event_by_event() {
    let world = World::new();
    let (mut sender, mut body) = open(&world.plain(), &world.token("mcp:tools"), "text/event-stream").await;
    for event in ["data: 1\n\n", ": comment\n\n", "id: 7\nretry: 1\ndata: 2\n\n"] {
        sender.send_data(Bytes::from(event)).await.unwrap();
        assert_eq!(next(&mut body).await.unwrap(), event);
    }
    drop(sender);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn w07_what_follows_a_stream_passes_too() {
    let world = World::new();
    let (mut sender, body) = open(&world.plain(), &world.token("mcp:tools"), "text/event-stream").await;
    let trailers: http::HeaderMap =
        [(http::HeaderName::from_static("x-end"), http::HeaderValue::from_static("1"))].into_iter().collect();
    sender.send_trailers(trailers.clone()).await.unwrap();
    drop(sender);
    assert_eq!(body.collect().await.unwrap().trailers(), Some(&trailers));
}

#[tokio::test]
async fn r16_in_an_axum_router_a_get_without_token_is_401_before_405() {
    let world = World::new();
    let guard = world.tooled();
    let app = Router::new()
        .route(
            "/mcp",
            post(|agent: Agent, body: Bytes| async move { format!("{} {}", agent.subject, body.len()) }),
        )
        .layer(guard.require(&scopes("mcp:tools")))
        .route("/open", get(|| async { "open" }))
        .route("/forgotten", get(|agent: Agent| async move { agent.subject.clone() }));
    let ask = |request: Request<Body>| app.clone().oneshot(request);
    let token = world.token("mcp:tools");
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    assert_eq!(ask(request("GET", None, &[], "")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        ask(request("GET", Some(&token), &[], "")).await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    let answer = ask(request("POST", Some(&token), &[], ping)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "usr_0000000000001 40");

    for (path, status) in [("/open", StatusCode::OK), ("/forgotten", StatusCode::UNAUTHORIZED)] {
        let mut request = request("GET", Some(&token), &[], "");
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(ask(request).await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn r26_what_runs_for_an_agent_ends_with_it() {
    let world = World::new();
    let guard = world.plain();
    let agent = guard.verify_token(&world.token("mcp:tools"), portcullis_guard::Clock::now(&*world)).unwrap();
    let waiting = tokio::spawn(async move { guard.cut_off(&agent).await });
    world.now.store(NOW + 10_000, Ordering::SeqCst);
    world.changed.notify_waiters();
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "time alone ends nothing");
    world.cut_after.store(2, Ordering::SeqCst);
    world.changed.notify_waiters();
    waiting.await.unwrap();
}
