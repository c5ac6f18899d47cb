//! An upstream behind TLS is asked only when its certificate holds.

use std::sync::Arc;

use http::StatusCode;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::upstream::{raw, read_to};
use super::{own_error, post, send, text};
use crate::{Gateway, GatewayError, GatewaySettings};

/// An upstream with a certificate for `name`, and that certificate.
async fn encrypted(name: &str) -> (Url, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let root = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut url = raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_to(&mut stream, "{}").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    url.set_scheme("https").unwrap();
    url.set_host(Some("localhost")).unwrap();
    (url, root)
}

#[tokio::test]
async fn a_certificate_must_come_from_a_known_root_and_name_the_upstream() {
    for (name, certified, is_known, expected) in [
        ("known root", "localhost", true, StatusCode::OK),
        ("unknown root", "localhost", false, StatusCode::BAD_GATEWAY),
        ("another name", "other.example", true, StatusCode::BAD_GATEWAY),
    ] {
        let (url, root) = encrypted(certified).await;
        let extra_roots = if is_known { vec![root] } else { Vec::new() };
        let settings = GatewaySettings { extra_roots, ..GatewaySettings::default() };
        let response = send(&Gateway::new(&url, settings).unwrap(), post("{}")).await;
        assert_eq!(response.status(), expected, "{name}");
        match expected {
            StatusCode::OK => assert_eq!(text(response).await, "ok"),
            _ => assert_eq!(own_error(response).await, "upstream_unavailable"),
        }
    }
}

#[test]
fn an_extra_root_that_is_no_certificate_is_refused() {
    let extra_roots = vec![CertificateDer::from(vec![1, 2, 3])];
    let settings = GatewaySettings { extra_roots, ..GatewaySettings::default() };
    let refused = Gateway::new(&Url::parse("https://up.example/").unwrap(), settings);
    assert!(matches!(refused, Err(GatewayError::Root(_))));
}
