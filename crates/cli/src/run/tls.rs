//! The listener's certificate, read again when its files change or the process is told to (SIGHUP).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::SignalKind;
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::failure::Failure;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The certificate in use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    files: Arc<TlsFiles>,
    config: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    /// Reads certificate and key.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, Failure> {
        let config = ArcSwap::from_pointee(read(&files)?);
        Ok(Self { files: Arc::new(files), config: Arc::new(config) })
    }

    /// For one connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Looks at the files now and then, and when told to; takes what they say once it can be used. The signal is
    /// heard from when this returns.
    pub(crate) fn keep_fresh(self) -> Result<impl Future<Output = ()> + Send, Failure> {
        let mut told = super::hear(SignalKind::hangup())?;
        Ok(async move {
            let mut known = self.stamp();
            loop {
                let asked = tokio::select! {
                    _ = told.recv() => true,
                    () = tokio::time::sleep(LOOK) => false,
                };
                let stamp = self.stamp();
                if asked || stamp != known {
                    known = stamp;
                    self.reload();
                }
            }
        })
    }

    fn reload(&self) {
        match read(&self.files) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!("the certificate was read anew");
            }
            // Perhaps one file was written and the other not yet: the next change is looked at again.
            Err(failure) => tracing::warn!("the certificate was not taken, the one before stays: {failure}"),
        }
    }

    fn stamp(&self) -> Vec<Option<(SystemTime, u64)>> {
        let look = |path: &Path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        vec![look(&self.files.cert), look(&self.files.key)]
    }
}

/// Every certificate of a PEM file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let fault =
        |error| Failure::fixable(format!("cannot read certificates from `{}`: {error}", path.display()));
    let all =
        CertificateDer::pem_file_iter(path).map_err(fault)?.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    if all.is_empty() {
        return Err(Failure::fixable(format!("there is no certificate in `{}`", path.display())));
    }
    Ok(all)
}

fn read(files: &TlsFiles) -> Result<ServerConfig, Failure> {
    let certificates = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| {
        Failure::fixable(format!("cannot read a key from `{}`: {error}", files.key.display()))
    })?;
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::ours(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| {
                Failure::fixable(format!("certificate and key cannot be used together: {error}"))
                    .hint(format!("look at `{}` and `{}`", files.cert.display(), files.key.display()))
            })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
