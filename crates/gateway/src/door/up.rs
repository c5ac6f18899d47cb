//! A message on its way up: what was sealed is opened, what is ours is taken out, and all else keeps its bytes.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portcullis_mcp::answer::{Object, elements, quoted};
use portcullis_mcp::{Kind, Message, NAME, encode};
use serde_json::Value;

use super::core::Core;
use super::handles::{State, Whose, operation};
use super::questions::RESERVED;
use super::who::Who;

/// Ties a message to a task (MCP 2025-11-25, tasks).
pub(crate) const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// What a message carries for us.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// What its `requestState` held.
    pub(crate) state: Option<State>,
    /// The server's own ids of the tasks it names, with the names by which the agent knows them.
    pub(crate) tasks: Vec<(String, Arc<str>)>,
    /// The message anew, if anything had to be changed.
    pub(crate) body: Option<Bytes>,
    renamed: Option<String>,
}

/// Why a message does not go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its state opens for nobody here, or belongs to another request.
    State,
    /// Its task opens for nobody here.
    Task,
    /// A task list would be everybody's (protocol R21).
    TaskList,
}

impl Carried {
    /// Sets the mirrored name anew, where it is a task's and there is one.
    pub(crate) fn rename(&self, headers: &mut HeaderMap) {
        if let (Some(own), true) = (&self.renamed, headers.contains_key(&NAME)) {
            match encode(own) {
                Some(own) => drop(headers.insert(NAME, own)),
                None => drop(headers.remove(&NAME)),
            }
        }
    }
}

/// Reads what a message carries, and takes it out.
pub(crate) fn read(core: &Core, who: &Who, message: &Message, body: &Bytes) -> Result<Carried, Refused> {
    if message.method() == Some("tasks/list") {
        return Err(Refused::TaskList);
    }
    let mut carried = Carried::default();
    let Some(container) = container(message) else { return Ok(carried) };
    let Some(mut top) = std::str::from_utf8(body).ok().and_then(Object::parse) else { return Ok(carried) };
    let Some(mut params) = top.object(container) else { return Ok(carried) };
    carried.take_state(core, who, message, &mut params)?;
    take_responses(&mut params);
    carried.take_tasks(core, who, message, &mut params)?;
    if params.is_changed() {
        top.set(container, params.to_string());
        carried.body = Some(top.to_string().into());
    }
    Ok(carried)
}

/// Where something of ours may stand, if it may.
fn container(message: &Message) -> Option<&'static str> {
    let is_related = |meta: Option<&Value>| meta.is_some_and(|meta| meta.get(RELATED_TASK).is_some());
    if message.kind() == Kind::Response {
        return is_related(message.result().and_then(|result| result.get("_meta"))).then_some("result");
    }
    let named = ["requestState", "inputResponses", "taskId"].iter().any(|name| message.param(name).is_some());
    let listens = message.method() == Some("subscriptions/listen");
    (named || listens || is_related(message.param("_meta"))).then_some("params")
}

/// Takes out the answers to questions of ours.
fn take_responses(params: &mut Object<'_>) {
    let Some(mut responses) = params.object("inputResponses") else { return };
    responses.retain(|key| !key.starts_with(RESERVED));
    if responses.is_changed() {
        match responses.is_empty() {
            true => params.retain(|name| name != "inputResponses"),
            false => params.set("inputResponses", responses.to_string()),
        }
    }
}

impl Carried {
    fn take_state(
        &mut self,
        core: &Core,
        who: &Who,
        message: &Message,
        params: &mut Object<'_>,
    ) -> Result<(), Refused> {
        if params.raw("requestState").is_none() {
            return Ok(());
        }
        let sealed = params.text("requestState").ok_or(Refused::State)?;
        let state = core.open_state(who, &sealed).ok_or(Refused::State)?;
        match &state.whose {
            Whose::Theirs(own, _) => {
                if state.bound != operation(message.method().unwrap_or_default(), message.name()) {
                    return Err(Refused::State);
                }
                match own {
                    Some(own) => params.set_text("requestState", own),
                    None => params.retain(|name| name != "requestState"),
                }
            }
            Whose::Ours(_) => params.retain(|name| name != "requestState"),
        }
        self.state = Some(state);
        Ok(())
    }

    fn open_task(&mut self, core: &Core, who: &Who, sealed: &str) -> Result<String, Refused> {
        let own = core.open_task(who, sealed).ok_or(Refused::Task)?;
        self.tasks.push((own.clone(), sealed.into()));
        Ok(own)
    }

    fn take_tasks(
        &mut self,
        core: &Core,
        who: &Who,
        message: &Message,
        params: &mut Object<'_>,
    ) -> Result<(), Refused> {
        let method = message.method().unwrap_or_default();
        if params.raw("taskId").is_some() && method.contains("tasks/") {
            let own = self.open_task(core, who, &params.text("taskId").ok_or(Refused::Task)?)?;
            params.set_text("taskId", &own);
            self.renamed = method.starts_with("tasks/").then_some(own);
        }
        if let Some(mut meta) = params.object("_meta")
            && let Some(mut related) = meta.object(RELATED_TASK)
        {
            let own = self.open_task(core, who, &related.text("taskId").ok_or(Refused::Task)?)?;
            related.set_text("taskId", &own);
            meta.set(RELATED_TASK, related.to_string());
            params.set("_meta", meta.to_string());
        }
        if let Some(mut wanted) = params.object("notifications")
            && let Some(ids) = wanted.source("taskIds")
        {
            let mut own = Vec::new();
            for id in elements(ids).ok_or(Refused::Task)? {
                let sealed: String = serde_json::from_str(id).map_err(|_| Refused::Task)?;
                own.push(quoted(&self.open_task(core, who, &sealed)?));
            }
            wanted.set("taskIds", format!("[{}]", own.join(",")));
            params.set("notifications", wanted.to_string());
        }
        Ok(())
    }
}
