//! What callers carry for the server: states of half-done requests, ids of tasks and of events. Each is sealed to its
//! agent and purpose, and opens for nobody and nothing else (protocol R20, W16).

use std::sync::Arc;

use portcullis_mcp::Message;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use serde::{Deserialize, Serialize};

use super::bounds::STATE_LIFE;
use super::core::Core;
use super::who::Who;

const STATE: &str = "state";
const TASK: &str = "task";
const EVENT: &str = "event";
const QUESTION: &str = "question";

/// What a `requestState` in a client's hands holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// The operation it belongs to, or, for a call that is confirmed, the call with its arguments.
    #[serde(rename = "b")]
    pub(crate) bound: String,
    /// Until when it is good, in seconds since 1970.
    #[serde(rename = "u")]
    until: i64,
    #[serde(rename = "w")]
    pub(crate) whose: Whose,
}

/// Who has something to remember.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Whose {
    /// The door: a question that is open, by its name.
    #[serde(rename = "o")]
    Ours(String),
    /// The server: its own state, if it gave one, and the name of the round if the call was confirmed.
    #[serde(rename = "t")]
    Theirs(Option<String>, Option<String>),
}

/// What stands for an operation: its method and what it names.
pub(crate) fn operation(method: &str, name: Option<&str>) -> String {
    let text = format!("{}:{method}{}", method.len(), name.unwrap_or_default());
    base64url::encode(Digest::of(text.as_bytes()).as_bytes())
}

/// What stands for one call: the operation, with its arguments.
pub(crate) fn call(message: &Message, arguments: Option<&Digest>) -> String {
    let operation = operation(message.method().unwrap_or_default(), message.name());
    match arguments {
        Some(arguments) => format!("{operation}.{}", base64url::encode(arguments.as_bytes())),
        None => operation,
    }
}

impl Core {
    pub(crate) fn seal_state(&self, who: &Who, bound: String, whose: Whose) -> String {
        let state = State { bound, until: self.now().seconds() + STATE_LIFE, whose };
        let plain = serde_json::to_vec(&state).unwrap_or_default();
        self.ports.seals.seal(STATE, &who.holder, &plain)
    }

    /// A state that is this agent's and still good.
    pub(crate) fn open_state(&self, who: &Who, sealed: &str) -> Option<State> {
        let plain = self.ports.seals.open(STATE, &who.holder, sealed)?;
        let state: State = serde_json::from_slice(&plain).ok()?;
        (state.until > self.now().seconds()).then_some(state)
    }

    /// The name by which an agent knows a task. As long as it is remembered it stays the same.
    pub(crate) fn seal_task(&self, who: &Who, own: &str) -> Arc<str> {
        let key = (Arc::clone(&who.key.0), own.to_owned());
        if let Some(known) = self.tasks.get(&key) {
            return known;
        }
        let sealed: Arc<str> = self.ports.seals.seal(TASK, &who.holder, own.as_bytes()).into();
        self.tasks.insert(key, Arc::clone(&sealed));
        sealed
    }

    pub(crate) fn open_task(&self, who: &Who, sealed: &str) -> Option<String> {
        String::from_utf8(self.ports.seals.open(TASK, &who.holder, sealed)?).ok()
    }

    pub(crate) fn seal_event(&self, who: &Who, own: &str) -> String {
        self.ports.seals.seal(EVENT, &who.holder, own.as_bytes())
    }

    pub(crate) fn open_event(&self, who: &Who, sealed: &str) -> Option<String> {
        String::from_utf8(self.ports.seals.open(EVENT, &who.holder, sealed)?).ok()
    }

    pub(crate) fn seal_question(&self, who: &Who, name: &str) -> String {
        self.ports.seals.seal(QUESTION, &who.holder, name.as_bytes())
    }

    pub(crate) fn open_question(&self, who: &Who, sealed: &str) -> Option<String> {
        String::from_utf8(self.ports.seals.open(QUESTION, &who.holder, sealed)?).ok()
    }
}
