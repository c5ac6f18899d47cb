//! For tests: a host of documents on a loopback port, and a clock moved by hand.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_fetch::{Fetcher, Loopback, Settings};
use portcullis_guard::Clock;
use portcullis_rules::model::Client;
use portcullis_rules::settings::Lifetimes;
use portcullis_wire::id::ClientId;
use portcullis_wire::redirect::WELL_KNOWN_SCHEMES;
use portcullis_wire::time::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::document::Documents;
use super::fault::DocumentFault;

pub(super) const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

pub(super) struct HandClock(AtomicI64);

impl HandClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000_000)))
    }

    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
struct Pages {
    /// Whole answers by path, one per request; the last one stays.
    answers: HashMap<String, Vec<String>>,
    hits: Vec<String>,
}

/// A host that answers what it was told to and counts who asked.
pub(super) struct Site {
    pub(super) origin: String,
    pages: Arc<Mutex<Pages>>,
    gate: Arc<Semaphore>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let pages: Arc<Mutex<Pages>> = Arc::default();
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let (told, door) = (Arc::clone(&pages), Arc::clone(&gate));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&told), Arc::clone(&door)));
            }
        });
        Self { origin, pages, gate }
    }

    /// A site that takes requests and answers none of them before [`open`](Self::open).
    pub(super) async fn closed() -> Self {
        let site = Self::start().await;
        site.gate.forget_permits(Semaphore::MAX_PERMITS);
        site
    }

    pub(super) fn open(&self) {
        self.gate.add_permits(1 << 20);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Adds an answer: the status line's rest and any header lines, then the body.
    pub(super) fn answers(&self, path: &str, head: &str, body: &str) {
        let whole =
            format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        self.pages.lock().unwrap().answers.entry(path.to_owned()).or_default().push(whole);
    }

    pub(super) fn serves(&self, path: &str, json: &str) {
        self.answers(path, "200 OK\r\ncontent-type: application/json", json);
    }

    /// Serves a document that is good, with `members` (`"a":1,`) at its front.
    pub(super) fn serves_client(&self, path: &str, members: &str) {
        let id = self.url(path);
        self.serves(
            path,
            &format!(
                r#"{{{members}"client_id":"{id}","client_name":"Notebook","redirect_uris":["http://127.0.0.1/cb"]}}"#
            ),
        );
    }

    pub(super) fn hits(&self) -> usize {
        self.pages.lock().unwrap().hits.len()
    }

    pub(super) fn id(&self, path: &str) -> ClientId {
        ClientId::parse(&self.url(path)).unwrap()
    }
}

async fn answer(mut stream: TcpStream, pages: Arc<Mutex<Pages>>, gate: Arc<Semaphore>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let whole = {
        let mut pages = pages.lock().unwrap();
        pages.hits.push(path.clone());
        match pages.answers.get_mut(&path) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        }
    };
    let _permit = gate.acquire().await.unwrap();
    // The far side may have left once it saw enough.
    let _sent = stream.write_all(whole.as_bytes()).await;
    let _closed = stream.shutdown().await;
}

/// What every test needs: documents that may stand on this machine.
pub(super) struct World {
    pub(super) clock: Arc<HandClock>,
    pub(super) documents: Documents,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(true)
    }

    pub(super) fn with(loopback: bool) -> Self {
        let setting = if loopback { Loopback::AllowPlainAndTls } else { Loopback::Refuse };
        let fetcher = Fetcher::new(Settings { loopback: setting, ..Settings::default() }).unwrap();
        let clock = HandClock::new();
        let schemes = WELL_KNOWN_SCHEMES.iter().map(|scheme| (*scheme).to_owned()).collect();
        let documents = Documents::new(fetcher, Arc::<HandClock>::clone(&clock), loopback, schemes);
        Self { clock, documents }
    }

    pub(super) async fn client(&self, id: &ClientId) -> Result<Client, DocumentFault> {
        self.documents.client(id, SOURCE, &Lifetimes::default()).await
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }
}
