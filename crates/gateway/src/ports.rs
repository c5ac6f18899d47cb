//! What the door needs from outside, and does not do itself: remembering, counting, asking a person, sealing.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::Agent;
use portcullis_policy::KnownTools;
use portcullis_wire::digest::Digest;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use serde_json::{Map, Value};

/// A future behind a pointer, so that the ports stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A port cannot do its work now: answered by 503 with `Retry-After`, and nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this cannot be done at the moment; try again shortly")]
pub struct Unavailable;

/// What an agent asked for: one operation at one resource.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who.
    pub agent: Agent,
    /// The JSON-RPC method, such as `tools/call`.
    pub method: Cow<'static, str>,
    /// The tool, prompt or resource URI, if the method names one. A stranger's text.
    pub name: Option<String>,
    /// What stands for this very request in the trail and in the log.
    pub request: String,
    /// The trace it belongs to (W3C Trace Context), if the caller sent a well-formed one.
    pub trace: Option<String>,
    /// What was decided.
    pub decision: Decision,
    /// The rule behind the decision.
    pub rule: Cow<'static, str>,
    /// The scopes the operation needs.
    pub scopes: Scopes,
    /// What stands for the arguments, if there were any.
    pub arguments: Option<Digest>,
    /// The arguments themselves, for tools whose owner wants them kept.
    pub values: Option<String>,
}

/// What was decided on a [`Call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It went through.
    Allowed,
    /// It went through since the person approved this very call.
    AllowedByPerson,
    /// It went through since the client said that its user agreed.
    AllowedByClient,
    /// A scope is lacking.
    ScopeLacking,
    /// A person has to approve it first.
    AwaitsApproval,
    /// A person said no, or nobody is there who could be asked.
    Denied,
    /// It is hidden from this agent.
    Hidden,
    /// A limit was reached.
    Limited,
}

impl Decision {
    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::AllowedByPerson => "allowed_by_person",
            Self::AllowedByClient => "allowed_by_client",
            Self::ScopeLacking => "scope_lacking",
            Self::AwaitsApproval => "awaits_approval",
            Self::Denied => "denied",
            Self::Hidden => "hidden",
            Self::Limited => "limited",
        }
    }
}

/// How a call that went through ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server answered.
    Answered,
    /// The tool itself said that it failed (`isError`).
    ToolError,
    /// The server answered with a JSON-RPC error of this code.
    Error(i64),
    /// The upstream did not answer as it should; the HTTP status the caller got.
    Upstream(u16),
    /// The caller went away before the answer.
    Left,
    /// It was cut off while the answer came.
    Cut,
}

/// Writes down what agents do. Texts of strangers are kept, not trusted.
pub trait Journal: Send + Sync {
    /// Before a call is forwarded. Where the owner wants calls on disk first, this resolves when it is; otherwise it
    /// only tells whether the trail can still be written.
    ///
    /// # Errors
    /// [`Unavailable`] if the trail cannot be written and the owner wants no call without it.
    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<(), Unavailable>>;

    /// After a call: at once for one that was not forwarded (`ending` is none), with how it ended for one that was.
    fn note(&self, call: Call, ending: Option<Ending>, latency: Duration);

    /// Counts a request that was refused before anybody was proven to be behind it.
    fn unproven(&self, resource: &Resource, reason: &'static str);

    /// Remembers that an agent was refused for the lack of these scopes, so that its person can allow them.
    fn wanted(&self, agent: &Agent, scopes: &Scopes);
}

/// Asks people.
pub trait Approvals: Send + Sync {
    /// Uses up one approval of exactly this call, if there is one; otherwise finds or opens the question. `tool`,
    /// `arguments` and the agent are what is shown and what is bound.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        tool: &'a str,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Approval, Unavailable>>;

    /// Resolves when the question `id` may have been answered, or when `patience` is over.
    fn answered<'a>(&'a self, id: &'a str, patience: Duration) -> BoxFuture<'a, ()>;
}

/// Where a question to a person stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Approved, and now used up: this one call may go.
    Given,
    /// The person said no, not long ago.
    Denied,
    /// The person has not answered yet.
    Open {
        /// What names the question; it proves nothing.
        id: String,
        /// The page where the person answers.
        url: String,
    },
    /// The agent acts for nobody who could be asked.
    NoPerson,
    /// As many questions of this agent are open as may be.
    TooMany,
}

/// Counts what agents use, and says when it is enough.
pub trait Budgets: Send + Sync {
    /// Counts one request, and one call if a tool is named.
    ///
    /// # Errors
    /// [`Spent`]: nothing was counted.
    fn take(&self, agent: &Agent, tool: Option<Named<'_>>) -> Result<(), Spent>;
}

/// The tool that a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its name. A stranger's text.
    pub name: &'a str,
    /// Whether the server is known to have it. Where new tools are taken as they come, others can be invented without end.
    pub is_known: bool,
}

/// A limit was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// When there is room again.
    pub retry_after: Duration,
    /// The limit in words, such as `100 calls a minute for each agent`.
    pub rule: String,
}

/// Knows the definitions of one resource's tools, and which of them its owner has accepted.
pub trait ToolBook: Send + Sync {
    /// What is known now.
    fn known(&self) -> Arc<KnownTools>;

    /// Takes note of what the server listed: each tool's name and whole definition. `whole` says that the list was
    /// complete. Resolves when it is kept, and [`ToolBook::known`] tells it.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn listed<'a>(
        &'a self,
        tools: &'a [(String, Value)],
        whole: bool,
    ) -> BoxFuture<'a, Result<(), Unavailable>>;
}

/// Seals what callers carry for us. A sealed text is visible ASCII without spaces.
pub trait Seals: Send + Sync {
    /// Seals `plain` for one purpose and for whatever `holder` stands for.
    fn seal(&self, purpose: &'static str, holder: &[u8], plain: &[u8]) -> String;

    /// Opens it, for the same purpose and holder only.
    fn open(&self, purpose: &'static str, holder: &[u8], sealed: &str) -> Option<Vec<u8>>;

    /// A fresh name that nobody can guess.
    fn fresh(&self) -> String;
}

/// All the ports of one door.
#[derive(Clone)]
pub struct Ports {
    /// Writes down.
    pub journal: Arc<dyn Journal>,
    /// Asks people.
    pub approvals: Arc<dyn Approvals>,
    /// Counts.
    pub budgets: Arc<dyn Budgets>,
    /// Knows tools.
    pub tools: Arc<dyn ToolBook>,
    /// Seals.
    pub seals: Arc<dyn Seals>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}
