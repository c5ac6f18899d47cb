//! One session: who waits for which answer, who listens, and what was said before anybody did.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::events::event;
use crate::reply::Failure;

/// Most requests of one session that wait for their answer at once.
const WAITING: usize = 64;
/// Most messages kept for a session to which nobody listens; the oldest go first.
const EARLY: usize = 32;
/// Most events that wait for one reader.
const EVENTS: usize = 64;
/// How long a reader may leave its events unread before it is given up.
const UNREAD: Duration = Duration::from_secs(10);
/// The notification that belongs to one request.
const PROGRESS: &str = "notifications/progress";

/// What reaches one reader.
#[derive(Debug)]
pub(super) enum Event {
    /// A request or notification of the server's.
    Message(Bytes),
    /// The answer that was waited for, and whether it is an error.
    Answer(Bytes, Outcome),
    /// The server is still there.
    Comment,
    /// There will be no answer.
    Failed(Failure),
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Result,
    Error,
}

pub(super) struct Session {
    pub(super) id: String,
    pub(super) holder: Option<Arc<str>>,
    pub(super) endpoint: Uri,
    pub(super) touched: Notify,
    /// When it was last used, in turns of its home.
    pub(super) used: AtomicU64,
    reader: OnceLock<AbortHandle>,
    state: Mutex<State>,
    _session: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    is_over: bool,
    serial: u64,
    waiting: Vec<Waiting>,
    listener: Option<(u64, mpsc::Sender<Event>)>,
    early: VecDeque<Bytes>,
}

struct Waiting {
    serial: u64,
    id: Value,
    progress: Option<Value>,
    events: mpsc::Sender<Event>,
}

/// Why a request cannot wait here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// Another request with this id waits.
    IdInUse,
    /// As many wait as may.
    Full,
    /// The session is over.
    Over,
}

/// The members of a message by which it finds its reader.
#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<Value>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    progress_token: Value,
}

impl Session {
    pub(super) fn new(
        id: String,
        holder: Option<Arc<str>>,
        endpoint: Uri,
        session: OwnedSemaphorePermit,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            id,
            holder,
            endpoint,
            touched: Notify::new(),
            used: AtomicU64::new(0),
            reader: OnceLock::new(),
            state: Mutex::default(),
            _session: session,
            _place: place,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read_by(&self, reader: AbortHandle) {
        if let Err(late) = self.reader.set(reader) {
            late.abort();
        }
        if self.state().is_over {
            self.end();
        }
    }

    /// Whether anybody waits or listens.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.state();
        !state.waiting.is_empty() || state.listener.is_some()
    }

    /// Takes a seat for the request `id`, before it is sent.
    pub(super) fn wait(
        self: &Arc<Self>,
        id: Value,
        progress: Option<Value>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Result<Seat, NoSeat> {
        let mut state = self.state();
        if state.is_over {
            return Err(NoSeat::Over);
        }
        if state.waiting.iter().any(|waiting| waiting.id == id) {
            return Err(NoSeat::IdInUse);
        }
        if state.waiting.len() >= WAITING {
            return Err(NoSeat::Full);
        }
        let (events, received) = mpsc::channel(EVENTS);
        let serial = state.next();
        state.waiting.push(Waiting { serial, id, progress, events });
        drop(state);
        self.touched.notify_one();
        Ok(Seat { session: Arc::clone(self), serial, events: received, _place: place })
    }

    /// Listens to what belongs to no request. Whoever listened before listens no more.
    pub(super) fn listen(self: &Arc<Self>, place: Arc<OwnedSemaphorePermit>) -> Result<Seat, NoSeat> {
        let mut state = self.state();
        if state.is_over {
            return Err(NoSeat::Over);
        }
        let (events, received) = mpsc::channel(EVENTS);
        for message in state.early.drain(..) {
            // There is room: EVENTS is more than EARLY.
            let _ = events.try_send(Event::Message(message));
        }
        let serial = state.next();
        state.listener = Some((serial, events));
        drop(state);
        self.touched.notify_one();
        Ok(Seat { session: Arc::clone(self), serial, events: received, _place: place })
    }

    /// The request of that seat could not be sent.
    pub(super) fn fail(&self, serial: u64, failed: Failure) {
        let mut state = self.state();
        if let Some(place) = state.waiting.iter().position(|waiting| waiting.serial == serial) {
            // Without room for it, the reader learns from the end of its events.
            let _ = state.waiting.remove(place).events.try_send(Event::Failed(failed));
        }
    }

    /// Hands over what the server said.
    pub(super) async fn deliver(&self, data: Bytes) {
        let found = self.state().reader_of(data);
        if let Some((serial, events, event)) = found {
            self.hand(serial, &events, event).await;
        }
    }

    /// Hands a comment to whoever listens, which keeps that connection open too.
    pub(super) async fn comment(&self) {
        let listener = self.state().listener.clone();
        if let Some((serial, events)) = listener {
            self.hand(serial, &events, Event::Comment).await;
        }
    }

    async fn hand(&self, serial: u64, events: &mpsc::Sender<Event>, event: Event) {
        if !matches!(timeout(UNREAD, events.send(event)).await, Ok(Ok(()))) {
            self.leave(serial);
        }
    }

    fn leave(&self, serial: u64) {
        let mut state = self.state();
        state.waiting.retain(|waiting| waiting.serial != serial);
        if state.listener.as_ref().is_some_and(|(listening, _)| *listening == serial) {
            state.listener = None;
        }
        drop(state);
        self.touched.notify_one();
    }

    /// Ends the session: nobody is answered any more, and the connection to the server closes.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.waiting.clear();
        state.listener = None;
        state.early.clear();
        drop(state);
        if let Some(reader) = self.reader.get() {
            reader.abort();
        }
    }
}

impl State {
    const fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn reader_of(&mut self, data: Bytes) -> Option<(u64, mpsc::Sender<Event>, Event)> {
        let Ok(message) = serde_json::from_slice::<Envelope<'_>>(&data) else {
            tracing::warn!("the upstream sent an event that is no message");
            return None;
        };
        let Some(method) = message.method else {
            let place = self.waiting.iter().position(|waiting| Some(&waiting.id) == message.id.as_ref())?;
            let Waiting { serial, events, .. } = self.waiting.remove(place);
            let outcome = if message.error.is_some() { Outcome::Error } else { Outcome::Result };
            return Some((serial, events, Event::Answer(data, outcome)));
        };
        let token = message.params.filter(|_| method == PROGRESS);
        let token = token.and_then(|params| serde_json::from_str::<Progress>(params.get()).ok());
        let of_request = token.and_then(|progress| {
            self.waiting.iter().find(|waiting| waiting.progress.as_ref() == Some(&progress.progress_token))
        });
        let seat = |waiting: &Waiting| (waiting.serial, waiting.events.clone());
        match of_request.map(seat).or_else(|| self.listener.clone()).or_else(|| self.waiting.last().map(seat))
        {
            Some((serial, events)) => Some((serial, events, Event::Message(data))),
            None => {
                if self.early.len() >= EARLY {
                    self.early.pop_front();
                }
                self.early.push_back(data);
                None
            }
        }
    }
}

/// A reader of one session. Leaving it tells the session.
pub(super) struct Seat {
    session: Arc<Session>,
    pub(super) serial: u64,
    pub(super) events: mpsc::Receiver<Event>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.session.leave(self.serial);
    }
}

/// What one reader hears, as the body of an event stream.
pub(crate) struct EventStream {
    seat: Seat,
    first: Option<Event>,
    /// The id of the answer that ends the stream; a listener's does not end by itself.
    until: Option<Value>,
    ended: bool,
}

impl EventStream {
    pub(super) const fn listening(seat: Seat) -> Self {
        Self { seat, first: None, until: None, ended: false }
    }

    pub(super) const fn answering(seat: Seat, first: Event, id: Value) -> Self {
        Self { seat, first: Some(first), until: Some(id), ended: false }
    }

    pub(crate) const fn is_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => ready!(self.seat.events.poll_recv(cx)),
        };
        self.ended = !matches!(next, Some(Event::Message(_) | Event::Comment));
        Poll::Ready(match next {
            Some(Event::Message(data) | Event::Answer(data, _)) => Some(event(&data)),
            Some(Event::Comment) => Some(Bytes::from_static(b":\n\n")),
            Some(Event::Failed(failed)) => self.lost(failed),
            None => self.lost(Failure::Broken),
        })
    }

    /// A stream whose answer will not come says so.
    fn lost(&self, failed: Failure) -> Option<Bytes> {
        self.until.as_ref().map(|id| event(&failed.message(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_nobody_hears_the_latest_is_kept() {
        let mut state = State::default();
        for number in 0..EARLY + 8 {
            let note = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{number}}}"#);
            assert!(state.reader_of(note.into()).is_none());
        }
        for (name, data) in [
            ("an answer nobody waits for", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            ("two readings", r#"{"jsonrpc":"2.0","method":"a","method":"b"}"#),
            ("a batch", r#"[{"jsonrpc":"2.0","method":"a"}]"#),
            ("no JSON", "<html>"),
        ] {
            assert!(state.reader_of(Bytes::from(data)).is_none(), "{name}");
        }
        assert_eq!(state.early.len(), EARLY);
        assert!(state.early[0].ends_with(b":8}"), "{:?}", state.early[0]);
    }
}
