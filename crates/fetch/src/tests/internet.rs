//! The internet in memory. It counts every look-up and every dial.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::dial::{Dial, Dialling, Wire};
use crate::{Document, FetchError, Fetcher, Limits, Loopback, Resolve, Resolving, Settings};

/// A public address, where the usual site stands.
pub(super) const PUBLIC: &str = "93.184.215.14";
pub(super) const NAME: &str = "client.example";
pub(super) const PAGE: &str = "https://client.example/oauth/metadata.json";

/// What happens to a dial.
#[derive(Clone)]
pub(super) enum Answer {
    Refuse,
    Hang,
    /// Accepts TCP and never says a byte.
    Silent,
    /// Speaks first, and without TLS.
    Plain(Vec<u8>),
    Tls(Vec<Step>),
}

/// What a site does once it has read a request.
#[derive(Clone)]
pub(super) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Sends the same again and again: a megabyte of it, which is beyond every cap.
    Flood(Vec<u8>),
    Hold,
}

pub(super) fn send(text: impl AsRef<[u8]>) -> Step {
    Step::Send(text.as_ref().to_vec())
}

/// A whole answer: status line and header lines as given, then the body.
pub(super) fn reply(head: &str, body: &str) -> Vec<Step> {
    vec![send(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))]
}

#[derive(Default)]
struct World {
    /// Answers by name, one per look-up; the last one stays.
    names: HashMap<String, Vec<io::Result<Vec<IpAddr>>>>,
    hosts: HashMap<SocketAddr, Answer>,
    lookups: Vec<String>,
    dials: Vec<SocketAddr>,
    requests: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Internet {
    world: Arc<Mutex<World>>,
    acceptor: TlsAcceptor,
    root: CertificateDer<'static>,
}

impl Internet {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let root = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], key.into())
            .unwrap();
        Self { world: Arc::default(), acceptor: TlsAcceptor::from(Arc::new(config)), root }
    }

    /// An internet of one site: the usual name, at the usual address, that does `steps`.
    pub(super) fn of(steps: Vec<Step>) -> Self {
        Self::new().name(NAME, &[PUBLIC]).host(PUBLIC, Answer::Tls(steps))
    }

    pub(super) fn name(self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.world.lock().unwrap().names.entry(name.to_owned()).or_default().push(Ok(addresses));
        self
    }

    pub(super) fn host(self, address: &str, answer: Answer) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), 443);
        self.world.lock().unwrap().hosts.insert(address, answer);
        self
    }

    pub(super) fn fetcher(&self) -> Fetcher {
        self.fetcher_with(Settings { extra_roots: vec![self.root.clone()], loopback: Loopback::Refuse })
    }

    pub(super) fn fetcher_with(&self, settings: Settings) -> Fetcher {
        Fetcher::with_ways_out(settings, Arc::new(self.clone()), Arc::new(self.clone())).unwrap()
    }

    pub(super) async fn fetch(&self) -> Result<Document, FetchError> {
        self.fetcher().fetch(&Url::parse(PAGE).unwrap(), Limits::CLIENT_DOCUMENT).await
    }

    pub(super) fn lookups(&self) -> usize {
        self.world.lock().unwrap().lookups.len()
    }

    pub(super) fn dials(&self) -> Vec<String> {
        self.world.lock().unwrap().dials.iter().map(ToString::to_string).collect()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.world.lock().unwrap().requests.clone()
    }

    async fn serve(self, stream: DuplexStream, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Tls(steps) => {
                let stream = self.acceptor.accept(stream).await?;
                self.act(stream, steps).await
            }
            Answer::Plain(bytes) => {
                let mut stream = stream;
                stream.write_all(&bytes).await?;
                stream.shutdown().await
            }
            Answer::Refuse | Answer::Hang | Answer::Silent => {
                let _held = stream;
                pending().await
            }
        }
    }

    async fn act(
        self,
        mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
        steps: Vec<Step>,
    ) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        self.world.lock().unwrap().requests.push(String::from_utf8(head).unwrap());
        for step in steps {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes).await?,
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Flood(bytes) => {
                    for _ in 0..(1 << 20) / bytes.len() {
                        stream.write_all(&bytes).await?;
                    }
                }
                Step::Hold => pending().await,
            }
        }
        stream.shutdown().await
    }
}

impl Resolve for Internet {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        let mut world = self.world.lock().unwrap();
        world.lookups.push(name.to_owned());
        let answer = match world.names.get_mut(name) {
            None => return Box::pin(pending()),
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => match answers.first() {
                Some(Ok(addresses)) => Ok(addresses.clone()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
        };
        Box::pin(async move { answer })
    }
}

impl Dial for Internet {
    fn dial(&self, address: SocketAddr) -> Dialling<'_> {
        let mut world = self.world.lock().unwrap();
        world.dials.push(address);
        match world.hosts.get(&address).cloned().unwrap_or(Answer::Refuse) {
            Answer::Refuse => Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) }),
            Answer::Hang => Box::pin(pending()),
            answer => {
                let (near, far) = duplex(64 * 1024);
                tokio::spawn(self.clone().serve(far, answer));
                Box::pin(async { Ok(Box::new(near) as Wire) })
            }
        }
    }
}
