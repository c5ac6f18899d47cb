//! T-smuggle: where one message ends and the next begins is never left to the other side's reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::upstream::{echo, raw, read_to};
use super::{gateway, own_error, post, send, text};

/// The gateway behind a real server, and a connection to it.
async fn front(upstream: &Url) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(gateway(upstream));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let served = hyper::server::conn::http1::Builder::new();
        let _ = served.serve_connection(TokioIo::new(stream), service).await;
    });
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn t_smuggle_two_framings_become_one_or_none() {
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for (name, head) in [
        ("length first", "content-length: 4\r\ntransfer-encoding: chunked\r\n"),
        ("length last", "transfer-encoding: chunked\r\ncontent-length: 4\r\n"),
        ("odd case", "Transfer-Encoding: Chunked\r\nContent-Length: 400\r\n"),
        ("unknown coding", "transfer-encoding: x, chunked\r\ncontent-length: 4\r\n"),
        ("chunked not last", "transfer-encoding: chunked, x\r\ncontent-length: 4\r\n"),
        ("two lengths", "content-length: 4\r\ncontent-length: 5\r\n"),
        ("a sign", "content-length: +4\r\n"),
        ("a list", "content-length: 4, 5\r\n"),
        ("space before colon", "transfer-encoding : chunked\r\ncontent-length: 4\r\n"),
        ("vertical tab", "transfer-encoding: \x0bchunked\r\n"),
        ("underscore", "transfer_encoding: chunked\r\ncontent-length: 15\r\n"),
    ] {
        let (url, mut seen) = echo().await;
        let mut caller = front(&url).await;
        let request = format!("POST /mcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n{chunked}");
        caller.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Refused, the connection may be reset while its rest is still unread.
        let _ = caller.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        match seen.try_recv() {
            Err(_) => assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{name}: {answer}"),
            Ok(seen) => {
                let headers = &seen.parts.headers;
                let framings = headers.get_all("content-length").iter().count()
                    + headers.get_all("transfer-encoding").iter().count();
                assert_eq!(framings, 1, "{name}");
                assert!(!headers.contains_key("transfer_encoding"), "{name}");
                let expected = if name == "underscore" { chunked } else { "hello" };
                assert_eq!(seen.body, expected, "{name}");
                assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
            }
        }
        assert!(seen.try_recv().is_err(), "{name}: one request became two");
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_502_and_not_half_an_answer() {
    let url = raw(|mut stream| async move {
        read_to(&mut stream, "{}").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let response = send(&gateway(&url), post("{}")).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(own_error(response).await, "upstream_unavailable");
}

#[tokio::test]
async fn a_long_body_shorter_than_announced_breaks_off_and_does_not_just_end() {
    let url = raw(|mut stream| async move {
        read_to(&mut stream, "{}").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n").await.unwrap();
        stream.write_all(&vec![b'x'; 150_000]).await.unwrap();
    })
    .await;
    let response = send(&gateway(&url), post("{}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.into_body().collect().await.is_err());

    let mut caller = front(&url).await;
    caller.write_all(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("content-length: 200000\r\n") && answer.len() < 200_000, "{}", answer.len());
}

#[tokio::test]
async fn what_follows_an_answer_is_not_the_answer_to_the_next_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let url = raw(move |mut stream| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            read_to(&mut stream, "{}").await;
            let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}{poison}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let gateway = gateway(&url);
    for number in ["0", "1", "2"] {
        assert_eq!(text(send(&gateway, post("{}")).await).await, number);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3, "such a connection is not used again");
}

#[tokio::test]
async fn an_honest_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let url = raw(move |mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            for _ in 0..3 {
                read_to(&mut stream, "{}").await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    })
    .await;
    let gateway = gateway(&url);
    for _ in 0..3 {
        assert_eq!(text(send(&gateway, post("{}")).await).await, "ok");
        tokio::task::yield_now().await; // the connection goes back to the pool in a task of its own
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
