//! One request of a proven agent, from its first byte to the answer: the straight path.

use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use bytes::Bytes;
use http::header::ACCEPT;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use portcullis_guard::Denied;
use portcullis_mcp::answer::Object;
use portcullis_mcp::elicit::{Declared, is_accepted};
use portcullis_mcp::{Era, INVALID_PARAMS, Kind, Message, PROTOCOL_VERSION};
use portcullis_policy::{Cure, Standing, Why};

use super::confirm::{Verdict, Waiting};
use super::core::Core;
use super::down::Down;
use super::forward::Forward;
use super::note::Watch;
use super::places::{Place, Takes};
use super::questions::RESERVED;
use super::read::Asked;
use super::session::Known;
use super::upstream::Upstream;
use super::who::Who;
use super::{ask, call, handles, refusal, session};
use crate::ports::{Call, Decision, Named};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(crate) const BUSY: &str = "this agent has as many requests or streams under way as it may";

/// A request of a proven agent.
pub(crate) struct Visit {
    pub(crate) core: Arc<Core>,
    pub(crate) who: Arc<Who>,
    upstream: Upstream,
    request: String,
    trace: Option<String>,
    watch: Watch,
}

impl Visit {
    pub(crate) fn new(
        core: Arc<Core>,
        who: Arc<Who>,
        upstream: Upstream,
        request: String,
        parts: &Parts,
    ) -> Self {
        Self { core, who, upstream, request, trace: call::trace(&parts.headers), watch: Watch::start() }
    }

    pub(crate) async fn answer(self, parts: Parts, body: Body) -> Response<Body> {
        match parts.method {
            Method::POST => self.post(parts, body).await,
            Method::GET | Method::DELETE => self.plain(parts, body.is_end_stream()).await,
            _ => refusal::method_not_allowed(),
        }
    }

    /// A stream, or the end of a session: no body, and nothing to judge but the agent.
    async fn plain(self, mut parts: Parts, is_empty: bool) -> Response<Body> {
        if !is_empty {
            return refusal::bad_request("only POST may carry a body");
        }
        let table = self.core.policy.table();
        if let Some(all) = table.lacking(&self.who.agent.scopes, table.base()) {
            return self.core.guard.refuse(&Denied::Scope(all), &self.core.required);
        }
        if let Err(spent) = self.core.ports.budgets.take(&self.who.agent, None) {
            return refusal::limited(None, &spent.rule, spent.retry_after);
        }
        let takes = if parts.method == Method::GET { Takes::Stream } else { Takes::Call };
        let Some(place) = self.core.places.take(&self.who.key, takes) else {
            return refusal::limited(None, BUSY, Duration::from_secs(1));
        };
        let Ok(session) = session::up(&self.core, &self.who, &mut parts.headers) else {
            return refusal::unknown_session(None);
        };
        if let Some(sealed) = parts.headers.get(&LAST_EVENT_ID) {
            let own = sealed.to_str().ok().and_then(|sealed| self.core.open_event(&self.who, sealed));
            let own = own.and_then(|own| HeaderValue::from_bytes(own.as_bytes()).ok());
            let (Some(own), 1) = (own, parts.headers.get_all(&LAST_EVENT_ID).iter().count()) else {
                return refusal::bad_request("this Last-Event-ID is not known here");
            };
            parts.headers.insert(LAST_EVENT_ID, own);
        }
        let down = self.down(None, session, Vec::new());
        self.forward(parts, Bytes::new(), down, None, place).run().await
    }

    async fn post(mut self, parts: Parts, body: Body) -> Response<Body> {
        let asked = match self.read(parts, body).await {
            Ok(asked) => asked,
            Err(refused) => return *refused,
        };
        if asked.message.kind() == Kind::Response
            && let Some(id) = asked.message.id().and_then(|id| id.as_str()?.strip_prefix(RESERVED))
        {
            return self.take_answer(id, &asked.message);
        }
        if matches!(asked.message.method(), Some("tools/call" | "tools/list")) {
            let core = Arc::clone(&self.core);
            core.lister.look(&core, &mut self.upstream, &asked.parts).await;
        }
        let known = self.core.ports.tools.known();
        let standing = self.core.policy.judge(&self.who.caller(), &known, &asked.message, self.core.now());
        let tool = match standing {
            Standing::Allowed(_) | Standing::Obtainable(Cure::Person | Cure::Client, _) => {
                asked.message.tool().map(|name| Named { name, is_known: known.knows(name) })
            }
            _ => None,
        };
        if let Err(spent) = self.core.ports.budgets.take(&self.who.agent, tool) {
            self.note(&asked, Decision::Limited, &Why(spent.rule.clone().into()));
            return refusal::limited(asked.message.id(), &spent.rule, spent.retry_after);
        }
        match standing {
            Standing::Allowed(why) => self.go(asked, Decision::Allowed, why, None).await,
            Standing::Hidden(why) => {
                let unsure = asked.message.tool().is_some() && !known.is_complete();
                self.note(&asked, Decision::Hidden, &why);
                hidden(&asked, unsure)
            }
            Standing::Obtainable(Cure::Scopes(all), why) => {
                self.core.ports.journal.wanted(&self.who.agent, &all);
                self.note(&asked, Decision::ScopeLacking, &why);
                self.core.guard.refuse(&Denied::Scope(all), &self.core.required)
            }
            Standing::Obtainable(cure, why) => self.confirm(asked, &cure, why).await,
        }
    }

    /// The answer to a question of ours. It goes no further, whatever it is.
    fn take_answer(&self, id: &str, message: &Message) -> Response<Body> {
        let name = self.core.open_question(&self.who, id);
        let yes = is_accepted(message.result());
        match name.is_some_and(|name| self.core.questions.answered(&self.who.key.0, &name, yes)) {
            true => refusal::accepted(),
            false => refusal::bad_request("this answers no question that is open"),
        }
    }

    async fn confirm(self, asked: Asked, cure: &Cure, why: Why) -> Response<Body> {
        let bound = handles::call(&asked.message, asked.arguments.as_ref());
        let text = std::str::from_utf8(&asked.bytes).ok().and_then(Object::parse);
        let params = text.as_ref().and_then(|top| top.object("params"));
        let declared = match (asked.era, &asked.session) {
            (Era::Stateless, _) => asked.message.declared(),
            (Era::Stateful, Some(known)) => known.session.declared(),
            (Era::Stateful, None) => Declared::default(),
        };
        let header = asked.parts.headers.get(&PROTOCOL_VERSION).and_then(|version| version.to_str().ok());
        let agreed = asked.session.as_ref().and_then(|known| known.session.version());
        let waiting = Waiting {
            core: &self.core,
            who: &self.who,
            message: &asked.message,
            era: asked.era,
            declared,
            version: agreed.or(header),
            reads_streams: reads_streams(&asked.parts.headers),
            state: asked.carried.state.as_ref(),
            bound: &bound,
            arguments: params.as_ref().and_then(|params| params.source("arguments")),
        };
        let verdict = match cure {
            Cure::Client => waiting.client(),
            _ => waiting.person().await,
        };
        match verdict {
            Verdict::Go(decision) => self.go(asked, decision, why, Some(bound)).await,
            Verdict::Say(response, decision) => {
                self.note(&asked, decision, &why);
                *response
            }
            Verdict::Stream(question, open) => {
                self.note(&asked, Decision::AwaitsApproval, &why);
                let forward = self.prepare(asked, Decision::AllowedByClient, why, Some(bound));
                ask::stream(&question, open, forward)
            }
            Verdict::Unavailable => refusal::unavailable(
                asked.message.id(),
                "nobody can be asked at the moment; try again shortly",
            ),
        }
    }

    async fn go(
        self,
        asked: Asked,
        decision: Decision,
        why: Why,
        confirmed: Option<String>,
    ) -> Response<Body> {
        self.prepare(asked, decision, why, confirmed).run().await
    }

    fn prepare(self, mut asked: Asked, decision: Decision, why: Why, confirmed: Option<String>) -> Forward {
        asked.carried.rename(&mut asked.parts.headers);
        let mut row = self.row(&asked);
        if let Some(row) = &mut row {
            (row.decision, row.rule) = (decision, why.0);
        }
        let message = &asked.message;
        let is_asking = message.kind() == Kind::Request;
        let mut down = self.down(message.id().filter(|_| is_asking), asked.session, asked.carried.tasks);
        if is_asking {
            let method = message.method().unwrap_or_default();
            down.is_first_page = message.param("cursor").is_none();
            down.must_read = asked.era == Era::Stateless
                || method == "tools/list"
                || method.starts_with("tasks/")
                || message.param("task").is_some();
            down.begun = (method == "initialize").then(|| message.declared());
            down.method = Some(method.to_owned());
            down.name = message.name().map(str::to_owned);
        }
        down.confirmed = confirmed;
        let body = asked.carried.body.unwrap_or(asked.bytes);
        self.forward(asked.parts, body, down, row, asked.place)
    }

    fn down(
        &self,
        id: Option<&serde_json::Value>,
        session: Option<Known>,
        tasks: Vec<(String, Arc<str>)>,
    ) -> Down {
        Down {
            core: Arc::clone(&self.core),
            who: Arc::clone(&self.who),
            id: id.cloned(),
            method: None,
            name: None,
            is_first_page: false,
            must_read: false,
            confirmed: None,
            tasks,
            session,
            begun: None,
        }
    }

    fn forward(self, parts: Parts, body: Bytes, down: Down, call: Option<Call>, place: Place) -> Forward {
        let Self { core, who, upstream, watch, .. } = self;
        Forward { core, who, upstream, parts, body, down, call, watch, place }
    }

    fn row(&self, asked: &Asked) -> Option<Call> {
        call::row(
            &self.core,
            &self.who,
            &asked.message,
            asked.arguments,
            &self.request,
            self.trace.as_deref(),
        )
    }

    /// Writes down a call that was not forwarded.
    fn note(&self, asked: &Asked, decision: Decision, why: &Why) {
        if let Some(mut row) = self.row(asked) {
            (row.decision, row.rule) = (decision, why.0.clone());
            self.core.ports.journal.note(row, None, self.watch.elapsed());
        }
    }
}

/// The answer to what does not exist, or is not to be seen: the same for both. `unsure` says that nobody knows yet.
fn hidden(asked: &Asked, unsure: bool) -> Response<Body> {
    let (id, name) = (asked.message.id(), asked.message.name().unwrap_or_default());
    if unsure {
        return refusal::unavailable(id, "the tools of this server are not known yet; try again shortly");
    }
    match asked.message.method() {
        Some("tools/call") => {
            refusal::error(StatusCode::OK, id, INVALID_PARAMS, &format!("Unknown tool: {name}"))
        }
        Some("prompts/get") => {
            refusal::error(StatusCode::OK, id, INVALID_PARAMS, &format!("Unknown prompt: {name}"))
        }
        Some("resources/read" | "resources/subscribe" | "resources/unsubscribe") => {
            refusal::error(StatusCode::OK, id, INVALID_PARAMS, "Resource not found")
        }
        _ => {
            let status = if asked.era == Era::Stateless { StatusCode::NOT_FOUND } else { StatusCode::OK };
            refusal::error(status, id, refusal::METHOD_NOT_FOUND, "Method not found")
        }
    }
}

fn reads_streams(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accepted.any(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
}
