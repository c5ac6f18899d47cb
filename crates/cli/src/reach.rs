//! How a command reaches the records: over the control socket while a server holds the data directory, else by
//! opening the store itself. Never beside a running server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::admin::{AdminError, Command};
use portcullis::control::{ControlError, FaultKind};
use portcullis::home::{Home, HomeError, LastRun};
use portcullis::running::{OpenFault, open};
use portcullis_rules::catalog::{Catalog, ResourceEntry, ScopeEntry};
use portcullis_rules::groups::{Group, People};
use portcullis_server::Settings;
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::Scope;
use serde_json::Value;

use crate::args::Shared;
use crate::config::{self, File};
use crate::failure::Failure;

impl Shared {
    /// The data directory: as said, else below the user's own.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failure> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = named("XDG_DATA_HOME").filter(|path| path.is_absolute());
        data.or_else(|| named("HOME").map(|home| home.join(".local/share")))
            .map(|data| data.join("portcullis"))
            .ok_or_else(|| {
                Failure::fixable("there is no home directory to keep data in").advise("say `--data-dir DIR`")
            })
    }
}

/// How often a directory is tried that somebody holds who takes no commands: another command, which will be done
/// in a moment, or a server that is just starting.
const TRIES: u32 = 50;
/// The pause between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(100);

/// Carries out a command. When this returns, what it changed is enforced.
pub(crate) async fn administer(directory: &Path, command: Command) -> Result<Vec<Value>, Failure> {
    let mut tries = 1;
    let home = loop {
        match Home::open(directory) {
            Ok(home) => break home,
            Err(HomeError::Held(_)) => match portcullis::control::administer(directory, &command).await {
                // Nothing was sent yet.
                Err(ControlError::Unreachable(_)) if tries < TRIES => tries += 1,
                outcome => return Ok(outcome?),
            },
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(TRY_PAUSE).await;
    };
    // Which providers there are stands in the configuration: to a command at rest none of them is gone.
    let settings = Settings { all_providers: false, ..at_rest(home.last_run()?)? };
    let app = open(&home, settings, portcullis_fetch::Settings::default()).await?;
    let rows = app.administer(command).await?;
    app.flush().await;
    Ok(rows)
}

/// The settings of the last run; of a plain `guard` where there was none.
fn at_rest(last: Option<LastRun>) -> Result<Settings, Failure> {
    let Some(last) = last else {
        return config::resolve(&File::guard_of(None), None)
            .map(|plan| plan.settings)
            .map_err(|faults| config::failure(&faults, None));
    };
    let damaged = || {
        Failure::fixable("the record of the last run, `last-run.json`, cannot be used")
            .advise("start the server once: it writes it anew")
    };
    let mut entries = Vec::new();
    for resource in last.resources {
        let mut scopes = Vec::new();
        for (name, default) in resource.scopes {
            let (title, effect) = portcullis::plain_words(&name);
            let scope = Scope::parse(&name).map_err(|_| damaged())?;
            scopes.push(ScopeEntry {
                scope,
                title,
                effect,
                tools: Vec::new(),
                default,
                people: people(resource.scope_people.get(&name)).ok_or_else(damaged)?,
            });
        }
        let uri = Resource::parse(&resource.uri).map_err(|_| damaged())?;
        let people = people(resource.people.as_ref()).ok_or_else(damaged)?;
        entries.push(ResourceEntry {
            resource: uri,
            name: resource.name,
            scopes,
            rs256: resource.rs256,
            people,
        });
    }
    let issuer = Issuer::parse(&last.issuer).map_err(|_| damaged())?;
    let mut settings = Settings::new(issuer, Catalog::new(entries).map_err(|_| damaged())?);
    settings.endpoint_path = last.endpoint_path;
    Ok(settings)
}

/// The groups that are named; where none are, everyone.
fn people(names: Option<&Vec<String>>) -> Option<People> {
    match names {
        None => Some(People::Everyone),
        Some(names) => names.iter().map(|name| Group::parse(name)).collect::<Option<_>>().map(People::Groups),
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let hint = error.hint();
        match error {
            HomeError::Io(..) => Self::ours(error),
            _ => Self::fixable(error),
        }
        .hint(hint)
    }
}

impl From<OpenFault> for Failure {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Home(error) => error.into(),
            other => Self::ours(other),
        }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Unavailable => Self::ours(error),
            AdminError::Refused(_) | AdminError::Invalid(_) => Self::fixable(error),
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Home(error) => error.into(),
            ControlError::Fault { kind: FaultKind::Refused, .. } => Self::fixable(error),
            ControlError::Unreachable(_) => Self::ours(error)
                .advise("whoever holds it takes no commands: look for another `portcullis` process"),
            other => Self::ours(other),
        }
    }
}
