//! A guard for tokens of somebody else's authorization server, known by its metadata (RFC 8414, or OpenID Connect
//! Discovery) and its keys, with no store at all (protocol R23).
//!
//! What that server revoked is not known here: its tokens live until they expire, so let them be short.

mod discovery;
mod keys;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use portcullis_fetch::{Fetcher, Loopback, SetupError};
use portcullis_guard::{Clock, Guard, Keys as _, Require};
use portcullis_wire::metadata::ResourceMetadata;
use portcullis_wire::resource::{Issuer, ResourceError};

pub use discovery::{DiscoveryError, candidates};
pub use keys::{KEYS_AGE, REFRESH_PAUSE, RemoteKeys};

use crate::clock::SystemClock;
use crate::describe::{DescribeError, Description};
use crate::embedded::require;

/// Why a guard against a foreign issuer cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The issuer's URL.
    #[error("the issuer `{0}`: {1}")]
    Issuer(String, #[source] ResourceError),
    /// The resource, one of its scopes or tools.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// The outbound client.
    #[error(transparent)]
    Fetch(#[from] SetupError),
}

/// A [`Foreign`] in the making.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ForeignBuilder {
    issuer: String,
    resource: Description,
    leeway: i64,
    clock: Arc<dyn Clock>,
    fetch: portcullis_fetch::Settings,
}

impl ForeignBuilder {
    /// What people call the resource.
    pub fn name(mut self, name: &str) -> Self {
        self.resource.name = Some(name.to_owned());
        self
    }

    /// A tool that needs scopes beyond those of its route.
    pub fn tool<S: Into<String>>(mut self, tool: &str, scopes: impl IntoIterator<Item = S>) -> Self {
        self.resource.tools.push((tool.to_owned(), scopes.into_iter().map(Into::into).collect()));
        self
    }

    /// How far the issuer's clock may be off, in seconds: 60 unless said, which is also the most.
    pub fn leeway(mut self, seconds: i64) -> Self {
        self.leeway = seconds;
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Test only: the issuer may be on this computer, over plain http.
    pub fn insecure_loopback(mut self) -> Self {
        self.fetch.loopback = Loopback::AllowPlainAndTls;
        self
    }

    /// The guard. The issuer is asked at once, but need not answer yet: until its keys are known, requests are
    /// answered by 503 with `Retry-After`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ForeignError`], by cause.
    pub async fn build(self) -> Result<Foreign, ForeignError> {
        let issuer = Issuer::parse_exact(&self.issuer)
            .map_err(|error| ForeignError::Issuer(self.issuer.clone(), error))?;
        let (entry, tools) = self.resource.resolve()?;
        let keys = RemoteKeys::new(issuer.clone(), Fetcher::new(self.fetch)?, Arc::clone(&self.clock));
        keys.refresh().await;
        keys.keep_fresh();
        let guard = Guard::builder(issuer.clone(), entry.resource.clone(), Arc::new(keys), self.clock)
            .tools(tools)
            .scopes_for_discovery(entry.default_scopes())
            .leeway(self.leeway)
            .build();
        let metadata =
            ResourceMetadata::new(&entry.resource, &issuer, &entry.offered(), Some(entry.name.as_str()));
        Ok(Foreign { guard, metadata: Arc::new(metadata) })
    }
}

/// A guard against an issuer that is not ours, and the metadata document that names it.
///
/// ```no_run
/// # use axum::{Router, routing::post};
/// # use portcullis::{Agent, Foreign};
/// # async fn run() -> Result<(), portcullis::foreign::ForeignError> {
/// let auth = Foreign::against("https://login.example.com", "https://notes.example.com/mcp", ["mcp:tools"])
///     .build()
///     .await?;
/// let app: Router = Router::new()
///     .route("/mcp", post(mcp).layer(auth.require(["mcp:tools"])))
///     .merge(auth.router());
/// async fn mcp(agent: Agent) -> String {
///     agent.subject.clone()
/// }
/// # drop(app); Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Foreign {
    guard: Guard,
    metadata: Arc<ResourceMetadata>,
}

impl Foreign {
    /// Begins a guard of `resource` for tokens of `issuer`, spelled exactly as the issuer spells itself.
    pub fn against<S: Into<String>>(
        issuer: &str,
        resource: &str,
        scopes: impl IntoIterator<Item = S>,
    ) -> ForeignBuilder {
        ForeignBuilder {
            issuer: issuer.to_owned(),
            resource: Description::new(resource, scopes),
            leeway: portcullis_wire::limit::CLOCK_LEEWAY,
            clock: Arc::new(SystemClock),
            fetch: portcullis_fetch::Settings::default(),
        }
    }

    /// A layer that lets through who holds these scopes.
    pub fn require<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Require {
        require(&self.guard, scopes)
    }

    /// The guard itself.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The resource's metadata (RFC 9728 §3), where clients look for it: below the well-known path, and at its root.
    pub fn router(&self) -> Router {
        const ROOT: &str = "/.well-known/oauth-protected-resource";
        let body = serde_json::to_string(&*self.metadata).unwrap_or_default();
        let answer = get(move || async move {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "public, max-age=300"),
                (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            ];
            (headers, body)
        });
        let path = self.guard.resource().path();
        let router = Router::new().route(ROOT, answer.clone());
        if path.trim_end_matches('/').is_empty() {
            return router;
        }
        router.without_v07_checks().route(&format!("{ROOT}{path}"), answer)
    }
}
