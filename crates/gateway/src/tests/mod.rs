//! The gateway between real sockets: upstreams on loopback, some honest and some not.

mod bad_days;
mod body;
mod credentials;
mod faults;
mod framing;
mod identity;
mod pass;
mod sse;
mod stream;
mod strip;
mod tls;
mod upstream;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower_service::Service as _;
use url::Url;

use crate::{Gateway, GatewaySettings, RelayBody};

fn gateway(upstream: &Url) -> Gateway {
    Gateway::new(upstream, GatewaySettings::default()).unwrap()
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("https://notes.example.com/mcp").body(Full::from(body)).unwrap()
}

fn bare(method: Method) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("/mcp").body(Full::default()).unwrap()
}

async fn send(gateway: &Gateway, request: Request<Full<Bytes>>) -> Response<RelayBody> {
    gateway.clone().call(request).await.unwrap()
}

async fn text(response: Response<RelayBody>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What an answer that the gateway gave for itself names as the error, whether as a message or plainly.
async fn own_error(response: Response<RelayBody>) -> String {
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("www-authenticate"));
    let status = response.status();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    if body.get("jsonrpc").is_none() {
        return body["error"].as_str().unwrap().to_owned();
    }
    let code = if status.is_server_error() { -32603 } else { -32600 };
    assert_eq!(body["error"]["code"], code);
    assert!(body["error"]["message"].is_string());
    body["error"]["data"]["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_gateway_fits_where_axum_and_tower_want_a_service() {
    fn service<S>(_: &S)
    where
        S: tower_service::Service<Request<Full<Bytes>>, Response = Response<RelayBody>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
    }
    fn body<B: http_body::Body<Data = Bytes, Error = crate::BoxError> + Send + 'static>() {}
    service(&gateway(&Url::parse("http://127.0.0.1:3000/mcp").unwrap()));
    body::<RelayBody>();
}
