//! What is asked for, whether by an entry of a list or by a call.

use portcullis_mcp::Message;
use serde_json::{Map, Value};

/// The kinds of operation that rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tool is called.
    Call,
    /// A resource is read, or its changes are followed.
    Read,
    /// A prompt is fetched.
    Prompt,
    /// Any other method.
    Method,
}

/// The arguments, as far as they are known.
#[cfg_attr(not(feature = "cedar"), expect(dead_code, reason = "only rules look at arguments"))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arguments<'a> {
    /// Those of a call; none are an empty object.
    Given(Option<&'a Map<String, Value>>),
    /// A list is made: any may come.
    Open,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    /// What kind it is.
    pub(crate) kind: Kind,
    /// The tool, the resource's URI, the prompt, or else the method.
    pub(crate) name: &'a str,
    /// Its arguments.
    #[cfg_attr(not(feature = "cedar"), expect(dead_code, reason = "only rules look at arguments"))]
    pub(crate) arguments: Arguments<'a>,
}

impl<'a> Operation<'a> {
    /// A tool that stands in a list.
    pub(crate) const fn listed(name: &'a str) -> Self {
        Self { kind: Kind::Call, name, arguments: Arguments::Open }
    }

    /// What a message asks for; a response asks for nothing.
    pub(crate) fn of(message: &'a Message) -> Option<Self> {
        let method = message.method()?;
        let (kind, name) = match (method, message.name()) {
            ("tools/call", Some(name)) => (Kind::Call, name),
            ("prompts/get", Some(name)) => (Kind::Prompt, name),
            ("resources/read" | "resources/subscribe" | "resources/unsubscribe", Some(uri)) => {
                (Kind::Read, uri)
            }
            _ => (Kind::Method, method),
        };
        let arguments = match kind {
            Kind::Call | Kind::Prompt => message.arguments(),
            Kind::Read | Kind::Method => None,
        };
        Some(Self { kind, name, arguments: Arguments::Given(arguments) })
    }
}
