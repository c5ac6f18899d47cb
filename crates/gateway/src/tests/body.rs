//! The caller's body on its way up.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;
use tower_service::Service as _;

use super::upstream::{answering, echo};
use super::{gateway, own_error, send};
use crate::{BoxError, Gateway, GatewaySettings};

fn streamed(
    method: Method,
) -> (http_body_util::channel::Sender<Bytes, BoxError>, Request<Channel<Bytes, BoxError>>) {
    let (writer, body) = Channel::new(1);
    (writer, Request::builder().method(method).uri("/mcp").body(body).unwrap())
}

#[tokio::test]
async fn a_body_goes_up_chunk_by_chunk() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let tell = tell.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                tell.send(frame.unwrap().into_data().unwrap()).ok();
            }
            Response::new(Full::<Bytes>::default())
        }
    })
    .await;
    let (mut writer, request) = streamed(Method::POST);
    let asking = tokio::spawn(gateway(&url).call(request));
    for chunk in ["{\"jsonrpc\":", "\"2.0\"}"] {
        writer.send_data(Bytes::from(chunk)).await.unwrap();
        assert_eq!(told.recv().await.unwrap(), chunk, "before the next one is written");
    }
    drop(writer);
    assert_eq!(asking.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn ten_megabytes_go_up() {
    let (url, mut seen) = echo().await;
    let body = Bytes::from(vec![b'x'; 10 * 1024 * 1024]);
    let request = Request::post("/mcp").body(Full::from(body.clone())).unwrap();
    assert_eq!(send(&gateway(&url), request).await.status(), StatusCode::OK);
    let seen = seen.recv().await.unwrap();
    assert_eq!(seen.parts.headers["content-length"], "10485760");
    assert!(seen.body == body);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_announced_or_not() {
    let (url, mut seen) = echo().await;
    let settings = GatewaySettings { request_body: 8, ..GatewaySettings::default() };
    let mut gateway = Gateway::new(&url, settings).unwrap();
    let exact = Request::post("/mcp").body(Full::from("12345678")).unwrap();
    assert_eq!(send(&gateway, exact).await.status(), StatusCode::OK);
    assert_eq!(seen.recv().await.unwrap().body, "12345678");

    let announced = Request::post("/mcp").body(Full::from("123456789")).unwrap();
    let response = send(&gateway, announced).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(own_error(response).await, "invalid_request");

    let (mut writer, request) = streamed(Method::POST);
    let asking = tokio::spawn(gateway.call(request));
    writer.send_data(Bytes::from("12345678")).await.unwrap();
    writer.send_data(Bytes::from("9")).await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_fault() {
    let (url, _seen) = answering_whole().await;
    let (mut writer, request) = streamed(Method::POST);
    let asking = tokio::spawn(gateway(&url).call(request));
    writer.send_data(Bytes::from("half")).await.unwrap();
    writer.abort("gone".into());
    let response = asking.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(own_error(response).await, "invalid_request");
}

/// Answers only what came whole.
async fn answering_whole() -> (url::Url, mpsc::UnboundedReceiver<bool>) {
    let (tell, told) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let tell = tell.clone();
        async move {
            tell.send(request.into_body().collect().await.is_ok()).ok();
            Response::new(Full::<Bytes>::default())
        }
    })
    .await;
    (url, told)
}

#[tokio::test]
async fn rfc9110_9_3_1_a_body_where_none_belongs_is_refused() {
    let (url, mut seen) = echo().await;
    for method in [Method::GET, Method::DELETE] {
        let request = Request::builder().method(&method).uri("/mcp");
        let request = request.body(Full::from("GET /admin HTTP/1.1\r\n\r\n")).unwrap();
        assert_eq!(send(&gateway(&url), request).await.status(), StatusCode::BAD_REQUEST, "{method}");
        let (_writer, request) = streamed(method);
        assert_eq!(gateway(&url).call(request).await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    assert!(seen.try_recv().is_err());
}
