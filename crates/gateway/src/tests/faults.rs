//! Upstreams that are not there, do not answer, or answer nonsense.

use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tower_service::Service as _;
use url::Url;

use super::upstream::{nobody, raw, read_to};
use super::{bare, gateway, own_error, post, send};
use crate::{Gateway, GatewaySettings};

#[tokio::test]
async fn an_upstream_that_is_down_is_502_with_retry_after() {
    let response = send(&gateway(&nobody().await), post("{}")).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(own_error(response).await, "upstream_unavailable");
}

/// An upstream that takes connections, says so, and then holds them in silence.
async fn silent() -> (Url, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let url = raw(move |stream| {
        let tell = tell.clone();
        async move {
            let mut first = [0; 1];
            stream.readable().await.unwrap();
            stream.try_read(&mut first).ok();
            tell.send(()).ok();
            std::future::pending::<()>().await;
            drop(stream);
        }
    })
    .await;
    (url, told)
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_504_with_retry_after() {
    let (url, mut told) = silent().await;
    let asking = tokio::spawn(gateway(&url).call(post("{}")));
    told.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(GatewaySettings::RESPONSE_TIMEOUT).await;
    let response = asking.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(own_error(response).await, "upstream_timeout");
}

#[tokio::test]
async fn an_upstream_that_never_ends_its_handshake_is_504() {
    let (mut url, mut told) = silent().await;
    url.set_scheme("https").unwrap();
    let settings =
        GatewaySettings { response_timeout: std::time::Duration::MAX, ..GatewaySettings::default() };
    let asking = tokio::spawn(Gateway::new(&url, settings).unwrap().call(post("{}")));
    told.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(GatewaySettings::CONNECT_TIMEOUT).await;
    let response = asking.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(own_error(response).await, "upstream_timeout");
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_is_502() {
    let large = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\n", "x".repeat(128 * 1024));
    for (name, head) in [
        ("nothing", ""),
        ("another protocol", "SSH-2.0-OpenSSH_9.9\r\n"),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-le"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("no number", "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na"),
        ("folded", "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\n\r\n"),
        ("space before colon", "HTTP/1.1 200 OK\r\nx-a : b\r\n\r\n"),
        ("switching", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        ("large head", large.as_str()),
    ] {
        let head = head.to_owned();
        let url = raw(move |mut stream| {
            let head = head.clone();
            async move {
                read_to(&mut stream, "{}").await;
                // The gateway may hang up before all is written.
                let _ = stream.write_all(head.as_bytes()).await;
            }
        })
        .await;
        let response = send(&gateway(&url), post("{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{name}");
        assert_eq!(own_error(response).await, "upstream_unavailable", "{name}");
    }
}

#[tokio::test]
async fn a_get_to_a_hanging_upstream_gives_its_place_back() {
    let (url, mut told) = silent().await;
    let settings = GatewaySettings { in_flight: 1, ..GatewaySettings::default() };
    let gateway = Gateway::new(&url, settings).unwrap();
    for _ in 0..2 {
        let asking = tokio::spawn(gateway.clone().call(bare(Method::GET)));
        told.recv().await.unwrap();
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
    }
}

#[test]
fn no_log_shows_more_of_the_upstream_than_where_it_stands() {
    let url = Url::parse("https://up.example/s/secret-path?key=secret-key").unwrap();
    let shown = format!("{:?}", gateway(&url));
    assert!(shown.contains("https://up.example") && !shown.contains("secret"), "{shown}");
}
