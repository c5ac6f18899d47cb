//! How sessions end: unused, crowded out, and by servers on bad days.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use http_body_util::channel::Channel;
use serde_json::json;
use tower_service::Service as _;

use super::super::own_error;
use super::super::upstream::{answering, echo};
use super::{
    asking, call, counted, event, initialize, json_of, next, old, old_taking, proxy, result, say, session,
    without_body,
};
use crate::door::AgentKey;
use crate::{GatewaySettings, LegacySse, SseSettings};

#[tokio::test]
async fn an_unused_session_ends_and_a_used_one_does_not() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, counted());
    let (unused, mut writer) = session(&proxy, &mut old).await;
    let (listened, _other) = session(&proxy, &mut old).await;
    let listening = proxy.call(without_body(Method::GET, &listened)).await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(SseSettings::IDLE * 3).await;
    tokio::time::resume();
    let response = proxy.call(asking(&call(1), Some(&unused))).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    while writer.send_data(Bytes::from(":\n\n")).await.is_ok() {}
    drop(listening);
    assert_eq!(proxy.call(without_body(Method::GET, &listened)).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn sessions_are_limited_and_a_holder_gives_up_its_own_oldest() {
    let mut old = old("/messages").await;
    let mut capped = proxy(&old.url, SseSettings { sessions: 1, ..counted() });
    let (first, _writer) = session(&capped, &mut old).await;
    let response = capped.call(asking(&initialize(), None)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(own_error(response).await, "temporarily_unavailable");
    capped.call(without_body(Method::DELETE, &first)).await.unwrap();
    let (_second, _writer) = session(&capped, &mut old).await;

    let holder = |_: &http::Extensions| Some(Arc::<str>::from("ann"));
    let settings = SseSettings { holder: Some(Arc::new(holder)), sessions_each: 2, ..counted() };
    let mut each = proxy(&old.url, settings);
    let (oldest, _one) = session(&each, &mut old).await;
    let (newer, _two) = session(&each, &mut old).await;
    let used = each.call(without_body(Method::GET, &oldest)).await.unwrap();
    let (_third, _three) = session(&each, &mut old).await;
    assert_eq!(each.call(without_body(Method::GET, &newer)).await.unwrap().status(), StatusCode::NOT_FOUND);
    drop(used);
    assert_eq!(each.call(without_body(Method::GET, &oldest)).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn one_agent_s_sessions_leave_room_for_another_s() {
    let mut old = old("/messages").await;
    let settings = SseSettings { sessions: 3, sessions_each: 2, ..counted() };
    let mut proxy = proxy(&old.url, settings.per_agent());
    let of = |mut request: Request<Full<Bytes>>, agent: &str| {
        request.extensions_mut().insert(AgentKey(agent.into()));
        request
    };
    let mut open = Vec::new();
    for agent in ["agt_a", "agt_a", "agt_a", "agt_a", "agt_b"] {
        let opening = tokio::spawn(proxy.call(of(asking(&initialize(), None), agent)));
        let (_, mut writer) = old.opened.recv().await.unwrap();
        old.posted.recv().await.unwrap();
        say(&mut writer, result(0, "welcome")).await;
        let response = opening.await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{agent}");
        let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        open.push((id, writer));
    }
    let (first, last) = (&open[0].0, &open[4].0);
    for (id, agent, expected) in [
        (first, "agt_a", StatusCode::NOT_FOUND),
        (last, "agt_a", StatusCode::NOT_FOUND),
        (last, "agt_b", StatusCode::OK),
    ] {
        let response = proxy.call(of(without_body(Method::GET, id), agent)).await.unwrap();
        assert_eq!(response.status(), expected, "{agent}");
    }
}

#[tokio::test]
async fn a_server_that_dies_leaves_errors_behind_and_no_session() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, counted());
    let (id, mut writer) = session(&proxy, &mut old).await;
    let plain = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
    old.posted.recv().await.unwrap();
    let streaming = tokio::spawn(proxy.call(asking(&call(2), Some(&id))));
    old.posted.recv().await.unwrap();
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message" });
    say(&mut writer, note.clone()).await;
    let mut streaming = streaming.await.unwrap().unwrap().into_body();
    assert_eq!(next(&mut streaming).await.unwrap(), event(&note));
    drop(writer);
    let response = plain.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(json_of(response).await["id"], 1);
    let last = next(&mut streaming).await.unwrap();
    assert!(last.contains(r#""id":2"#) && last.contains("upstream_unavailable"), "{last}");
    assert_eq!(next(&mut streaming).await, None);
    assert_eq!(proxy.call(asking(&call(3), Some(&id))).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_server_that_refuses_messages_or_forgets_the_session() {
    for (status, expected, ends) in [
        (StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY, "upstream_refused"),
        (StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY, "upstream_unavailable"),
        (StatusCode::TEMPORARY_REDIRECT, StatusCode::BAD_GATEWAY, "upstream_redirected"),
        (StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY, "upstream_unavailable"),
    ] {
        let mut old = old_taking("/messages", status).await;
        let response = proxy(&old.url, counted()).call(asking(&initialize(), None)).await.unwrap();
        assert_eq!(response.status(), expected, "{status}");
        assert!(!response.headers().contains_key("mcp-session-id"));
        assert_eq!(own_error(response).await, ends, "{status}");
        let (_, mut writer) = old.opened.recv().await.unwrap();
        while writer.send_data(Bytes::from(":\n\n")).await.is_ok() {}
    }
}

#[tokio::test]
async fn an_initialize_that_is_refused_opens_no_session() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, SseSettings { sessions: 1, ..counted() });
    let error = json!({ "jsonrpc": "2.0", "id": 0, "error": { "code": -32602, "message": "no" } });
    for _ in 0..2 {
        let opening = tokio::spawn(proxy.call(asking(&initialize(), None)));
        let (_, mut writer) = old.opened.recv().await.unwrap();
        old.posted.recv().await.unwrap();
        say(&mut writer, error.clone()).await;
        let response = opening.await.unwrap().unwrap();
        assert!(!response.headers().contains_key("mcp-session-id"));
        assert_eq!(json_of(response).await, error);
        while writer.send_data(Bytes::from(":\n\n")).await.is_ok() {}
    }
}

#[tokio::test]
async fn w20_an_event_above_the_limit_ends_the_session() {
    let mut old = old("/messages").await;
    let settings = GatewaySettings { answer_body: 1024, ..GatewaySettings::default() };
    let mut proxy = LegacySse::new(&old.url, settings, counted()).unwrap();
    let (id, mut writer) = session(&proxy, &mut old).await;
    let calling = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
    old.posted.recv().await.unwrap();
    say(&mut writer, result(1, &"x".repeat(2048))).await;
    assert_eq!(calling.await.unwrap().unwrap().status(), StatusCode::BAD_GATEWAY);
    while writer.send_data(Bytes::from(":\n\n")).await.is_ok() {}
}

#[tokio::test]
async fn a_server_that_names_no_endpoint_in_time_is_504_and_one_that_is_no_stream_502() {
    let silent = answering(|_| async {
        let (writer, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(writer);
        });
        Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
    })
    .await;
    tokio::time::pause();
    let response = proxy(&silent, counted()).call(asking(&initialize(), None)).await.unwrap();
    tokio::time::resume();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let (plain, _seen) = echo().await;
    let response = proxy(&plain, counted()).call(asking(&initialize(), None)).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(own_error(response).await, "upstream_unavailable");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_504() {
    let mut old = old("/messages").await;
    let mut proxy = proxy(&old.url, counted());
    let (id, _writer) = session(&proxy, &mut old).await;
    let calling = tokio::spawn(proxy.call(asking(&call(1), Some(&id))));
    old.posted.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(GatewaySettings::RESPONSE_TIMEOUT + Duration::from_secs(1)).await;
    let response = calling.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(own_error(response).await, "upstream_timeout");
}
