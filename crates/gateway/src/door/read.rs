//! Reading: the body, bounded; the message, strictly; the headers, held against it; and what it carries for us.

use std::time::Duration;

use axum_core::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use portcullis_guard::Denied;
use portcullis_mcp::{Era, HeaderMismatch, INVALID_REQUEST, Kind, METHOD, Message, NAME, agree, encode};
use portcullis_wire::digest::Digest;
use portcullis_wire::limit;

use super::places::{Place, Takes};
use super::session::{self, Known};
use super::up::{self, Carried, Refused};
use super::visit::{BUSY, Visit};
use super::{call, refusal};

/// Families of methods that ask for something; without an id nobody could be answered, and nothing be written down.
const REQUESTS: [&str; 7] =
    ["tools/", "prompts/", "resources/", "tasks/", "completion/", "subscriptions/", "sampling/"];

/// A message that was read, and all that goes with it.
pub(crate) struct Asked {
    pub(crate) parts: Parts,
    pub(crate) bytes: Bytes,
    pub(crate) message: Message,
    pub(crate) era: Era,
    pub(crate) arguments: Option<Digest>,
    pub(crate) session: Option<Known>,
    pub(crate) carried: Carried,
    pub(crate) place: Place,
}

impl Visit {
    /// Reads the message, and what it carries for us.
    pub(crate) async fn read(&self, mut parts: Parts, body: Body) -> Result<Asked, Box<Response<Body>>> {
        let bytes = match collect(&parts.headers, body).await {
            Ok(bytes) => bytes,
            Err((denied, rest)) => {
                let refused =
                    self.core.guard.turn_away(&denied, &self.core.required, parts.version, rest).await;
                return Err(Box::new(refused));
            }
        };
        let refuse = |denied: Denied| {
            // What cannot be read counts too, or it would cost nothing.
            match self.core.ports.budgets.take(&self.who.agent, None) {
                Ok(()) => Box::new(self.core.guard.refuse(&denied, &self.core.required)),
                Err(spent) => Box::new(refusal::limited(None, &spent.rule, spent.retry_after)),
            }
        };
        let message = Message::parse(&bytes).map_err(|fault| refuse(fault.into()))?;
        let id = message.id();
        let era = self
            .agree(&mut parts.headers, &message)
            .map_err(|fault| refuse(Denied::Mismatch(fault, id.cloned())))?;
        if message.kind() == Kind::Notification
            && message.method().is_some_and(|method| REQUESTS.iter().any(|family| method.starts_with(family)))
        {
            let why = "this method needs an id: it asks for something";
            return Err(Box::new(refusal::error(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, why)));
        }
        let is_long = message.method() == Some("subscriptions/listen");
        let takes = if is_long { Takes::Stream } else { Takes::Call };
        let Some(place) = self.core.places.take(&self.who.key, takes) else {
            return Err(Box::new(refusal::limited(id, BUSY, Duration::from_secs(1))));
        };
        let session = session::up(&self.core, &self.who, &mut parts.headers)
            .map_err(|_| Box::new(refusal::unknown_session(id)))?;
        let carried = up::read(&self.core, &self.who, &message, &bytes).map_err(|refused| {
            Box::new(match refused {
                Refused::State => refusal::unknown_handle(id, "this requestState"),
                Refused::Task => refusal::unknown_handle(id, "this task"),
                Refused::TaskList => {
                    refusal::error(StatusCode::OK, id, refusal::METHOD_NOT_FOUND, "Method not found")
                }
            })
        })?;
        let arguments = call::digest(&message);
        Ok(Asked { parts, bytes, message, era, arguments, session, carried, place })
    }

    /// Holds the headers against the message; where the owner tolerates it, puts them right first.
    fn agree(&self, headers: &mut HeaderMap, message: &Message) -> Result<Era, HeaderMismatch> {
        let verdict = agree(headers, message);
        if verdict.is_ok() || !self.core.settings.lenient_headers {
            return verdict;
        }
        for (name, value) in [(METHOD, message.method()), (NAME, message.name())] {
            match value.and_then(encode) {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        agree(headers, message)
    }
}

/// The body, bounded; with a refusal, what is left of it.
async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, (Denied, Body)> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit::MESSAGE_BODY as u64) {
        return Err((Denied::TooLarge, body));
    }
    match Limited::new(body, limit::MESSAGE_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err((Denied::TooLarge, Body::empty())),
        Err(_) => Err((Denied::Body, Body::empty())),
    }
}
