//! Responses as they flow: event by event, and no longer than somebody listens.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::mpsc;
use tower_service::Service as _;
use url::Url;

use super::upstream::answering;
use super::{bare, gateway, own_error, post, send};
use crate::{Gateway, GatewaySettings, RelayBody};

/// An upstream whose event streams are written by the test.
async fn events() -> (Url, mpsc::UnboundedReceiver<Sender<Bytes, Infallible>>) {
    let (hand, writers) = mpsc::unbounded_channel();
    let url = answering(move |_| {
        let (writer, body) = Channel::<Bytes, Infallible>::new(1);
        hand.send(writer).ok();
        let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
        let response = response.header("cache-control", "no-cache").body(body).unwrap();
        async { response }
    })
    .await;
    (url, writers)
}

async fn next(body: &mut RelayBody) -> Option<Bytes> {
    Some(body.frame().await?.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn w07_each_event_is_there_before_the_next_is_written() {
    let (url, mut writers) = events().await;
    for method in [Method::GET, Method::POST] {
        let response = send(&gateway(&url), bare(method)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let mut body = response.into_body();
        let mut writer = writers.recv().await.unwrap();
        for event in
            ["id: 1\nretry: 3000\ndata: {\"a\":1}\n\n", ": still here\n\n", "data: x\r\n\r\n", "data: half"]
        {
            writer.send_data(Bytes::from(event)).await.unwrap();
            assert_eq!(next(&mut body).await.unwrap(), event);
        }
        drop(writer);
        assert_eq!(next(&mut body).await, None);
    }
}

#[tokio::test]
async fn a_caller_who_leaves_an_open_stream_leaves_the_upstream_too() {
    let (url, mut writers) = events().await;
    let mut body = send(&gateway(&url), bare(Method::GET)).await.into_body();
    let mut writer = writers.recv().await.unwrap();
    writer.send_data(Bytes::from("data: 1\n\n")).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data: 1\n\n");
    drop(body);
    // The upstream's body is dropped when its connection is; until then it takes what is written.
    while writer.send_data(Bytes::from("data: 2\n\n")).await.is_ok() {}
}

#[tokio::test]
async fn w08_a_caller_who_leaves_before_the_answer_leaves_the_upstream_too() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = answering(move |_| {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        tell.send(dropped).ok();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Response::new(http_body_util::Empty::<Bytes>::new())
        }
    })
    .await;
    let mut gateway = gateway(&url);
    let asking = tokio::spawn(gateway.call(post("{}")));
    let dropped = told.recv().await.unwrap();
    asking.abort();
    assert!(dropped.await.is_err(), "the upstream stops when nobody waits");
}

#[tokio::test]
async fn requests_under_way_are_limited_and_an_open_stream_is_one() {
    let (url, mut writers) = events().await;
    let settings = GatewaySettings { in_flight: 1, ..GatewaySettings::default() };
    let gateway = Gateway::new(&url, settings).unwrap();
    let open = send(&gateway, bare(Method::GET)).await;
    let _writer = writers.recv().await.unwrap();
    let refused = send(&gateway, post("{}")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(own_error(refused).await, "temporarily_unavailable");
    drop(open);
    assert_eq!(send(&gateway, post("{}")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn ten_megabytes_come_down_at_the_pace_of_the_reader() {
    const CHUNKS: usize = 160;
    let url = answering(|_| async {
        let (mut writer, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            for number in 0..CHUNKS {
                let chunk = Bytes::from(vec![number as u8; 64 * 1024]);
                if writer.send_data(chunk).await.is_err() {
                    return;
                }
            }
        });
        Response::new(body)
    })
    .await;
    let mut body = send(&gateway(&url), post("{}")).await.into_body();
    let (mut read, mut largest) = (0, 0);
    while let Some(data) = next(&mut body).await {
        for (offset, byte) in data.iter().enumerate().step_by(4096) {
            assert_eq!(*byte, ((read + offset) / (64 * 1024)) as u8);
        }
        read += data.len();
        largest = largest.max(data.len());
    }
    assert_eq!(read, CHUNKS * 64 * 1024);
    assert!(largest <= 1024 * 1024, "it was never held as a whole: {largest}");
}
