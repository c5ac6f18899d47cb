//! Upstreams on bad days: whatever they do, the caller gets an error it can read, in time, and nobody else notices.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::{pause, timeout};
use tower_service::Service as _;
use url::Url;

use super::upstream::{answering, echo, nobody, raw, read_to};
use super::{bare, gateway, own_error, post, send, text};
use crate::{BoxError, Gateway, GatewaySettings, RequestId};

/// An upstream that writes `said` after each request, tells so, and then falls silent or hangs up.
async fn saying(said: String, hangs_up: bool) -> (Url, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let url = raw(move |mut stream| {
        let (said, tell) = (said.clone(), tell.clone());
        async move {
            read_to(&mut stream, "{}").await;
            // The gateway may hang up before all is written.
            let _ = stream.write_all(said.as_bytes()).await;
            tell.send(()).ok();
            if !hangs_up {
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    (url, told)
}

fn small() -> GatewaySettings {
    GatewaySettings { answer_body: 100, ..GatewaySettings::default() }
}

#[tokio::test]
async fn faults_are_messages_that_bear_the_requests_id() {
    let gateway = gateway(&nobody().await);
    for id in [json!(7), json!("seven"), Value::Null] {
        let mut request = post("{}");
        if !id.is_null() {
            request.extensions_mut().insert(RequestId(id.clone()));
        }
        let response = send(&gateway, request).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["jsonrpc"], "2.0");
        assert_eq!(body["id"], id);
        assert_eq!(body["error"]["code"], -32603);
        assert_eq!(body["error"]["data"], json!({ "error": "upstream_unavailable" }));
    }
    let response = send(&gateway, bare(Method::GET)).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["error"], "upstream_unavailable", "no message was posted");
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_504() {
    for head in
        ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "\r\nhalf"]
    {
        let (url, mut told) = saying(format!("HTTP/1.1 200 OK\r\n{head}"), false).await;
        let asking = tokio::spawn(gateway(&url).call(post("{}")));
        told.recv().await.unwrap();
        pause();
        let response = asking.await.unwrap().unwrap();
        tokio::time::resume();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT, "{head:?}");
        assert_eq!(own_error(response).await, "upstream_timeout", "{head:?}");
    }
}

#[tokio::test]
async fn a_long_answer_that_stops_half_way_breaks_off() {
    let half = "x".repeat(150_000);
    let (url, mut told) =
        saying(format!("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n{half}"), false).await;
    let response = send(&gateway(&url), post("{}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body().size_hint().exact(), Some(200_000), "its length stays announced");
    told.recv().await.unwrap();
    pause();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn w07_a_silent_event_stream_is_not_hurried() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
    let (url, mut told) = saying(head.to_owned(), false).await;
    let mut body = send(&gateway(&url), post("{}")).await.into_body();
    told.recv().await.unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
    pause();
    let hours = Duration::from_secs(5 * 60 * 60);
    assert!(timeout(hours, body.frame()).await.is_err(), "it is open after five hours");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_502() {
    for (name, head) in [
        ("short of its length", "content-length: 10\r\n\r\nhalf"),
        ("chunked, without an end", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ("chunked, with half a chunk", "transfer-encoding: chunked\r\n\r\n9\r\nhalf"),
        ("chunked, with no size", "transfer-encoding: chunked\r\n\r\nhalf\r\n"),
        ("chunked, with an endless size", "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
    ] {
        let (url, _told) = saying(format!("HTTP/1.1 200 OK\r\n{head}"), true).await;
        let response = send(&gateway(&url), post("{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{name}");
        assert_eq!(response.headers()["retry-after"], "5", "{name}");
        assert_eq!(own_error(response).await, "upstream_unavailable", "{name}");
    }
}

#[tokio::test]
async fn an_answer_longer_than_announced_ends_where_it_said() {
    let (url, _told) =
        saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}{\"more\":1}".into(), false).await;
    assert_eq!(text(send(&gateway(&url), post("{}")).await).await, "{}");
}

#[tokio::test]
async fn w20_an_answer_above_the_limit_is_502() {
    let long = "x".repeat(101);
    for (name, head, status) in [
        ("announced", format!("content-length: 101\r\n\r\n{long}"), StatusCode::BAD_GATEWAY),
        (
            "not announced",
            format!("transfer-encoding: chunked\r\n\r\n65\r\n{long}\r\n0\r\n\r\n"),
            StatusCode::BAD_GATEWAY,
        ),
        ("at the limit", format!("content-length: 100\r\n\r\n{}", &long[1..]), StatusCode::OK),
        (
            "an event stream",
            format!("content-type: text/event-stream\r\ncontent-length: 101\r\n\r\n{long}"),
            StatusCode::OK,
        ),
    ] {
        let (url, _told) = saying(format!("HTTP/1.1 200 OK\r\n{head}"), true).await;
        let response = send(&Gateway::new(&url, small()).unwrap(), post("{}")).await;
        assert_eq!(response.status(), status, "{name}");
        match status {
            StatusCode::OK => assert!(text(response).await.len() >= 100, "{name}"),
            _ => assert_eq!(own_error(response).await, "upstream_too_large", "{name}"),
        }
    }
}

#[tokio::test]
async fn w20_a_flood_is_cut_off_at_the_limit() {
    let url = answering(|_| async {
        let (mut writer, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(
            async move { while writer.send_data(Bytes::from(vec![b'x'; 16 * 1024])).await.is_ok() {} },
        );
        Response::new(body)
    })
    .await;
    let settings = GatewaySettings { answer_body: 256 * 1024, ..GatewaySettings::default() };
    let mut body = send(&Gateway::new(&url, settings).unwrap(), post("{}")).await.into_body();
    let mut read = 0;
    let failed = loop {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.into_data().unwrap().len(),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(failed && read <= 256 * 1024, "{read}");
}

#[tokio::test]
async fn w20_heads_that_are_too_much_are_502() {
    let many: String = (0..500).map(|number| format!("x-{number}: y\r\n")).collect();
    let large = format!("x-large: {}\r\n", "y".repeat(256 * 1024));
    for (name, headers) in [("many headers", many), ("a large header", large)] {
        let (url, _told) =
            saying(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n"), false).await;
        let response = send(&gateway(&url), post("{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{name}");
        assert_eq!(own_error(response).await, "upstream_unavailable", "{name}");
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers_ends_in_time_and_a_few_do_no_harm() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let few = format!("{}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", interim.repeat(3));
    let (url, _told) = saying(few, false).await;
    assert_eq!(text(send(&gateway(&url), post("{}")).await).await, "ok");

    let url = raw(move |mut stream| async move {
        read_to(&mut stream, "{}").await;
        while stream.write_all(interim.as_bytes()).await.is_ok() {}
    })
    .await;
    let settings =
        GatewaySettings { response_timeout: Duration::from_millis(100), ..GatewaySettings::default() };
    let response = send(&Gateway::new(&url, settings).unwrap(), post("{}")).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(own_error(response).await, "upstream_timeout");
}

#[tokio::test]
async fn a_callers_body_that_stops_coming_is_408() {
    let (url, _seen) = echo().await;
    let (mut writer, body) = Channel::<Bytes, BoxError>::new(1);
    let asking = tokio::spawn(gateway(&url).call(Request::post("/mcp").body(body).unwrap()));
    writer.send_data(Bytes::from("{\"half\":")).await.unwrap();
    pause();
    let response = asking.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(own_error(response).await, "invalid_request");
}

#[tokio::test]
async fn a_call_that_hangs_holds_up_nobody_else() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let tell = tell.clone();
        async move {
            if request.into_body().collect().await.unwrap().to_bytes() == "hang" {
                tell.send(()).ok();
                std::future::pending::<()>().await;
            }
            Response::new(Full::<Bytes>::from("ok"))
        }
    })
    .await;
    let gateway = gateway(&url);
    let hanging: Vec<_> = (0..50).map(|_| tokio::spawn(gateway.clone().call(post("hang")))).collect();
    for _ in &hanging {
        told.recv().await.unwrap();
    }
    assert_eq!(text(send(&gateway, post("go")).await).await, "ok");
    assert!(hanging.iter().all(|hanging| !hanging.is_finished()));
}
