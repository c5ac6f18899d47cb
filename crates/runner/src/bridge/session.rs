//! One session of the stateful revisions: whose it is, and the stream on which its server speaks unasked.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::peer::Peer;
use super::reply::Told;
use crate::limits;

/// A session, at one process.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) caller: Arc<str>,
    pub(super) peer: Arc<Peer>,
    /// When it was last used, in turns.
    pub(super) used: AtomicU64,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    stream: Option<mpsc::Sender<Told>>,
    unheard: VecDeque<Bytes>,
    bytes: usize,
    subscriptions: HashSet<String>,
    ended: bool,
}

impl Session {
    pub(super) fn new(id: String, caller: Arc<str>, peer: Arc<Peer>) -> Self {
        Self { id, caller, peer, used: AtomicU64::new(0), heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn turn(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Opens the session's stream, which begins with what waited for it. None if one is open.
    pub(super) fn open(&self) -> Option<mpsc::Receiver<Told>> {
        let mut heard = self.heard();
        if heard.ended || heard.stream.as_ref().is_some_and(|stream| !stream.is_closed()) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(limits::EVENTS + limits::UNHEARD);
        for message in std::mem::take(&mut heard.unheard) {
            // There is room: the queue is as long as what waits.
            sender.try_send(Told::Beside(message)).unwrap_or_default();
        }
        heard.bytes = 0;
        heard.stream = Some(sender);
        Some(receiver)
    }

    /// The session's stream, if it is open.
    pub(super) fn stream(&self) -> Option<mpsc::Sender<Told>> {
        self.heard().stream.clone().filter(|stream| !stream.is_closed())
    }

    /// Closes the stream, as for a reader that is too slow for a server which many share.
    pub(super) fn hang_up(&self) {
        self.heard().stream = None;
    }

    /// Keeps a message until a stream opens; the oldest give way.
    pub(super) fn keep(&self, message: Bytes) {
        let mut heard = self.heard();
        if heard.ended || message.len() > limits::UNHEARD_BYTES {
            return;
        }
        heard.bytes += message.len();
        heard.unheard.push_back(message);
        while heard.unheard.len() > limits::UNHEARD || heard.bytes > limits::UNHEARD_BYTES {
            let Some(oldest) = heard.unheard.pop_front() else { break };
            heard.bytes -= oldest.len();
        }
    }

    /// Notes what it subscribed to, or no longer.
    pub(super) fn subscribe(&self, uri: &str, wants: bool) {
        let mut heard = self.heard();
        match wants {
            true if heard.subscriptions.len() < limits::SUBSCRIPTIONS => {
                heard.subscriptions.insert(uri.to_owned());
            }
            true => {}
            false => {
                heard.subscriptions.remove(uri);
            }
        }
    }

    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        self.heard().subscriptions.contains(uri)
    }

    pub(super) fn end(&self) {
        *self.heard() = Heard { ended: true, ..Heard::default() };
    }
}
