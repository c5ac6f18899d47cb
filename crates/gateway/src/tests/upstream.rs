//! Upstreams: one that tells what reached it, one that answers as told, one that speaks raw bytes.

use std::convert::Infallible;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use url::Url;

use crate::BoxError;

/// A request as it reached the upstream.
pub(super) struct Seen {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    (listener, Url::parse(&url).unwrap())
}

/// A URL where nobody listens.
pub(super) async fn nobody() -> Url {
    listen().await.1
}

/// Answers every request by `answer`.
pub(super) async fn answering<A, F, B>(answer: A) -> Url
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    raw(move |stream| {
        let answer = answer.clone();
        async move {
            let service = service_fn(move |request| {
                let answering = answer(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let served = hyper::server::conn::http1::Builder::new();
            // A client that leaves ends this with an error, which is its right.
            let _ = served.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// Takes everything and reports it.
pub(super) async fn echo() -> (Url, mpsc::UnboundedReceiver<Seen>) {
    let (tell, seen) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let tell = tell.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            tell.send(Seen { parts, body }).ok();
            Response::new(Full::<Bytes>::from("taken"))
        }
    })
    .await;
    (url, seen)
}

/// Hands each connection to `script`.
pub(super) async fn raw<S, F>(script: S) -> Url
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    url
}

/// Reads from `stream` up to and with `end`.
pub(super) async fn read_to<S: AsyncRead + Unpin>(stream: &mut S, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&read)),
        }
    }
    String::from_utf8(read).unwrap()
}
