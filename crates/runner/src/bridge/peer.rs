//! One process as the bridge speaks to it: what was asked of it, under ids of our own, and who hears what it says.
//!
//! At a process of one session everything it says is that session's. At one that many share, what belongs to a
//! request goes to that request; changes of lists go to all sessions, news of a resource to those that subscribed to
//! it, and what else has no addressee goes to the one session that has requests open, or that is alone. Where there
//! is no such session it goes to nobody: better unheard than heard by another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use portcullis_mcp::answer::{Answer, Object};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::reply::{Failure, Told};
use super::session::Session;
use super::text;
use crate::frame::Closed;
use crate::limits;
use crate::link::{Channel, Speaker};

/// What a process is told of what it must not ask here.
const METHOD_NOT_FOUND: i64 = -32601;

pub(super) struct Peer {
    speaker: Arc<Speaker>,
    /// Whether several sessions share it.
    shared: bool,
    state: Mutex<State>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    next: u64,
    pending: HashMap<u64, Pending>,
    /// The server's own requests, by their ids, and the session that was asked.
    asked: HashMap<String, Weak<Session>>,
    sessions: Vec<Weak<Session>>,
    closed: Option<Closed>,
}

/// One request of a caller.
struct Pending {
    id: Value,
    token: Option<String>,
    told: mpsc::Sender<Told>,
    /// The session's name; none in the revision without sessions.
    session: Option<String>,
    caller: Arc<str>,
    since: Instant,
}

impl State {
    /// Whether a caller has to wait. What many share is not one caller's to fill, however many sessions it has.
    fn is_full(&self, shared: bool, caller: &Arc<str>) -> bool {
        let own = self.pending.values().filter(|one| one.caller == *caller).count();
        self.pending.len() >= limits::PENDING || (shared && own >= limits::PENDING_EACH)
    }
}

impl Peer {
    /// Speaks over `channel` until nobody holds the peer or it is stopped. `gone` is then called.
    pub(super) fn start(channel: Channel, shared: bool, gone: impl FnOnce() + Send + 'static) -> Arc<Self> {
        let (stop, stopped) = watch::channel(false);
        let peer = Arc::new(Self { speaker: channel.speaker(), shared, state: Mutex::default(), stop });
        tokio::spawn(pump(channel, Arc::downgrade(&peer), stopped, gone));
        peer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process, if nobody else needs it.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) const fn is_shared(&self) -> bool {
        self.shared
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.state().closed.clone()
    }

    pub(super) fn join(&self, session: &Arc<Session>) {
        let mut state = self.state();
        state.sessions.retain(|session| session.strong_count() > 0);
        state.sessions.push(Arc::downgrade(session));
    }

    /// Forgets what a session asked.
    pub(super) fn part(&self, id: &str) {
        self.state().pending.retain(|_, pending| pending.session.as_deref() != Some(id));
    }

    pub(super) fn owes(&self, session: &str) -> bool {
        self.state().pending.values().any(|pending| pending.session.as_deref() == Some(session))
    }

    /// Sends a request under an id of ours, and tells it with the receiver of what is said in return.
    pub(super) async fn ask(
        &self,
        body: &str,
        id: &Value,
        session: Option<&str>,
        caller: &Arc<str>,
        patience: Duration,
    ) -> Result<(u64, mpsc::Receiver<Told>), Failure> {
        let (told, receiver) = mpsc::channel(limits::EVENTS);
        let (number, line) = {
            let mut state = self.state();
            if let Some(why) = &state.closed {
                return Err(Failure::Closed(why.clone()));
            }
            if state.is_full(self.shared, caller) {
                // Nobody waits any more for what is overdue.
                state.pending.retain(|_, one| !one.told.is_closed() || one.since.elapsed() < patience);
                if state.is_full(self.shared, caller) {
                    return Err(Failure::Busy);
                }
            }
            state.next += 1;
            let number = state.next;
            let (line, token) = text::with_id(body, number).ok_or(Failure::NoMessage)?;
            let session = session.map(str::to_owned);
            let (id, caller, since) = (id.clone(), Arc::clone(caller), Instant::now());
            let pending = Pending { id, token, told, session, caller, since };
            state.pending.insert(number, pending);
            (number, line)
        };
        match tokio::time::timeout(patience, self.speaker.send(line)).await {
            Ok(Ok(())) => Ok((number, receiver)),
            Ok(Err(why)) => {
                self.state().pending.remove(&number);
                Err(if why == Closed::TooLong { Failure::TooLarge } else { Failure::Closed(why) })
            }
            Err(_) => {
                self.state().pending.remove(&number);
                Err(Failure::Timeout)
            }
        }
    }

    /// Sends a line that expects nothing in return.
    pub(super) async fn say(&self, line: Bytes, patience: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(patience, self.speaker.send(line)).await {
            Ok(sent) => sent.map_err(Failure::Closed),
            Err(_) => Err(Failure::Timeout),
        }
    }

    /// Gives up on a request, and tells the process so.
    pub(super) fn cancel(self: &Arc<Self>, number: u64) {
        if self.state().pending.remove(&number).is_none() {
            return;
        }
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number},"reason":"nobody waits for the answer"}}}}"#
        );
        let peer = Arc::clone(self);
        tokio::spawn(async move { peer.say(line.into(), limits::FAREWELL).await });
    }

    /// Our own id of a session's request.
    pub(super) fn number_of(&self, session: &str, id: &Value) -> Option<u64> {
        let state = self.state();
        let found =
            state.pending.iter().find(|(_, one)| one.session.as_deref() == Some(session) && one.id == *id);
        found.map(|(number, _)| *number)
    }

    /// Whether a session was asked this by the server, and not yet answered. It is answered now.
    pub(super) fn was_asked(&self, session: &Arc<Session>, id: &Value) -> bool {
        let mut state = self.state();
        let id = id.to_string();
        let own = state.asked.get(&id).is_some_and(|one| one.as_ptr() == Arc::as_ptr(session));
        own && state.asked.remove(&id).is_some()
    }

    /// Whether something is open for which the process must stay.
    fn is_in_use(&self) -> bool {
        let state = self.state();
        !state.pending.is_empty()
            || state.sessions.iter().filter_map(Weak::upgrade).any(|session| session.stream().is_some())
    }

    /// One line of the process. None if it is no message.
    async fn hear(&self, line: &Bytes) -> Option<()> {
        let text = std::str::from_utf8(line).ok()?;
        let Answer { top } = Answer::parse(text)?;
        match (top.text("method"), top.raw("id").and_then(text::spelled)) {
            (None, Some(id)) => self.answered(&top, id.parse().ok()?).await,
            (Some(method), Some(id)) => self.asks(&method, id, line).await,
            (Some(method), None) => self.notifies(&method, &top, line).await,
            (None, None) => return None,
        }
        Some(())
    }

    async fn answered(&self, top: &Object<'_>, number: u64) {
        // Cancelled or overdue, if it is not there.
        let Some(pending) = self.state().pending.remove(&number) else { return };
        let answer = Told::Answer(text::answering(top, &pending.id));
        self.tell(&pending.told, answer).await;
    }

    async fn asks(&self, method: &str, id: String, line: &Bytes) {
        if method == "ping" {
            let pong = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
            self.say(pong.into(), limits::FAREWELL).await.unwrap_or_default();
            return;
        }
        let session = self.addressee();
        let taken = session.as_ref().is_some_and(|session| {
            let mut state = self.state();
            state.asked.retain(|_, one| one.strong_count() > 0);
            let room = state.asked.len() < limits::PENDING && !state.asked.contains_key(&id);
            if room {
                state.asked.insert(id.clone(), Arc::downgrade(session));
            }
            room
        });
        match session {
            Some(session) if taken => self.unasked(&session, line.clone()).await,
            _ => {
                let error = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{METHOD_NOT_FOUND},"message":"there is no client here that could be asked"}}}}"#
                );
                self.say(error.into(), limits::FAREWELL).await.unwrap_or_default();
            }
        }
    }

    async fn notifies(&self, method: &str, top: &Object<'_>, line: &Bytes) {
        let params = top.object("params");
        match method {
            "notifications/progress" => {
                let number = params.as_ref().and_then(|params| params.raw("progressToken")?.parse().ok());
                let found = number.and_then(|number: u64| {
                    let state = self.state();
                    let one = state.pending.get(&number)?;
                    Some((one.told.clone(), one.token.clone()?))
                });
                let Some((told, token)) = found else { return };
                if let Some(line) = text::with_param(top, "progressToken", token) {
                    self.tell(&told, Told::Beside(line)).await;
                }
            }
            "notifications/cancelled" => {
                let id = params.as_ref().and_then(|params| text::spelled(params.raw("requestId")?));
                let session = id.and_then(|id| self.state().asked.remove(&id)?.upgrade());
                if let Some(session) = session {
                    self.unasked(&session, line.clone()).await;
                }
            }
            _ if text::subscription(top).is_some() => {
                let number = text::subscription(top).unwrap_or_default();
                let found = self.state().pending.get(&number).map(|one| (one.told.clone(), one.id.clone()));
                if let Some((told, id)) = found
                    && let Some(line) = text::with_subscription(top, &id)
                {
                    self.tell(&told, Told::Beside(line)).await;
                }
            }
            _ if self.shared && method.ends_with("/list_changed") => {
                for session in self.sessions() {
                    self.unasked(&session, line.clone()).await;
                }
            }
            "notifications/resources/updated" if self.shared => {
                let Some(uri) = params.as_ref().and_then(|params| params.text("uri")) else { return };
                for session in self.sessions().iter().filter(|session| session.is_subscribed(&uri)) {
                    self.unasked(session, line.clone()).await;
                }
            }
            _ => match self.addressee() {
                Some(session) => self.unasked(&session, line.clone()).await,
                None => self.beside_the_only(line.clone()).await,
            },
        }
    }

    fn sessions(&self) -> Vec<Arc<Session>> {
        self.state().sessions.iter().filter_map(Weak::upgrade).collect()
    }

    /// Whom the server means when it does not say: the one session with open requests, or the only one.
    fn addressee(&self) -> Option<Arc<Session>> {
        let sessions = self.sessions();
        if let [only] = &*sessions {
            return Some(Arc::clone(only));
        }
        let mut busy = sessions.iter().filter(|session| self.owes(&session.id));
        match (busy.next(), busy.next()) {
            (Some(one), None) => Some(Arc::clone(one)),
            _ => None,
        }
    }

    /// What belongs to no session: to the one request that is open, if there is just one.
    async fn beside_the_only(&self, line: Bytes) {
        let told = {
            let state = self.state();
            let mut all = state.pending.values().filter(|one| one.session.is_none());
            match (all.next(), all.next()) {
                (Some(one), None) if !self.shared => Some(one.told.clone()),
                _ => None,
            }
        };
        if let Some(told) = told {
            self.tell(&told, Told::Beside(line)).await;
        }
    }

    /// Says something unasked: beside the one request that is open, else on the session's stream, else beside any
    /// request, else when a stream opens.
    async fn unasked(&self, session: &Session, line: Bytes) {
        let open: Vec<_> = {
            let state = self.state();
            let own = state.pending.values().filter(|one| one.session.as_deref() == Some(&session.id));
            own.map(|one| one.told.clone()).filter(|told| !told.is_closed()).take(2).collect()
        };
        let stream = match &*open {
            [only] => Some(only.clone()),
            some => session.stream().or_else(|| some.first().cloned()),
        };
        match stream {
            Some(stream) => {
                if !self.tell(&stream, Told::Beside(line)).await {
                    session.hang_up();
                }
            }
            None => session.keep(line),
        }
    }

    /// Passes something on. A slow reader slows its own process down; at a shared one it is left behind.
    async fn tell(&self, to: &mpsc::Sender<Told>, told: Told) -> bool {
        if self.shared {
            return match to.try_send(told) {
                Err(mpsc::error::TrySendError::Full(_)) => {
                    let mut state = self.state();
                    state.pending.retain(|_, one| !one.told.same_channel(to));
                    false
                }
                _ => true,
            };
        }
        let mut stopped = self.stop.subscribe();
        tokio::select! {
            // A reader that has left hears nothing; in these revisions that cancels nothing.
            _ = to.send(told) => {}
            () = is_stopped(&mut stopped) => {}
        }
        true
    }

    fn close(&self, why: Closed) {
        let mut state = self.state();
        state.closed = Some(why);
        state.pending.clear();
        state.asked.clear();
    }
}

/// Resolves when a peer is stopped, or nobody holds it any more.
async fn is_stopped(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.map(drop).unwrap_or_default();
}

async fn pump(
    mut channel: Channel,
    peer: Weak<Peer>,
    mut stopped: watch::Receiver<bool>,
    gone: impl FnOnce() + Send,
) {
    let mut keep = tokio::time::interval(limits::KEEP);
    let mut garbage = 0_usize;
    let why = loop {
        tokio::select! {
            line = channel.recv() => {
                let Some(line) = line else { break channel.closed() };
                let Some(peer) = peer.upgrade() else { break Closed::Gone };
                if peer.hear(&line).await.is_some() {
                    garbage = 0;
                } else {
                    garbage += 1;
                    // What it was may be a secret: its length must do.
                    tracing::warn!(bytes = line.len(), "a line on a server's standard output is no message");
                }
                if garbage >= limits::GARBAGE {
                    break Closed::Garbage;
                }
            }
            _ = keep.tick() => {
                let Some(peer) = peer.upgrade() else { break Closed::Gone };
                if peer.is_in_use() {
                    peer.speaker.in_use();
                }
            }
            () = is_stopped(&mut stopped) => break Closed::Gone,
        }
    };
    drop(channel);
    if let Some(peer) = peer.upgrade() {
        peer.close(why);
    }
    gone();
}
