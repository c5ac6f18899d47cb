//! The accept loop. Every connection has a place among a bounded number, a bounded time to say what it wants, and
//! bounded room to say it in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::{Router, http};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tower_service::Service as _;

use super::body::Patient;
use super::tls::Tls;

/// Connections at once; more wait in the operating system's queue. Fewer where the process may open few files.
const CONNECTIONS: usize = 4096;
/// Files a process may open where it cannot be found out.
const FILES: usize = 1024;
/// Time to send the head of a request, and to stay without one.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Time for the TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Most headers of one request.
const HEADERS: usize = 100;
/// Most bytes of a request's head.
const HEAD_SIZE: usize = 64 * 1024;
/// Most bytes of a request's headers in HTTP/2.
const HEADER_LIST_SIZE: u32 = 64 * 1024;
/// Most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// An HTTP/2 connection is asked this often whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long what is under way may take once we stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which mostly means that files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until told to stop, and then what is under way for at most [`DRAIN`].
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(places()));
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let (Ok(place), Ok((stream, peer))) = (place, accepted) else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            converse(stream, peer, tls, router, watcher).await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way, and were cut off");
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, tls: Option<Tls>, router: Router, watcher: Watcher) {
    // Answers are small and somebody waits for each: nothing is gained by holding one back.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return exchange(stream, peer, Wire::Http1, router, watcher).await };
    match timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let wire = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Wire::Http2,
                _ => Wire::Http1,
            };
            exchange(stream, peer, wire, router, watcher).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

/// Which protocol was agreed on. It is never guessed from the first bytes: a connection that sends none would be
/// waited for without end.
#[derive(Clone, Copy)]
enum Wire {
    Http1,
    Http2,
}

async fn exchange<S>(stream: S, peer: SocketAddr, wire: Wire, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder = match wire {
        Wire::Http1 => builder.http1_only(),
        Wire::Http2 => builder.http2_only(),
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_SIZE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST_SIZE)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(HEAD_TIME);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut router = router.clone();
        let mut request = request.map(|body| Body::new(Patient::new(body)));
        request.extensions_mut().insert(ConnectInfo(peer));
        async move { Ok::<_, Infallible>(answer(router.call(request).await)) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

fn answer(outcome: Result<http::Response<Body>, Infallible>) -> http::Response<Body> {
    let Ok(response) = outcome;
    response
}

/// Half of the files we may open at most: each request to an upstream opens one more.
fn places() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(FILES);
    CONNECTIONS.min(files / 2).max(1)
}
