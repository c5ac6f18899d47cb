//! One HTTP request from its body to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use portcullis_mcp::answer::Object;
use portcullis_mcp::{Kind, Message, PROTOCOL_VERSION, SESSION_ID};
use portcullis_wire::base64url;
use portcullis_wire::limit;
use serde_json::Value;

use super::peer::Peer;
use super::reply::{BridgeBody, Events, Failure, STATELESS, Told, empty, events, json_response};
use super::session::Session;
use super::{Caller, Inner, text};
use crate::limits;
use crate::spec::Sharing;

/// What a server is asked to learn whether it speaks the revision without sessions.
const DISCOVER: &str = r#"{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"portcullis","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
/// How a server that many share is greeted. It is told of no capability, since nobody in particular has one.
const GREETING: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"portcullis","version":"1"}}}"#;
const GREETED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
/// A request that stays open as long as its caller wants.
const LISTEN: &str = "subscriptions/listen";
/// Under whose name a server is asked what it speaks.
const OURSELVES: &str = "portcullis";

type Answered = Result<Response<BridgeBody>, Failure>;

/// Cancels a request when its caller leaves (MCP 2026-07-28).
struct Cancel(Arc<Peer>, u64);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.cancel(self.1);
    }
}

impl Inner {
    pub(super) async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Response<BridgeBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let Some(Caller(caller)) = parts.extensions.get().cloned() else {
            return Failure::NobodyCalls.response(&Value::Null);
        };
        let mut id = Value::Null;
        let answered = match parts.method {
            Method::POST => self.post(&parts, body, &caller, &mut id).await,
            Method::GET => self.session(&parts.headers, &caller).and_then(|session| self.listen(&session)),
            Method::DELETE => self.session(&parts.headers, &caller).map(|session| {
                self.end(&session);
                empty(StatusCode::NO_CONTENT)
            }),
            _ => Err(Failure::Method),
        };
        answered.unwrap_or_else(|failure| failure.response(&id))
    }

    async fn post<B>(self: &Arc<Self>, parts: &Parts, body: B, caller: &Arc<str>, id: &mut Value) -> Answered
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let body = Limited::new(body, limit::MESSAGE_BODY).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { Failure::TooLarge } else { Failure::Broken }
        })?;
        let body = body.to_bytes();
        let message = Message::parse(&body).map_err(|_| Failure::NoMessage)?;
        let text = std::str::from_utf8(&body).map_err(|_| Failure::NoMessage)?;
        *id = message.id().cloned().unwrap_or(Value::Null);
        if is_stateless(&parts.headers, &message) {
            return self.stateless(&message, text, caller).await;
        }
        if message.method() == Some("initialize") && message.kind() == Kind::Request {
            return match self.settings.sharing {
                Sharing::PerAgent => self.begin(text, id, caller).await,
                Sharing::Shared => self.join(id, caller).await,
            };
        }
        let session = self.session(&parts.headers, caller)?;
        let peer = &session.peer;
        match message.kind() {
            Kind::Request => {
                if let Some(uri) = message.param("uri").and_then(Value::as_str) {
                    match message.method() {
                        Some("resources/subscribe") => session.subscribe(uri, true),
                        Some("resources/unsubscribe") => session.subscribe(uri, false),
                        _ => {}
                    }
                }
                let (number, told) =
                    peer.ask(text, id, Some(&session.id), caller, self.settings.answer).await?;
                self.told(peer, number, told, id, None).await
            }
            Kind::Response => {
                // An answer to what was not asked of this very session goes nowhere.
                if message.id().is_some_and(|id| peer.was_asked(&session, id)) {
                    peer.say(text::line(text), self.settings.answer).await?;
                }
                Ok(empty(StatusCode::ACCEPTED))
            }
            Kind::Notification => self.note(&session, &message, text).await,
        }
    }

    async fn note(&self, session: &Session, message: &Message, text: &str) -> Answered {
        let peer = &session.peer;
        let line = match message.method() {
            Some("notifications/cancelled") => {
                // Only what this very session asked can be cancelled, under our own id.
                let number = message.param("requestId").and_then(|id| peer.number_of(&session.id, id));
                let top = Object::parse(text);
                number.and_then(|number| text::with_param(&top?, "requestId", number.to_string()))
            }
            // Every session of a shared server begins; the server begins once. What it asks nobody, nobody reports on.
            Some(
                "notifications/initialized" | "notifications/progress" | "notifications/roots/list_changed",
            ) if peer.is_shared() => None,
            _ => Some(text::line(text)),
        };
        if let Some(line) = line {
            peer.say(line, self.settings.answer).await?;
        }
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// A session with a process of its own.
    async fn begin(self: &Arc<Self>, text: &str, id: &Value, caller: &Arc<str>) -> Answered {
        let session = self.open(caller, self.peer(caller, false))?;
        let begun = async {
            let peer = &session.peer;
            let (number, mut told) =
                peer.ask(text, id, Some(&session.id), caller, self.settings.answer).await?;
            self.await_answer(peer, number, &mut told).await
        };
        match begun.await {
            Ok(answer) if is_result(&answer) => Ok(with_session(json_response(answer), &session.id)),
            refused => {
                self.end(&session);
                refused.map(json_response)
            }
        }
    }

    /// A session at the process that all share.
    async fn join(self: &Arc<Self>, id: &Value, caller: &Arc<str>) -> Answered {
        let (peer, greeting) = self.shared().await?;
        let top = Object::parse(&greeting).ok_or(Failure::NoMessage)?;
        let answer = text::answering(&top, id);
        if !is_result(&answer) {
            return Ok(json_response(answer));
        }
        let session = self.open(caller, peer)?;
        Ok(with_session(json_response(answer), &session.id))
    }

    /// The process that all share, greeted once.
    async fn shared(self: &Arc<Self>) -> Result<(Arc<Peer>, Arc<str>), Failure> {
        let _one = self.starting.lock().await;
        if let Some((peer, greeting)) = &self.state().shared
            && peer.closed().is_none()
        {
            return Ok((Arc::clone(peer), Arc::clone(greeting)));
        }
        let (peer, nobody) = (self.peer("", true), Arc::from(""));
        let (number, mut told) =
            peer.ask(GREETING, &Value::Null, None, &nobody, self.settings.answer).await?;
        let answer = self.await_answer(&peer, number, &mut told).await?;
        let greeting: Arc<str> = std::str::from_utf8(&answer).map_err(|_| Failure::NoMessage)?.into();
        if is_result(&answer) {
            peer.say(Bytes::from_static(GREETED.as_bytes()), self.settings.answer).await?;
            self.state().shared = Some((Arc::clone(&peer), Arc::clone(&greeting)));
        }
        Ok((peer, greeting))
    }

    fn open(&self, caller: &Arc<str>, peer: Arc<Peer>) -> Result<Arc<Session>, Failure> {
        let id = base64url::encode(&(self.settings.entropy)());
        let session = Arc::new(Session::new(id, Arc::clone(caller), peer));
        self.using(&session);
        if !self.admit(&session) {
            return Err(Failure::Busy);
        }
        session.peer.join(&session);
        Ok(session)
    }

    /// The caller's own session. Another's is no session at all.
    fn session(&self, headers: &HeaderMap, caller: &str) -> Result<Arc<Session>, Failure> {
        if headers.get(PROTOCOL_VERSION).is_some_and(|version| version == STATELESS) {
            return Err(Failure::Method);
        }
        let mut given = headers.get_all(&SESSION_ID).iter();
        let (id, None) = (given.next().ok_or(Failure::NoSession)?, given.next()) else {
            return Err(Failure::SessionGone);
        };
        let id = id.to_str().map_err(|_| Failure::SessionGone)?;
        let found = self.state().sessions.get(id).filter(|session| &*session.caller == caller).cloned();
        let session = found.filter(|session| session.peer.closed().is_none()).ok_or(Failure::SessionGone)?;
        self.using(&session);
        Ok(session)
    }

    fn listen(&self, session: &Session) -> Answered {
        let rest = session.open().ok_or(Failure::StreamOpen)?;
        Ok(events(Events { first: None, rest, asked: None, patience: None, guard: None }))
    }

    /// The revision without sessions: passed through to a server that speaks it.
    async fn stateless(self: &Arc<Self>, message: &Message, text: &str, caller: &Arc<str>) -> Answered {
        let speaks = self.stateless.get_or_try_init(|| self.probe()).await?;
        if !speaks {
            return Err(Failure::AnotherEra);
        }
        let key: Arc<str> = match self.settings.sharing {
            Sharing::PerAgent => Arc::clone(caller),
            Sharing::Shared => Arc::from(""),
        };
        let known = self.state().alone.get(&key).filter(|peer| peer.closed().is_none()).cloned();
        let peer = known.unwrap_or_else(|| {
            let peer = self.peer(&key, self.settings.sharing == Sharing::Shared);
            let mut state = self.state();
            // Another request of the same caller may have been first.
            let held = state.alone.entry(key).or_insert_with(|| Arc::clone(&peer));
            if held.closed().is_some() {
                *held = peer;
            }
            Arc::clone(held)
        });
        let Some(id) = message.id().filter(|_| message.kind() == Kind::Request) else {
            // What would be cancelled is cancelled by leaving, and ids of callers are not unique here.
            return Ok(empty(StatusCode::ACCEPTED));
        };
        let (number, told) = peer.ask(text, id, None, caller, self.settings.answer).await?;
        let cancel = Cancel(Arc::clone(&peer), number);
        if message.method() == Some(LISTEN) {
            let guard: Box<dyn Send + Sync> = Box::new(cancel);
            let (rest, asked) = (told, Some(id.clone()));
            return Ok(events(Events { first: None, rest, asked, patience: None, guard: Some(guard) }));
        }
        self.told(&peer, number, told, id, Some(cancel)).await
    }

    /// Asks a server of its own kind what it speaks. One that says nothing speaks what came before.
    async fn probe(self: &Arc<Self>) -> Result<bool, Failure> {
        let peer = self.peer(OURSELVES, false);
        let asked = async {
            let ourselves = Arc::from(OURSELVES);
            let (_, mut told) = peer.ask(DISCOVER, &Value::Null, None, &ourselves, limits::PROBE).await?;
            loop {
                match told.recv().await {
                    Some(Told::Answer(answer)) => return Ok(answer),
                    Some(Told::Beside(_)) => {}
                    None => return Err(Failure::Closed(peer.closed().unwrap_or(crate::Closed::Gone))),
                }
            }
        };
        let answer = tokio::time::timeout(limits::PROBE, asked).await;
        peer.stop();
        match answer {
            Err(_) | Ok(Err(Failure::Timeout)) => Ok(false),
            // Some servers of the former revisions end at what they do not expect; many more do not start at all.
            Ok(Err(Failure::Closed(crate::Closed::Died(_)))) => Ok(false),
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(answer)) => Ok(speaks_stateless(&answer)),
        }
    }

    /// What a request is answered: one message, or a stream when something comes before the answer.
    async fn told(
        &self,
        peer: &Arc<Peer>,
        number: u64,
        mut rest: tokio::sync::mpsc::Receiver<Told>,
        id: &Value,
        cancel: Option<Cancel>,
    ) -> Answered {
        let patience = self.settings.answer;
        match tokio::time::timeout(patience, rest.recv()).await {
            Ok(Some(Told::Answer(answer))) => Ok(json_response(answer)),
            Ok(Some(Told::Beside(first))) => Ok(events(Events {
                first: Some(first),
                rest,
                asked: Some(id.clone()),
                patience: Some((patience, Box::pin(tokio::time::sleep(patience)))),
                guard: cancel.map(|cancel| Box::new(cancel) as Box<dyn Send + Sync>),
            })),
            Ok(None) => Err(Failure::Closed(peer.closed().unwrap_or(crate::Closed::Gone))),
            Err(_) => {
                peer.cancel(number);
                Err(Failure::Timeout)
            }
        }
    }

    /// Only the answer; what comes before it is for nobody.
    async fn await_answer(
        &self,
        peer: &Arc<Peer>,
        number: u64,
        told: &mut tokio::sync::mpsc::Receiver<Told>,
    ) -> Result<Bytes, Failure> {
        let answer = async {
            while let Some(told) = told.recv().await {
                if let Told::Answer(answer) = told {
                    return Some(answer);
                }
            }
            None
        };
        match tokio::time::timeout(self.settings.answer, answer).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Failure::Closed(peer.closed().unwrap_or(crate::Closed::Gone))),
            Err(_) => {
                peer.cancel(number);
                Err(Failure::Timeout)
            }
        }
    }
}

fn is_stateless(headers: &HeaderMap, message: &Message) -> bool {
    headers.get(PROTOCOL_VERSION).is_some_and(|version| version == STATELESS)
        || message.protocol_version_meta() == Some(STATELESS)
}

fn is_result(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).ok();
    text.and_then(Object::parse).is_some_and(|top| top.raw("result").is_some())
}

/// Whether an answer to `server/discover` names the revision without sessions.
fn speaks_stateless(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let versions = answer["result"]["supportedVersions"].as_array();
    versions.is_some_and(|versions| versions.iter().any(|version| version == STATELESS))
}

fn with_session(mut response: Response<BridgeBody>, id: &str) -> Response<BridgeBody> {
    // Ids are of the alphabet of base64url, so this does not fail.
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(SESSION_ID, id);
    }
    response
}
