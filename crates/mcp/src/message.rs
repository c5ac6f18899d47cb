//! One JSON-RPC 2.0 message, read once and strictly (protocol W20, threats: the policy saw one tool, the server ran another).

use portcullis_wire::{json, limit};
use serde_json::{Map, Value};

use crate::elicit::{Declared, META_CAPABILITIES};
use crate::error::MessageError;
use crate::fold::fold;

/// Members of a message that decide something.
const MEMBERS: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
/// Members of `params` that decide something.
const PARAMS: &[&str] =
    &["name", "uri", "arguments", "taskId", "_meta", "requestState", "inputResponses", "capabilities"];
/// Methods that are judged by what they are: they reach something by its name, or their answers are edited.
const JUDGED: &[&str] = &[
    "initialize",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];
/// The member of `_meta` that names the protocol revision (MCP 2026-07-28).
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// What a message is to JSON-RPC 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a method and an id, and waits for an answer.
    Request,
    /// It has a method and no id.
    Notification,
    /// The answer to a request of the other side.
    Response,
}

/// One message that has exactly one reading. It keeps what decides; the bytes stay with the caller, who forwards them as they came.
#[derive(Clone, Debug)]
pub struct Message {
    kind: Kind,
    members: Map<String, Value>,
}

impl Message {
    /// Reads a body. The caller has bounded its size by `limit::MESSAGE_BODY`.
    ///
    /// # Errors
    /// [`MessageError`], by cause. A batch, a repeated member, or a member such as `Method` or `NAME` is refused.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        if body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
            return Err(MessageError::Batch);
        }
        let Value::Object(members) = json::parse(body, limit::MESSAGE_DEPTH)? else {
            return Err(MessageError::Shape);
        };
        refuse_variants(&members, MEMBERS)?;
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(MessageError::Shape);
        }
        let kind = kind_of(&members)?;
        let message = Self { kind, members };
        message.check_method()?;
        message.check_params()?;
        Ok(message)
    }

    /// A server that minds no case must not be reached by a spelling that the table of tools does not know.
    fn check_method(&self) -> Result<(), MessageError> {
        let Some(method) = self.method() else { return Ok(()) };
        let folded = fold(method);
        let disguised = !JUDGED.contains(&method) && JUDGED.contains(&folded.as_str());
        if disguised || method.chars().any(char::is_control) { Err(MessageError::Variant) } else { Ok(()) }
    }

    fn check_params(&self) -> Result<(), MessageError> {
        match self.members.get("params") {
            None => {}
            Some(Value::Object(params)) => {
                refuse_variants(params, PARAMS)?;
                match params.get("_meta") {
                    None => {}
                    Some(Value::Object(meta)) => refuse_variants(meta, &[META_VERSION, META_CAPABILITIES])?,
                    Some(_) => return Err(MessageError::Params),
                }
            }
            Some(_) => return Err(MessageError::Params),
        }
        let named = match self.mirrored() {
            Some((_, Mirror::Required)) => self.name().is_some(),
            _ => true,
        };
        let arguments = match self.param("arguments") {
            None | Some(Value::Object(_)) => true,
            Some(_) => !matches!(self.method(), Some("tools/call" | "prompts/get")),
        };
        if named && arguments { Ok(()) } else { Err(MessageError::Params) }
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The method; a response has none.
    pub fn method(&self) -> Option<&str> {
        self.members.get("method").and_then(Value::as_str)
    }

    /// The id, a string or an integer; a notification has none.
    pub fn id(&self) -> Option<&Value> {
        self.members.get("id").filter(|id| !id.is_null())
    }

    /// The tool that a `tools/call` calls.
    pub fn tool(&self) -> Option<&str> {
        match self.method() {
            Some("tools/call") => self.name(),
            _ => None,
        }
    }

    /// What the `Mcp-Name` header mirrors: the tool, the prompt, the resource's URI or the task's id.
    pub fn name(&self) -> Option<&str> {
        let (member, _) = self.mirrored()?;
        self.param(member)?.as_str()
    }

    /// The arguments of a tool or prompt.
    pub fn arguments(&self) -> Option<&Map<String, Value>> {
        self.param("arguments")?.as_object()
    }

    /// The parameters.
    pub fn params(&self) -> Option<&Map<String, Value>> {
        self.members.get("params")?.as_object()
    }

    /// The protocol revision that the message itself names in `_meta` (since 2026-07-28), if any.
    pub fn protocol_version_meta(&self) -> Option<&str> {
        self.param("_meta")?.get(META_VERSION)?.as_str()
    }

    /// What the client says in this very message that it can show its person (since 2026-07-28 in `_meta`, before
    /// that in `initialize`).
    pub fn declared(&self) -> Declared {
        let own = match self.method() {
            Some("initialize") => self.param("capabilities"),
            _ => self.param("_meta").and_then(|meta| meta.get(META_CAPABILITIES)),
        };
        Declared::of(own)
    }

    /// The result of a response; none if it is an error, or no response.
    pub fn result(&self) -> Option<&Value> {
        self.members.get("result")
    }

    /// A parameter by its name.
    pub fn param(&self, member: &str) -> Option<&Value> {
        self.params()?.get(member)
    }

    /// Which parameter `Mcp-Name` mirrors for this method, and whether it must (MCP 2026-07-28, transports).
    pub(crate) fn mirrored(&self) -> Option<(&'static str, Mirror)> {
        match self.method()? {
            "tools/call" | "prompts/get" => Some(("name", Mirror::Required)),
            "resources/read" => Some(("uri", Mirror::Required)),
            "resources/subscribe" | "resources/unsubscribe" => Some(("uri", Mirror::IfSent)),
            "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => {
                Some(("taskId", Mirror::IfSent))
            }
            _ => None,
        }
    }
}

/// Whether the header that mirrors a name has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    Required,
    IfSent,
}

fn kind_of(members: &Map<String, Value>) -> Result<Kind, MessageError> {
    let id = match members.get("id") {
        None => Id::Absent,
        Some(Value::Null) => Id::Null,
        Some(Value::String(_)) => Id::Given,
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Id::Given,
        Some(_) => return Err(MessageError::Shape),
    };
    let (result, error) = (members.contains_key("result"), members.contains_key("error"));
    match members.get("method") {
        Some(Value::String(method)) if !method.is_empty() && !result && !error => match id {
            Id::Given => Ok(Kind::Request),
            Id::Absent => Ok(Kind::Notification),
            Id::Null => Err(MessageError::Shape),
        },
        Some(_) => Err(MessageError::Shape),
        None if members.contains_key("params") => Err(MessageError::Shape),
        None => match (result, error, id) {
            // An error about something unreadable has no id to give (JSON-RPC 2.0 §5).
            (false, true, _) | (true, false, Id::Given) => Ok(Kind::Response),
            _ => Err(MessageError::Shape),
        },
    }
}

#[derive(Clone, Copy)]
enum Id {
    Absent,
    Null,
    Given,
}

fn refuse_variants(object: &Map<String, Value>, known: &[&str]) -> Result<(), MessageError> {
    for member in object.keys() {
        if known.contains(&member.as_str()) {
            continue;
        }
        let hidden = member.chars().any(char::is_control);
        let folded = fold(member);
        if hidden || known.iter().any(|name| fold(name) == folded) {
            return Err(MessageError::Variant);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
