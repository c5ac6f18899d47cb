//! An authorization server over a data directory: opened at rest for one command, or running, with its control
//! socket and its chores.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_fetch::{Fetcher, SetupError};
use portcullis_rules::groups::People;
use portcullis_server::{App, Entropy as _, Parts, Settings, StartError};
use portcullis_store::Salts;
use portcullis_store::sqlite::{OpenError, Options, Sqlite};
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::control::Control;
use crate::entropy::SystemEntropy;
use crate::home::{Home, HomeError, LastResource, LastRun};

/// Why a server could not be opened or started.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// The data directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The database.
    #[error("cannot open the database `{0}`: {1}")]
    Database(PathBuf, #[source] OpenError),
    /// The outbound client.
    #[error(transparent)]
    Fetch(#[from] SetupError),
    /// The server itself.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl OpenFault {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Home(error) => error.hint(),
            _ => None,
        }
    }
}

/// Opens the authorization server of `home`, without a socket and without chores: for one command, while no server
/// runs.
///
/// # Errors
/// [`OpenFault`], by cause.
pub async fn open(
    home: &Home,
    settings: Settings,
    fetch: portcullis_fetch::Settings,
) -> Result<Arc<App>, OpenFault> {
    let database = home.database()?;
    let master = home.master_key(&SystemEntropy)?;
    let store = Sqlite::open(&database, Options::new(salts()))
        .map_err(|error| OpenFault::Database(database, error))?;
    let parts = Parts {
        store: Arc::new(store),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        master,
        fetcher: Fetcher::new(fetch)?,
        settings,
    };
    Ok(App::start(parts).await?)
}

/// Salts for what the audit trail tells about people.
fn salts() -> Salts {
    Salts::new(|| {
        let mut salt = [0; 32];
        SystemEntropy.fill(&mut salt);
        salt
    })
}

/// A running authorization server. Dropping it ends its tasks; [`Running::stop`] does so in good order.
pub struct Running {
    app: Arc<App>,
    tasks: Vec<JoinHandle<()>>,
    home: Home,
}

impl Running {
    /// Starts the server of `home`: opens it, leaves word for commands at rest, takes commands and does its chores.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenFault`], by cause.
    pub async fn start(
        home: Home,
        database: Option<&Path>,
        settings: Settings,
        fetch: portcullis_fetch::Settings,
    ) -> Result<Self, OpenFault> {
        // A directory keeps its database, whoever runs it.
        let known = home.last_run()?.and_then(|run| run.database);
        home.remember(&last_run(&settings, database.or(known.as_deref())))?;
        let app = open(&home, settings, fetch).await?;
        let control = Control::open(&home, home.control_key(&SystemEntropy)?)?;
        let tasks =
            vec![tokio::spawn(control.serve(Arc::clone(&app) as _)), tokio::spawn(Arc::clone(&app).chores())];
        Ok(Self { app, tasks, home })
    }

    /// The server itself.
    pub const fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Its data directory.
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Ends the chores and writes what is only in memory. Requests must have ended before.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        self.app.flush().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("app", &self.app).field("home", &self.home).finish_non_exhaustive()
    }
}

/// The groups that are named; none is everyone.
fn names(people: &People) -> Option<Vec<String>> {
    match people {
        People::Everyone => None,
        People::Groups(groups) => Some(groups.iter().map(ToString::to_string).collect()),
    }
}

/// What a command at rest must know of this run.
fn last_run(settings: &Settings, database: Option<&Path>) -> LastRun {
    let resource = |entry: &portcullis_rules::catalog::ResourceEntry| LastResource {
        uri: entry.resource.to_string(),
        name: entry.name.clone(),
        scopes: entry.scopes.iter().map(|scope| (scope.scope.to_string(), scope.default)).collect(),
        rs256: entry.rs256,
        people: names(&entry.people),
        scope_people: entry
            .scopes
            .iter()
            .filter_map(|scope| Some((scope.scope.to_string(), names(&scope.people)?)))
            .collect(),
    };
    LastRun {
        issuer: settings.issuer.to_string(),
        resources: settings.catalog.entries().iter().map(resource).collect(),
        endpoint_path: settings.endpoint_path.clone(),
        database: database.map(Path::to_owned),
    }
}
