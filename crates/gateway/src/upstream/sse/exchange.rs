//! What each request of a caller becomes: a session opened, a message posted and its answer waited for, a stream
//! listened to, a session ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use portcullis_mcp::{Era, INVALID_PARAMS, INVALID_REQUEST, Kind, Message, SESSION_ID, VERSIONS, agree};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Inner;
use super::session::{Event, EventStream, NoSeat, Outcome, Seat, Session};
use super::source::{Source, posting};
use crate::answer::RelayBody;
use crate::body::{BoxError, CallerBody, CallerFault};
use crate::headers::is_event_stream;
use crate::reply::{Failure, own, rpc_error};

/// Time from an open stream to the event that names where messages are posted.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of the answer to a message that was taken, so that its connection can be used again.
const ACCEPTED: usize = 16 * 1024;
/// What servers in use answer for a session they do not know, beside 404 (MCP 2025-11-25, transports).
const SESSION_NOT_FOUND: i64 = -32001;
/// Headers of the caller's that speak of its own session and message.
const OF_THE_CALLER: [&str; 4] = ["accept", "last-event-id", "mcp-protocol-version", "mcp-session-id"];
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

type Answered = Result<Response<RelayBody>, Failure>;

impl Inner {
    pub(super) async fn answer<B>(self: &Arc<Self>, parts: Parts, body: B) -> Answered
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let body = self.limits.admit(&parts, body, &CallerFault::default())?;
        if parts.method == Method::POST {
            return self.post(parts, body, Arc::new(place)).await;
        }
        let Some(session) = self.session_of(&parts) else {
            return Ok(no_session(&parts.headers, &Value::Null));
        };
        if parts.method == Method::DELETE {
            self.end(&session);
            let mut response = Response::new(RelayBody::words(Bytes::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        match session.listen(Arc::new(place)) {
            Ok(seat) => Ok(stream(EventStream::listening(seat))),
            Err(_) => Ok(lost(&Value::Null)),
        }
    }

    async fn post(
        self: &Arc<Self>,
        parts: Parts,
        body: CallerBody,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Answered {
        let bytes = body.bytes().await?;
        let message = match Message::parse(&bytes) {
            Ok(message) => message,
            Err(error) => return Ok(own(error.status(), &error.json_rpc_error(None))),
        };
        let id = message.id().cloned().unwrap_or_default();
        match agree(&parts.headers, &message) {
            Ok(Era::Stateful) => {}
            Ok(Era::Stateless) => return Ok(another_era(&message, &id)),
            Err(mismatch) => return Ok(own(mismatch.status(), &mismatch.json_rpc_error(Some(&id)))),
        }
        if message.method() == Some("initialize") && message.kind() == Kind::Request {
            let opened = self.open(&parts).await.inspect_err(|failed| self.way.tell(*failed))?;
            let opened = Opened { home: self, session: Some(opened) };
            return opened.initialize(&message, parts, bytes, place).await;
        }
        let Some(session) = self.session_of(&parts) else { return Ok(no_session(&parts.headers, &id)) };
        if message.kind() == Kind::Request {
            return self.request(&session, &message, parts, bytes, place).await;
        }
        session.touched.notify_one();
        match self.forward(&session, parts.headers, &parts.extensions, bytes).await? {
            Taken::Yes => {
                let mut response = Response::new(RelayBody::words(Bytes::new()));
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
            Taken::SessionLost => Ok(lost(&id)),
        }
    }

    /// Posts a request, and waits for what comes first: its answer, or a message that has no other way to its caller.
    async fn request(
        self: &Arc<Self>,
        session: &Arc<Session>,
        message: &Message,
        parts: Parts,
        bytes: Bytes,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Answered {
        let id = message.id().cloned().unwrap_or_default();
        let seat = match session.wait(id.clone(), progress_token(message), Arc::clone(&place)) {
            Ok(seat) => seat,
            Err(NoSeat::Full) => return Err(Failure::Busy),
            Err(NoSeat::Over) => return Ok(lost(&id)),
            Err(NoSeat::IdInUse) => {
                let error =
                    rpc_error(&id, INVALID_REQUEST, "a request with this id is under way", &json!({}));
                return Ok(own(StatusCode::BAD_REQUEST, &error));
            }
        };
        self.send(session, seat.serial, parts, bytes, place);
        self.first(seat, &id).await.map(|(response, _)| response)
    }

    /// Posts on its own: the answer may come before the server says that it took the request, and a caller who leaves
    /// does not cancel (MCP 2025-11-25, transports).
    fn send(
        self: &Arc<Self>,
        session: &Arc<Session>,
        serial: u64,
        parts: Parts,
        bytes: Bytes,
        place: Arc<OwnedSemaphorePermit>,
    ) {
        let (home, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let taken = home.forward(&session, parts.headers, &parts.extensions, bytes).await;
            drop(place);
            match taken {
                Ok(Taken::Yes) => {}
                Ok(Taken::SessionLost) => session.end(),
                Err(failed) => session.fail(serial, failed),
            }
        });
    }

    async fn first(&self, mut seat: Seat, id: &Value) -> Result<(Response<RelayBody>, Outcome), Failure> {
        let first = timeout(self.way.response_timeout(), seat.events.recv()).await;
        match first.unwrap_or(Some(Event::Failed(Failure::Timeout))) {
            Some(Event::Answer(data, outcome)) => {
                let mut response = Response::new(RelayBody::words(data));
                response.headers_mut().insert(CONTENT_TYPE, JSON);
                Ok((response, outcome))
            }
            Some(Event::Failed(failed)) => Err(failed),
            Some(first) => Ok((stream(EventStream::answering(seat, first, id.clone())), Outcome::Result)),
            None => Err(Failure::Broken),
        }
        .inspect_err(|failed| self.way.tell(*failed))
    }

    /// Hands one message to the server.
    async fn forward(
        &self,
        session: &Session,
        mut headers: HeaderMap,
        caller: &Extensions,
        bytes: Bytes,
    ) -> Result<Taken, Failure> {
        for name in OF_THE_CALLER {
            headers.remove(name);
        }
        headers.insert(CONTENT_TYPE, JSON);
        let mut request = Request::new(CallerBody::whole(bytes));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = session.endpoint.clone();
        *request.headers_mut() = headers;
        let answer = self.way.ask(request, caller, &CallerFault::default()).await;
        let answer = answer.inspect_err(|failed| self.way.tell(*failed))?;
        let status = answer.status();
        // Whatever it says beside its status, it says to nobody.
        let _ = timeout(ENDPOINT_TIMEOUT, Limited::new(answer.into_body(), ACCEPTED).collect()).await;
        match status {
            status if status.is_success() => Ok(Taken::Yes),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                self.end(session);
                Ok(Taken::SessionLost)
            }
            StatusCode::PAYLOAD_TOO_LARGE => Err(Failure::BodyTooLarge),
            _ => Err(Failure::Unavailable),
        }
    }

    /// Opens a session: one connection to the server, up to the event that says where messages are posted.
    async fn open(self: &Arc<Self>, parts: &Parts) -> Result<Arc<Session>, Failure> {
        let holder = self.settings.holder.as_ref().and_then(|holder| holder(&parts.extensions));
        self.make_room(holder.as_ref())?;
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let mut headers = parts.headers.clone();
        for name in OF_THE_CALLER {
            headers.remove(name);
        }
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
        headers.insert(ACCEPT, EVENT_STREAM);
        let mut request = Request::new(CallerBody::empty());
        *request.uri_mut() = self.way.target.uri(None).map_err(|_| Failure::QueryUnfit)?;
        *request.headers_mut() = headers;
        let answer = self.way.ask(request, &parts.extensions, &CallerFault::default()).await?;
        if answer.status() != StatusCode::OK || !is_event_stream(answer.headers()) {
            return Err(Failure::Unavailable);
        }
        let mut source = Source::new(answer.into_body(), self.largest_event);
        let named = timeout(ENDPOINT_TIMEOUT, source.endpoint()).await.map_err(|_| Failure::Timeout)?;
        let endpoint = posting(&self.url, &named.ok_or(Failure::Broken)?).ok_or(Failure::Redirected)?;
        let id = hex(&(self.settings.entropy)());
        let session = Arc::new(Session::new(id, holder, endpoint, room, place));
        self.using(&session);
        self.sessions().insert(session.id.clone(), Arc::clone(&session));
        let reading = source.read(Arc::clone(&session), Arc::downgrade(self), self.settings.idle);
        session.read_by(tokio::spawn(reading).abort_handle());
        Ok(session)
    }

    /// A holder that has as many sessions as it may gives up the oldest that is in no use.
    fn make_room(&self, holder: Option<&Arc<str>>) -> Result<(), Failure> {
        let Some(holder) = holder else { return Ok(()) };
        let own: Vec<_> = self
            .sessions()
            .values()
            .filter(|session| session.holder.as_ref() == Some(holder))
            .cloned()
            .collect();
        if own.len() < self.settings.sessions_each {
            return Ok(());
        }
        let unused = own
            .iter()
            .filter(|session| !session.is_busy())
            .min_by_key(|session| session.used.load(Ordering::Relaxed));
        self.end(unused.ok_or(Failure::Busy)?);
        Ok(())
    }

    fn session_of(&self, parts: &Parts) -> Option<Arc<Session>> {
        let mut ids = parts.headers.get_all(SESSION_ID).iter();
        let (Some(id), None) = (ids.next(), ids.next()) else { return None };
        let session = self.sessions().get(id.to_str().ok()?).cloned()?;
        let holder = self.settings.holder.as_ref().and_then(|holder| holder(&parts.extensions));
        (session.holder == holder).then(|| {
            self.using(&session);
            session
        })
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    SessionLost,
}

/// A session that nobody knows yet: it ends unless its `initialize` succeeds.
struct Opened<'a> {
    home: &'a Arc<Inner>,
    session: Option<Arc<Session>>,
}

impl Opened<'_> {
    async fn initialize(
        mut self,
        message: &Message,
        parts: Parts,
        bytes: Bytes,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Answered {
        let Some(session) = self.session.clone() else { return Err(Failure::Busy) };
        let id = HeaderValue::from_str(&session.id).map_err(|_| Failure::Unavailable)?;
        let request_id = message.id().cloned().unwrap_or_default();
        let seat = session
            .wait(request_id.clone(), progress_token(message), Arc::clone(&place))
            .map_err(|_| Failure::Broken)?;
        self.home.send(&session, seat.serial, parts, bytes, place);
        let (mut response, outcome) = self.home.first(seat, &request_id).await?;
        if outcome == Outcome::Result {
            self.session = None;
            response.headers_mut().insert(SESSION_ID, id);
        }
        Ok(response)
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.home.end(&session);
        }
    }
}

fn stream(events: EventStream) -> Response<RelayBody> {
    let mut response = Response::new(RelayBody::events(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A caller of a later revision learns which ones are served, in the words of the revisions that it falls back to:
/// clients that know both take any error but the later revision's own for the sign to do so (rmcp gives up at
/// -32022 when nothing in its list is of the later kind).
fn another_era(message: &Message, id: &Value) -> Response<RelayBody> {
    let served: Vec<&str> = VERSIONS.iter().copied().filter(|version| *version != STATELESS).collect();
    let data =
        json!({ "supported": served, "requested": message.protocol_version_meta().unwrap_or(STATELESS) });
    own(StatusCode::BAD_REQUEST, &rpc_error(id, INVALID_PARAMS, "Unsupported protocol version", &data))
}

/// The revision that has no sessions.
const STATELESS: &str = "2026-07-28";

fn no_session(headers: &HeaderMap, id: &Value) -> Response<RelayBody> {
    match headers.contains_key(SESSION_ID) {
        true => lost(id),
        false => {
            let error = rpc_error(id, INVALID_REQUEST, "the Mcp-Session-Id header is missing", &json!({}));
            own(StatusCode::BAD_REQUEST, &error)
        }
    }
}

fn lost(id: &Value) -> Response<RelayBody> {
    own(StatusCode::NOT_FOUND, &rpc_error(id, SESSION_NOT_FOUND, "Session not found", &json!({})))
}

fn progress_token(message: &Message) -> Option<Value> {
    message.params()?.get("_meta")?.get("progressToken").cloned()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
