//! Servers over stdio: the process that keeps them is started before all else, and from then on this one executes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use portcullis::SystemEntropy;
use portcullis_gateway::door::AgentKey;
use portcullis_guard::{Agent, Guard};
use portcullis_runner::{
    BridgeBody, Caller, ExecForbidden, Runner, Server, Spawned, Spec, StartError, Stdio, StdioSettings,
    forbid_exec, spawn,
};
use portcullis_server::Entropy as _;
use tokio::time::Instant;
use tower_service::Service;

use crate::config::{Behind, Plan, Program};
use crate::failure::Failure;
use crate::output::say;

/// Below the data directory: homes and temporary folders of the servers.
const RUNTIME: &str = "runtime";
/// As whom the door itself asks, to learn a server's tools.
const DOOR: &str = "door";

/// Starts the process that keeps the servers, if the plan has any, and gives up executing programs. To be called before
/// the async runtime, the store and the listener exist.
pub(crate) fn prepare(plan: &Plan, directory: &Path) -> Result<Option<Spawned>, Failure> {
    let spawned = match spec(plan, directory)? {
        Some(spec) => Some(spawn(&spec)?),
        None => None,
    };
    if let ExecForbidden::Missing(why) = forbid_exec() {
        say(&format!("WARNING: this process can still execute programs: {why}"));
    }
    Ok(spawned)
}

fn spec(plan: &Plan, directory: &Path) -> Result<Option<Spec>, Failure> {
    let programs: Vec<(String, &Program)> = plan
        .guarded
        .iter()
        .filter_map(|guarded| match &guarded.behind {
            Behind::Command(program) => Some((guarded.entry.resource.path(), &**program)),
            _ => None,
        })
        .collect();
    if programs.is_empty() {
        return Ok(None);
    }
    let whole = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Failure::fixable(format!("`{}` is no path: {error}", path.display())))
    };
    let directory = whole(directory)?;
    let mut spec = Spec::new(&directory, directory.join(RUNTIME));
    spec.secrets = plan.secrets.iter().map(|path| whole(path)).collect::<Result<_, _>>()?;
    spec.sandbox = plan.stdio.sandbox;
    spec.children = plan.stdio.processes.unwrap_or(spec.children);
    if let Some(idle) = plan.stdio.idle {
        spec.idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    }
    for (name, program) in programs {
        let mut server = Server::new(&program.command, &program.args).pass(&program.env);
        server.sharing = program.sharing;
        server.unix_sockets = program.unix_sockets;
        server.read = program.read.iter().map(|path| whole(path)).collect::<Result<_, _>>()?;
        server.write = program.write.iter().map(|path| whole(path)).collect::<Result<_, _>>()?;
        spec = spec.server(name, server);
    }
    Ok(Some(spec))
}

/// Makes use of the process once the runtime is there, and says how its servers are kept.
pub(crate) async fn start(spawned: Option<Spawned>) -> Result<Option<Runner>, Failure> {
    let Some(spawned) = spawned else { return Ok(None) };
    let runner = Runner::start(spawned).await?;
    let report = runner.report();
    if !report.holds() {
        say(&format!("WARNING: {report}"));
    }
    Ok(Some(runner))
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Refused(_) => Self::fixable(error),
            StartError::Io(_) | StartError::Silent => Self::ours(error),
        }
    }
}

/// Who used what is kept under a name last, and when.
type Watched = HashMap<Arc<str>, (Agent, Instant)>;

/// The servers of one resource, each agent's ended when it is cut off.
#[derive(Clone)]
pub(crate) struct Kept {
    stdio: Stdio,
    guard: Guard,
    /// For how long a process may stay without being spoken to.
    idle: Duration,
    watched: Arc<Mutex<Watched>>,
}

/// The service for the program at `path`.
pub(crate) fn kept(runner: &Runner, path: &str, program: &Program, guard: Guard, idle: Duration) -> Kept {
    let entropy = || {
        let mut bytes = [0; 16];
        SystemEntropy.fill(&mut bytes);
        bytes
    };
    let mut settings = StdioSettings::new(Arc::new(entropy));
    settings.sharing = program.sharing;
    Kept { stdio: Stdio::new(runner.clone(), path, settings), guard, idle, watched: Arc::default() }
}

impl Kept {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the processes kept under a name end with the agent that used them last: one that is allowed more has a new grant,
    /// and goes on with what it had begun.
    fn watch(&self, key: &Arc<str>, agent: &Agent) {
        let before = self.watched().insert(Arc::clone(key), (agent.clone(), Instant::now()));
        if before.is_some() {
            return;
        }
        let (kept, key) = (self.clone(), Arc::clone(key));
        tokio::spawn(async move {
            while let Some((agent, used)) = kept.last(&key) {
                tokio::select! {
                    () = kept.guard.cut_off(&agent) => {
                        if kept.last(&key).is_some_and(|(last, _)| last.grant == agent.grant) {
                            kept.watched().remove(&key);
                            kept.stdio.end(&key);
                        }
                    }
                    // Whatever was kept has ended by itself long before.
                    () = tokio::time::sleep_until(used + 2 * kept.idle) => {
                        let mut watched = kept.watched();
                        if watched.get(&key).is_some_and(|(_, last)| *last == used) {
                            watched.remove(&key);
                        }
                    }
                }
            }
        });
    }

    fn last(&self, key: &Arc<str>) -> Option<(Agent, Instant)> {
        self.watched().get(key).cloned()
    }
}

impl Service<Request<Body>> for Kept {
    type Response = Response<BridgeBody>;
    type Error = <Stdio as Service<Request<Body>>>::Error;
    type Future = <Stdio as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.stdio, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let extensions = request.extensions();
        let key = match (extensions.get::<AgentKey>(), extensions.get::<Agent>()) {
            (Some(key), Some(agent)) => {
                self.watch(&key.0, agent);
                Arc::clone(&key.0)
            }
            _ => DOOR.into(),
        };
        request.extensions_mut().insert(Caller(key));
        self.stdio.call(request)
    }
}
