//! The listener's own certificate.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::world::Server;

/// Shakes hands with the server, trusting `certificate` alone.
fn handshake(server: &Server, certificate: &rcgen::Certificate) -> Result<Option<Vec<u8>>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(client.alpn_protocol().map(<[u8]>::to_vec))
}

#[test]
fn a_certificate_is_read_again_when_told() {
    let place = tempfile::tempdir().unwrap();
    let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    let make = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        made.cert
    };
    let first = make();
    let words = format!(
        "guard --listen 127.0.0.1:0 --issuer https://localhost:8414 --tls-cert {} --tls-key {}",
        cert.display(),
        key.display()
    );
    let server = Server::start(&place.path().join("data"), &words);
    assert_eq!(server.said["issuer"], "https://localhost:8414");
    assert_eq!(handshake(&server, &first).unwrap(), Some(b"h2".to_vec()));
    let second = make();
    server.hang_up();
    // The signal arrives when it arrives; the files are looked at besides.
    let mut tries = (0..1000).map(|_| handshake(&server, &second));
    assert!(tries.any(|outcome| outcome.is_ok()), "the new certificate is never shown");
    assert!(handshake(&server, &first).is_err());
    assert_eq!(server.stop(), 0);
}
