//! An answer on its way down: what belongs to one agent is sealed to it, what it may not see is left out, and all else
//! keeps its bytes.

use std::sync::Arc;

use axum_core::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use portcullis_mcp::answer::{Answer, Object, Outcome, elements, quoted};
use portcullis_mcp::elicit::Declared;
use serde_json::Value;

use super::core::Core;
use super::handles::{Whose, operation};
use super::held::{Held, Kept, hold};
use super::note::Noted;
use super::places::Place;
use super::questions::RESERVED;
use super::relay::{Passing, Relay};
use super::session::{self, Known};
use super::up::RELATED_TASK;
use super::who::Who;
use super::{refusal, tools};
use crate::ports::Ending;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// All that is known of a request when its answer comes.
pub(crate) struct Down {
    pub(crate) core: Arc<Core>,
    pub(crate) who: Arc<Who>,
    /// The request's id, method and name; none on a stream that answers no request.
    pub(crate) id: Option<Value>,
    pub(crate) method: Option<String>,
    pub(crate) name: Option<String>,
    /// It asked for a list from its beginning.
    pub(crate) is_first_page: bool,
    /// Its answer may have to be edited, and is not passed on unread.
    pub(crate) must_read: bool,
    /// The call, if it was confirmed.
    pub(crate) confirmed: Option<String>,
    /// The tasks it named.
    pub(crate) tasks: Vec<(String, Arc<str>)>,
    pub(crate) session: Option<Known>,
    /// What the client declared, if it began a session.
    pub(crate) begun: Option<Declared>,
}

/// What becomes of a message.
pub(crate) enum Turn {
    /// It goes as it is.
    Same,
    /// It goes like this.
    New(String),
    /// It does not go, unless nothing in it has to be read.
    Gone,
    /// It never goes: readers would take it for what it is not, or for an answer to something else.
    Foreign,
    /// It lists tools.
    List,
}

/// Whether two ids are one: servers may write a number in another form.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.is_number() && one.as_f64() == other.as_f64()
}

impl Down {
    /// Takes the answer of the service behind.
    pub(crate) async fn answer(
        self: Arc<Self>,
        response: Response<Body>,
        mut noted: Noted,
        place: Place,
    ) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        let status = parts.status;
        let kind = Media::of(&parts.headers);
        let is_coded = parts.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        if is_coded && kind != Media::Other {
            noted.close(Ending::Upstream(StatusCode::BAD_GATEWAY.as_u16()));
            return refusal::bad_upstream(self.id.as_ref(), "the server's answer is compressed");
        }
        if kind == Media::Events {
            session::down(&self.core, &self.who, &mut parts.headers, self.session.as_ref(), self.begun, None);
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            return Response::from_parts(parts, Body::new(Relay::new(body, self, noted, place)));
        }
        if kind == Media::Other {
            if self.is_list() && status.is_success() {
                noted.close(Ending::Upstream(StatusCode::BAD_GATEWAY.as_u16()));
                return refusal::bad_upstream(self.id.as_ref(), "the server's list of tools cannot be read");
            }
            session::down(&self.core, &self.who, &mut parts.headers, self.session.as_ref(), self.begun, None);
            noted.ends(plain_ending(status));
            return Response::from_parts(parts, Body::new(Passing::new(Bytes::new(), body, noted, place)));
        }
        let (bytes, room) = match hold(body, &self.core.room).await {
            Held::Whole(bytes, room) => (bytes, room),
            Held::Larger(first, rest) if !self.must_read => {
                session::down(
                    &self.core,
                    &self.who,
                    &mut parts.headers,
                    self.session.as_ref(),
                    self.begun,
                    None,
                );
                noted.ends(plain_ending(status));
                return Response::from_parts(parts, Body::new(Passing::new(first, rest, noted, place)));
            }
            Held::NoRoom => {
                noted.close(Ending::Upstream(StatusCode::SERVICE_UNAVAILABLE.as_u16()));
                return refusal::unavailable(self.id.as_ref(), "too many large answers are under way");
            }
            Held::Larger(..) | Held::Broken => {
                noted.close(Ending::Upstream(StatusCode::BAD_GATEWAY.as_u16()));
                return refusal::bad_upstream(
                    self.id.as_ref(),
                    "the server's answer broke off, or is too large",
                );
            }
        };
        let text = std::str::from_utf8(&bytes).ok();
        let (turn, ending) = text.map_or((Turn::Gone, None), |text| self.edit(text));
        let edited = match turn {
            Turn::Same => Some(bytes.clone()),
            Turn::New(text) => Some(text.into()),
            Turn::List => match text {
                Some(text) => tools::shown(&self, text).await.map(Into::into),
                None => None,
            },
            // An error may have a body of any form; what must be read and cannot be does not pass.
            Turn::Gone if !status.is_success() || (!self.must_read && !self.is_list()) => Some(bytes.clone()),
            Turn::Gone | Turn::Foreign => None,
        };
        let Some(edited) = edited else {
            noted.close(Ending::Upstream(StatusCode::BAD_GATEWAY.as_u16()));
            return refusal::bad_upstream(self.id.as_ref(), "the server's answer cannot be read");
        };
        let version = self.begun.and_then(|_| version_in(text?));
        session::down(&self.core, &self.who, &mut parts.headers, self.session.as_ref(), self.begun, version);
        noted.close(match ending {
            Some(ending) if !status.is_server_error() => ending,
            _ => plain_ending(status),
        });
        if edited != bytes {
            parts.headers.remove(CONTENT_LENGTH);
        }
        Response::from_parts(parts, Body::new(Kept::new(edited, room, place)))
    }

    pub(crate) fn is_list(&self) -> bool {
        self.method.as_deref() == Some("tools/list")
    }

    /// Looks at one message, and says what becomes of it, and how the request ended if this is its answer.
    pub(crate) fn edit(&self, text: &str) -> (Turn, Option<Ending>) {
        let Some(mut answer) = Answer::parse(text) else { return (Turn::Gone, None) };
        let outcome = answer.outcome();
        let container = if outcome.is_some() { "result" } else { "params" };
        if outcome.is_none() {
            if answer.top.raw("result").is_some() || answer.top.raw("error").is_some() {
                return (Turn::Foreign, None);
            }
            let has_readings = answer.top.raw("params").is_some_and(|params| Object::parse(params).is_none());
            if answer.method().is_none() || has_readings {
                return (Turn::Gone, None);
            }
            if answer.text_id().is_some_and(|id| id.starts_with(RESERVED)) {
                return (Turn::Foreign, None);
            }
            if answer.method().as_deref() == Some("notifications/tools/list_changed") {
                self.core.lister.changed();
            }
        } else if answer.top.raw("result").is_some() && !self.may_bring(&answer) {
            return (Turn::Foreign, None);
        }
        let ending = outcome.filter(|_| self.is_answered_by(&answer)).map(|outcome| match outcome {
            Outcome::Result => Ending::Answered,
            Outcome::ToolError => Ending::ToolError,
            Outcome::Error(code) => Ending::Error(code),
        });
        let Some(mut members) = answer.top.object(container) else { return (Turn::Same, ending) };
        if outcome.is_some() {
            let has_tools = members.raw("tools").is_some_and(|tools| tools.starts_with('['));
            if has_tools && (self.is_list() || self.method.is_none()) {
                return (Turn::List, ending);
            }
            if self.is_list() {
                return (Turn::Gone, ending);
            }
        }
        self.edit_members(&mut members);
        if !members.is_changed() {
            return (Turn::Same, ending);
        }
        answer.top.set(container, members.to_string());
        (Turn::New(answer.top.to_string()), ending)
    }

    fn is_answered_by(&self, answer: &Answer<'_>) -> bool {
        let Some(id) = &self.id else { return false };
        let own = answer.top.raw("id").and_then(|own| serde_json::from_str::<Value>(own).ok());
        // An error about what could not be read bears no id (JSON-RPC 2.0 §5).
        own.is_some_and(|own| is_same(&own, id) || own.is_null())
    }

    /// Whether a result may come this way. Clients know by its id alone what it answers, so on the answer to one request
    /// nothing but its own result passes; on a stream of its own, which may go on for earlier requests, any does.
    fn may_bring(&self, answer: &Answer<'_>) -> bool {
        match self.id {
            Some(_) => self.is_answered_by(answer),
            None => self.method.is_none(),
        }
    }

    /// Seals and takes out of a result, or of a request's parameters, what is not for others.
    pub(crate) fn edit_members(&self, members: &mut Object<'_>) {
        if members.raw("cacheScope") == Some("\"public\"") {
            members.set_text("cacheScope", "private");
        }
        self.edit_state(members);
        self.edit_task(members);
        if let Some(mut task) = members.object("task") {
            self.edit_task(&mut task);
            if task.is_changed() {
                members.set("task", task.to_string());
            }
        }
        if let Some(mut meta) = members.object("_meta")
            && let Some(mut related) = meta.object(RELATED_TASK)
        {
            self.edit_task(&mut related);
            meta.set(RELATED_TASK, related.to_string());
            members.set("_meta", meta.to_string());
        }
        if let Some(mut noticed) = members.object("notifications")
            && let Some(ids) = noticed.source("taskIds").and_then(elements)
        {
            let own = ids.into_iter().filter_map(|id| serde_json::from_str::<String>(id).ok());
            let sealed: Vec<String> = own.map(|own| quoted(&self.task(&own))).collect();
            noticed.set("taskIds", format!("[{}]", sealed.join(",")));
            members.set("notifications", noticed.to_string());
        }
    }

    fn edit_state(&self, members: &mut Object<'_>) {
        if let Some(mut requests) = members.object("inputRequests") {
            requests.retain(|key| !key.starts_with(RESERVED));
            if requests.is_changed() {
                members.set("inputRequests", requests.to_string());
            }
        }
        let own = members.text("requestState");
        let waits = self.confirmed.is_some() && members.raw("resultType") == Some("\"input_required\"");
        if own.is_none() && !waits {
            return;
        }
        // A call that was confirmed is not asked about again in its next round, once.
        let round = self.confirmed.as_ref().filter(|_| waits).and_then(|bound| {
            let name = self.core.ports.seals.fresh();
            let (questions, holder) = (&self.core.questions, &self.who.holder);
            questions.remember(holder, name.clone(), bound.clone(), self.core.now()).then_some(name)
        });
        let bound = operation(self.method.as_deref().unwrap_or_default(), self.name.as_deref());
        let sealed = self.core.seal_state(&self.who, bound, Whose::Theirs(own, round));
        members.set_text("requestState", &sealed);
    }

    fn edit_task(&self, members: &mut Object<'_>) {
        if let Some(own) = members.text("taskId") {
            members.set_text("taskId", &self.task(&own));
        }
    }

    /// A task keeps the name by which this very request knows it.
    fn task(&self, own: &str) -> Arc<str> {
        let known = self.tasks.iter().find(|(task, _)| task == own).map(|(_, sealed)| Arc::clone(sealed));
        known.unwrap_or_else(|| self.core.seal_task(&self.who, own))
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Events,
    Other,
}

impl Media {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if kind.eq_ignore_ascii_case("text/event-stream") {
            Self::Events
        } else {
            Self::Other
        }
    }
}

fn plain_ending(status: StatusCode) -> Ending {
    if status.is_success() { Ending::Answered } else { Ending::Upstream(status.as_u16()) }
}

fn version_in(text: &str) -> Option<String> {
    Answer::parse(text)?.top.object("result")?.text("protocolVersion")
}
