//! Over real sockets on loopback: TLS as the operating system sees it, the loopback switch on and off, and that a
//! refused fetch reaches no listener.

#![expect(clippy::unwrap_used, reason = "a test site that cannot start fails its test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_fetch::{FetchError, Fetcher, Limits, Loopback, Settings};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

const DOCUMENT: &str = r#"{"client_id":"http://127.0.0.1/x"}"#;

struct Site {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

impl Site {
    async fn start(tls: Option<TlsAcceptor>, head: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                match &tls {
                    None => answer(stream, head).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, head).await;
                        }
                    }
                }
            }
        });
        Self { address, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    fn url(&self, start: &str) -> Url {
        Url::parse(&format!("{start}:{}/x", self.address.port())).unwrap()
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        asked.push(byte);
    }
    let reply = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len());
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn certificate() -> (TlsAcceptor, CertificateDer<'static>) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let root = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], key.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), root)
}

const JSON: &str = "200 OK\r\ncontent-type: application/json";

#[tokio::test]
async fn c07_with_the_switch_on_loopback_is_fetched_over_http_and_https() {
    let (tls, root) = certificate();
    let (plain, secure) = (Site::start(None, JSON).await, Site::start(Some(tls), JSON).await);
    let settings = Settings { extra_roots: vec![root], loopback: Loopback::AllowPlainAndTls };
    let fetcher = Fetcher::new(settings).unwrap();
    for url in
        [plain.url("http://127.0.0.1"), secure.url("https://127.0.0.1"), secure.url("https://localhost")]
    {
        let (fetcher, name) = (fetcher.clone(), url.to_string());
        let fetching = tokio::spawn(async move { fetcher.fetch(&url, Limits::CLIENT_DOCUMENT).await });
        assert_eq!(&fetching.await.unwrap().unwrap().body[..], DOCUMENT.as_bytes(), "{name}");
    }
    let untrusting =
        Fetcher::new(Settings { extra_roots: vec![], loopback: Loopback::AllowPlainAndTls }).unwrap();
    let got = untrusting.fetch(&secure.url("https://localhost"), Limits::CLIENT_DOCUMENT).await;
    assert_eq!(got, Err(FetchError::Tls));
}

#[tokio::test]
async fn c07_with_the_switch_off_no_listener_is_hit() {
    let (tls, root) = certificate();
    let site = Site::start(Some(tls), JSON).await;
    let fetcher = Fetcher::new(Settings { extra_roots: vec![root], ..Settings::default() }).unwrap();
    for start in [
        "https://127.0.0.1",
        "https://localhost",
        "https://0x7f.1",
        "https://[::ffff:127.0.0.1]",
        "http://127.1",
    ] {
        assert!(fetcher.fetch(&site.url(start), Limits::CLIENT_DOCUMENT).await.is_err(), "{start}");
    }
    let by_name = Url::parse("https://localhost/x").unwrap();
    let got = fetcher.fetch(&by_name, Limits::CLIENT_DOCUMENT).await;
    assert!(matches!(got, Err(FetchError::Address(_))), "{got:?}");
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn c03_a_redirect_reaches_no_second_listener() {
    let next = Site::start(None, JSON).await;
    let location = next.url("http://127.0.0.1");
    let head = format!("302 Found\r\nlocation: {location}\r\ncontent-type: application/json");
    let site = Site::start(None, head.leak()).await;
    let settings = Settings { extra_roots: vec![], loopback: Loopback::AllowPlainAndTls };
    let got =
        Fetcher::new(settings).unwrap().fetch(&site.url("http://127.0.0.1"), Limits::CLIENT_DOCUMENT).await;
    assert_eq!(got, Err(FetchError::Status(302)));
    assert_eq!((site.hits(), next.hits()), (1, 0));
}
