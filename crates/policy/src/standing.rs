//! The question and the answer.

use std::borrow::Cow;
use std::fmt;

use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;

/// Where an operation stands for a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be listed and called.
    Allowed(Why),
    /// It is listed, and a call waits for the cure.
    Obtainable(Cure, Why),
    /// It is not listed, and a call is answered as one of a tool that does not exist.
    Hidden(Why),
}

impl Standing {
    /// Whether a list shows it.
    pub const fn is_listed(&self) -> bool {
        !matches!(self, Self::Hidden(_))
    }

    /// The rule behind it.
    pub const fn why(&self) -> &Why {
        match self {
            Self::Allowed(why) | Self::Obtainable(_, why) | Self::Hidden(why) => why,
        }
    }
}

/// What turns an obtainable operation into an allowed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// A token with these scopes: all that the operation needs, and not only what is lacking (protocol R09).
    Scopes(Scopes),
    /// The person approves this one call on a page of ours. Nobody can, for an agent that acts for no person.
    Person,
    /// The client says that its user agreed to this one call.
    Client,
}

/// The rule behind an answer, for the audit trail: `scope notes:write`, ``policy `no-prod-deletes` ``,
/// `tool not accepted`, `confirm`. Never told to the caller of a hidden operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why(pub Cow<'static, str>);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks, as the guard has proven it.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The scopes of the token.
    pub scopes: &'a Scopes,
    /// The client.
    pub client: &'a ClientId,
    /// The token's subject: the person's, or the client's own.
    pub subject: &'a str,
    /// The grant behind the token, if the issuer says it.
    pub agent: Option<GrantId>,
    /// The groups the person is in.
    pub groups: &'a [String],
    /// The guarded server that is called.
    pub resource: &'a Resource,
    /// Whether the subject is a person.
    pub acts_for_person: bool,
}
