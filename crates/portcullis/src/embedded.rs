//! The authorization server inside an axum program of one's own.

use std::sync::Arc;

use axum::Router;
use portcullis_gateway::door::{DoorLayer, DoorSettings};
use portcullis_gateway::ports::Ports;
use portcullis_guard::{Agent, Guard, Require};
use portcullis_policy::Policy;
use portcullis_server::admin::{AdminError, Command};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{Scope, ScopeError, Scopes};
use serde_json::{Map, Value};

use crate::builder::Builder;
use crate::confirm::{self, Confirmation};
use crate::running::Running;

/// An authorization server and the guards of its resources, inside one's own program. Cheap to clone; it ends when
/// the last clone is dropped.
///
/// ```no_run
/// use axum::{Router, routing::post};
/// use portcullis::{Agent, Portcullis};
///
/// # async fn run() -> Result<(), portcullis::BuildError> {
/// let auth = Portcullis::builder()
///     .database("sqlite:portcullis.db")
///     .issuer("https://notes.example.com")
///     .resource("https://notes.example.com/mcp", ["mcp:tools"])
///     .tool("delete_note", ["notes:delete"])
///     .build()
///     .await?;
/// let app: Router = Router::new()
///     .route("/mcp", post(mcp).layer(auth.require(["mcp:tools"])))
///     .merge(auth.router());
///
/// async fn mcp(agent: Agent) -> String {
///     format!("{} may delete: {}", agent.subject, agent.may("delete_note"))
/// }
/// # drop(app); Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Portcullis {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    running: Running,
    first: Protected,
    others: Vec<Protected>,
}

/// What stands before one resource.
#[derive(Debug)]
pub(crate) struct Protected {
    pub(crate) guard: Guard,
    pub(crate) policy: Policy,
    pub(crate) ports: Ports,
    pub(crate) settings: DoorSettings,
}

impl Protected {
    fn door<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> DoorLayer {
        let (ports, settings) = (self.ports.clone(), self.settings.clone());
        DoorLayer::new(self.guard.clone(), &known(scopes), &self.policy, ports, settings)
    }
}

impl Portcullis {
    /// Begins one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(running: Running, protected: Vec<Protected>) -> Option<Self> {
        let mut protected = protected.into_iter();
        let first = protected.next()?;
        Some(Self { inner: Arc::new(Inner { running, first, others: protected.collect() }) })
    }

    /// Every endpoint, page and metadata document, to be merged into one's own router. Serve the program with
    /// `into_make_service_with_connect_info::<SocketAddr>()`, so that strangers can be told apart by their address.
    pub fn router(&self) -> Router {
        self.inner.running.app().router()
    }

    /// The light layer before the default resource: it lets through who holds these scopes.
    ///
    /// A short path with no store in it: the token is verified (or found among those seen lately), live revocations and
    /// the table of tools are asked, and the body streams on after its first message was read. No row of the trail is
    /// written, nothing is counted, no person is asked, and lists show every tool. For all of that, see
    /// [`Portcullis::door`].
    ///
    /// A name that is no scope is one that nobody can hold: the route is then closed to everyone, and the log says
    /// why.
    pub fn require<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Require {
        require(&self.inner.first.guard, scopes)
    }

    /// The whole door before the default resource: what the gateway has, around a handler or service in this program.
    ///
    /// Every message is read once and judged; tools the agent may not use are left out of lists; what it lacks is noted,
    /// so that its person can allow it; limits are counted; tools marked [`Builder::confirm`] wait for their person; and
    /// every call becomes a row of the audit trail. Streams end when the agent is cut off. It costs a strict reading of
    /// each message, memory for answers that have to be edited, and a row in the store for each call, written behind it
    /// unless [`AuditSettings`](crate::AuditSettings) says before. The service behind must speak MCP over HTTP in
    /// whole: the door asks it for its tools.
    ///
    /// Put it around the service once and serve that: each layer counts what is under way for itself. Scopes as in
    /// [`Portcullis::require`].
    pub fn door<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> DoorLayer {
        self.inner.first.door(scopes)
    }

    /// The whole door before one of several resources.
    pub fn door_at<S: AsRef<str>>(
        &self,
        resource: &str,
        scopes: impl IntoIterator<Item = S>,
    ) -> Option<DoorLayer> {
        self.at(resource).map(|protected| protected.door(scopes))
    }

    /// The guard of one of several resources.
    pub fn guard(&self, resource: &str) -> Option<&Guard> {
        self.at(resource).map(|protected| &protected.guard)
    }

    fn at(&self, resource: &str) -> Option<&Protected> {
        let resource = Resource::parse(resource).ok()?;
        let inner = &self.inner;
        std::iter::once(&inner.first).chain(&inner.others).find(|it| it.guard.resource().is_same(&resource))
    }

    /// Asks the person an agent acts for about one call, in a handler of one's own: on a page of ours, with the tool and
    /// its arguments. The first time the answer is a [`Question`](crate::Question) to hand to the client; when the same
    /// call comes again after the person approved it, the answer is [`Confirmation::Given`], once.
    ///
    /// ```no_run
    /// # use portcullis::{Agent, Confirmation, Portcullis};
    /// # use serde_json::{Map, Value};
    /// # async fn run(auth: Portcullis, agent: Agent, arguments: Map<String, Value>) -> Value {
    /// match auth.confirm(&agent, "delete_note", &arguments).await {
    ///     Confirmation::Given => serde_json::json!({ "content": [] }), // delete it
    ///     other => other.result(),                                     // a tool result that says why not yet
    /// }
    /// # }
    /// ```
    pub async fn confirm(&self, agent: &Agent, tool: &str, arguments: &Map<String, Value>) -> Confirmation {
        let here = self.at(agent.resource.as_str()).unwrap_or(&self.inner.first);
        confirm::ask(&*here.ports.approvals, agent, tool, arguments).await
    }

    /// Carries out what the command line can, such as adding an account.
    ///
    /// # Errors
    /// [`AdminError`], by cause.
    pub async fn administer(&self, command: Command) -> Result<Vec<Value>, AdminError> {
        self.inner.running.app().administer(command).await
    }

    /// Writes what is only in memory, before the program ends.
    pub async fn flush(&self) {
        self.inner.running.app().flush().await;
    }
}

/// A scope no token holds, as it stands in no catalog.
const NOBODY: &str = "portcullis:nobody";

pub(crate) fn require<S: AsRef<str>>(guard: &Guard, scopes: impl IntoIterator<Item = S>) -> Require {
    guard.require(&known(scopes))
}

fn known<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Scopes {
    let scope = |name: S| {
        Scope::parse(name.as_ref()).or_else(|error: ScopeError| {
            tracing::error!(scope = name.as_ref(), %error, "a route requires what is no scope: it is closed");
            Scope::parse(NOBODY)
        })
    };
    scopes.into_iter().filter_map(|name| scope(name).ok()).collect()
}
