//! The authorization server inside an axum program of one's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use portcullis_fetch::Loopback;
use portcullis_guard::{Guard, Require};
use portcullis_rules::catalog::{Catalog, Effect, SameResource};
use portcullis_rules::settings::Lifetimes;
use portcullis_server::Settings;
use portcullis_server::admin::{AdminError, Command};
use portcullis_wire::resource::{Issuer, Resource, ResourceError};
use portcullis_wire::scope::{Scope, ScopeError, Scopes};
use serde_json::Value;

use crate::describe::{DescribeError, Description};
use crate::home::{Home, HomeError};
use crate::running::{OpenFault, Running};

/// Why a server cannot be built. Each says what to say otherwise.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No issuer was named.
    #[error("name the issuer: `.issuer(\"https://…\")`, the URL under which the router is reached")]
    NoIssuer,
    /// The issuer's URL.
    #[error("the issuer `{0}`: {1}")]
    Issuer(String, #[source] ResourceError),
    /// No resource was named.
    #[error("name a resource: `.resource(\"https://…/mcp\", [\"mcp:tools\"])`")]
    NoResource,
    /// A resource, one of its scopes or tools.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// Two resources that cannot be told apart.
    #[error(transparent)]
    Same(#[from] SameResource),
    /// A database we do not know.
    #[error("the database `{0}` is none we know: write `sqlite:portcullis.db`")]
    Database(String),
    /// The data directory, the database, or the start.
    #[error(transparent)]
    Open(#[from] OpenFault),
}

impl From<HomeError> for BuildError {
    fn from(error: HomeError) -> Self {
        Self::Open(error.into())
    }
}

/// A [`Portcullis`] in the making: issuer and resource are needed, all else has a default.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    issuer: Option<String>,
    database: Option<String>,
    endpoint_path: String,
    lifetimes: Option<Lifetimes>,
    trusted_proxies: Vec<portcullis_server::IpNetwork>,
    insecure_loopback_fetch: bool,
    resources: Vec<Description>,
}

impl Builder {
    /// Where records are kept: `sqlite:` and a file, `sqlite:portcullis.db` unless said. Keys, lock and control
    /// socket lie beside it in a directory of the file's name with `.d` behind: back up both, and put neither into
    /// version control. `portcullis --data-dir portcullis.db.d …` administers it.
    pub fn database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self
    }

    /// The URL under which the router is reached: https, or http on this computer.
    pub fn issuer(mut self, url: &str) -> Self {
        self.issuer = Some(url.to_owned());
        self
    }

    /// An MCP server to be guarded, by its canonical URI, with the scopes it gives a client that asks for none.
    /// What follows describes this one. The first is the one meant where a client names none.
    pub fn resource<S: Into<String>>(mut self, uri: &str, scopes: impl IntoIterator<Item = S>) -> Self {
        self.resources.push(Description::new(uri, scopes));
        self
    }

    /// What people call the resource.
    pub fn name(self, name: &str) -> Self {
        self.last(|resource| resource.name = Some(name.to_owned()))
    }

    /// A tool that needs scopes beyond those of its route. A call without them is answered by 403 before the handler
    /// sees it, naming all it needs.
    pub fn tool<S: Into<String>>(self, tool: &str, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.last(|resource| resource.tools.push((tool.to_owned(), scopes)))
    }

    /// What a scope allows, in words for the person who judges it, and what it does.
    pub fn scope_title(self, scope: &str, title: &str, effect: Effect) -> Self {
        self.last(|resource| resource.titles.push((scope.to_owned(), title.to_owned(), effect)))
    }

    /// Puts the endpoints below a path of their own, such as `/auth`. The well-known documents stay where the RFCs
    /// put them.
    pub fn endpoints_below(mut self, path: &str) -> Self {
        self.endpoint_path = path.trim_end_matches('/').to_owned();
        self
    }

    /// Lifetimes and graces other than the default ones.
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = Some(lifetimes);
        self
    }

    /// A proxy whose `X-Forwarded-For` is believed.
    pub fn trusted_proxy(mut self, network: portcullis_server::IpNetwork) -> Self {
        self.trusted_proxies.push(network);
        self
    }

    /// Test only: metadata documents of clients may lie on this computer, over plain http.
    pub fn insecure_cimd_loopback(mut self) -> Self {
        self.insecure_loopback_fetch = true;
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Description)) -> Self {
        if let Some(resource) = self.resources.last_mut() {
            change(resource);
        }
        self
    }

    /// Opens the database, makes keys on the first start, and starts the chores. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`BuildError`], by cause.
    pub async fn build(self) -> Result<Portcullis, BuildError> {
        let issuer = self.issuer.ok_or(BuildError::NoIssuer)?;
        let issuer = Issuer::parse(&issuer).map_err(|error| BuildError::Issuer(issuer, error))?;
        let (mut entries, mut tables) = (Vec::new(), Vec::new());
        for description in &self.resources {
            let (entry, table) = description.resolve()?;
            tables.push((entry.resource.clone(), table));
            entries.push(entry);
        }
        let mut settings = Settings::new(issuer, Catalog::new(entries)?);
        settings.endpoint_path = self.endpoint_path;
        settings.lifetimes = self.lifetimes.unwrap_or_default();
        settings.trusted_proxies = self.trusted_proxies;
        settings.insecure_cimd_loopback = self.insecure_loopback_fetch;
        let fetch = portcullis_fetch::Settings {
            loopback: if self.insecure_loopback_fetch {
                Loopback::AllowPlainAndTls
            } else {
                Loopback::Refuse
            },
            ..Default::default()
        };
        let (directory, file) = place(self.database.as_deref().unwrap_or("sqlite:portcullis.db"))?;
        let running = Running::start(Home::open(&directory)?, Some(&file), settings, fetch).await?;
        let guards: Vec<Guard> = tables
            .into_iter()
            .filter_map(|(resource, table)| running.app().guard(&resource, table))
            .collect();
        let sole = guards.first().cloned().ok_or(BuildError::NoResource)?;
        Ok(Portcullis { inner: Arc::new(Inner { running, guards, sole }) })
    }
}

/// The directory beside the database, and the database as seen from there.
fn place(url: &str) -> Result<(PathBuf, PathBuf), BuildError> {
    let unknown = || BuildError::Database(url.to_owned());
    let path = Path::new(url.strip_prefix("sqlite:").ok_or_else(unknown)?);
    let name = path.file_name().ok_or_else(unknown)?;
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    Ok((directory.into(), Path::new("..").join(name)))
}

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
    guards: Vec<Guard>,
    sole: Guard,
}

impl Portcullis {
    /// Begins one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Every endpoint, page and metadata document, to be merged into one's own router. Serve the program with
    /// `into_make_service_with_connect_info::<SocketAddr>()`, so that strangers can be told apart by their address.
    pub fn router(&self) -> Router {
        self.inner.running.app().router()
    }

    /// A layer before the default resource, which lets through who holds these scopes.
    ///
    /// A name that is no scope is one that nobody can hold: the route is then closed to everyone, and the log says
    /// why.
    pub fn require<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Require {
        require(&self.inner.sole, scopes)
    }

    /// The guard of one of several resources.
    pub fn guard(&self, resource: &str) -> Option<&Guard> {
        let resource = Resource::parse(resource).ok()?;
        self.inner.guards.iter().find(|guard| guard.resource().is_same(&resource))
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
    let scope = |name: S| {
        Scope::parse(name.as_ref()).or_else(|error: ScopeError| {
            tracing::error!(scope = name.as_ref(), %error, "a route requires what is no scope: it is closed");
            Scope::parse(NOBODY)
        })
    };
    guard.require(&scopes.into_iter().filter_map(|name| scope(name).ok()).collect::<Scopes>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_has_its_keys_beside_it() {
        for (given, directory, file) in [
            ("sqlite:portcullis.db", "portcullis.db.d", "../portcullis.db"),
            ("sqlite:/var/lib/notes/auth.db", "/var/lib/notes/auth.db.d", "../auth.db"),
        ] {
            assert_eq!(place(given).unwrap(), (directory.into(), file.into()), "{given}");
        }
        for wrong in ["postgres://h/db", "portcullis.db", "sqlite:", "sqlite:/"] {
            assert!(matches!(place(wrong), Err(BuildError::Database(_))), "{wrong}");
        }
    }
}
