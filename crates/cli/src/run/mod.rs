//! The running server: from a plan to a listener that answers, and to its end.

mod announce;
mod body;
pub(crate) mod builtin;
mod listen;
mod routes;
pub(crate) mod stdio;
mod tls;

use std::path::{Path, PathBuf};

use portcullis::home::Home;
use portcullis::running::Running;
use portcullis_fetch::Loopback;
use portcullis_runner::{Runner, Spawned};
use portcullis_server::Settings;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::args::Shared;
use crate::config::{File, Plan, failure, resolve};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, say};

/// Runs until it is told to stop.
pub(crate) async fn run(
    shared: &Shared,
    file: &File,
    source: Option<&Path>,
    spawned: Option<Spawned>,
) -> Outcome {
    // From here on, being told to stop is heard.
    let mut signals = Signals::listen()?;
    let plan = resolve(file, None).map_err(|faults| failure(&faults, source))?;
    let directory = directory(shared, &plan)?;
    let home = Home::open(&directory)?;
    let tls = plan.tls.clone().map(tls::Tls::load).transpose()?;
    let listener = bind(&plan).await?;
    let bound = listener.local_addr().map_err(Failure::ours)?;
    // Port 0 took a free port, and the default issuer names it.
    let plan = resolve(file, Some(bound)).map_err(|faults| failure(&faults, source))?;
    warn(&plan);

    let roots = plan.extra_ca.as_deref().map(tls::certificates).transpose()?.unwrap_or_default();
    let loopback = match plan.settings.insecure_cimd_loopback {
        true => Loopback::AllowPlainAndTls,
        false => Loopback::Refuse,
    };
    let fetch = portcullis_fetch::Settings { extra_roots: roots.clone(), loopback };
    let runner = stdio::start(spawned).await?;
    let running = Running::start(home, None, plan.settings.clone(), fetch).await?;
    let router = routes::router(running.app(), &plan, &roots, runner.as_ref()).await?;

    let (stop, stopped) = watch::channel(false);
    let reload = tls.clone().map(|tls| tls.keep_fresh().map(tokio::spawn)).transpose()?;
    let mut serving = tokio::spawn(listen::serve(listener, tls, router, stopped));
    announce::announce(&running, &plan, bound, Output::new(shared.json)).await;

    tokio::select! {
        () = signals.told() => {}
        _ = &mut serving => return Err(Failure::ours("the listener ended")),
        () = gone(runner.as_ref()) => return Err(Failure::ours("the process that keeps the MCP servers ended")),
    }
    say("stopping: what is under way may finish; a second signal ends it at once");
    stop.send_replace(true);
    tokio::select! {
        _ = serving => {}
        () = signals.told() => {}
    }
    if let Some(reload) = reload {
        reload.abort();
    }
    running.stop().await;
    Ok(Exit::Done)
}

/// What is done before the async runtime exists: see [`stdio::prepare`].
pub(crate) fn prepare(
    shared: &Shared,
    file: &File,
    source: Option<&Path>,
) -> Result<Option<Spawned>, Failure> {
    let plan = resolve(file, None).map_err(|faults| failure(&faults, source))?;
    stdio::prepare(&plan, &directory(shared, &plan)?)
}

fn directory(shared: &Shared, plan: &Plan) -> Result<PathBuf, Failure> {
    match (&shared.data_dir, &plan.data_dir) {
        (None, Some(directory)) => Ok(directory.clone()),
        _ => shared.directory(),
    }
}

async fn gone(runner: Option<&Runner>) {
    match runner {
        Some(runner) => runner.gone().await,
        None => std::future::pending().await,
    }
}

async fn bind(plan: &Plan) -> Result<TcpListener, Failure> {
    let address = plan.listen;
    TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::fixable(format!("cannot listen on `{address}`: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                failure.advise("another program has the port: say `--listen 127.0.0.1:0` for a free one")
            }
            _ => failure,
        }
    })
}

/// What is allowed and yet worth saying.
fn warn(plan: &Plan) {
    let Settings { issuer, trusted_proxies, insecure_cimd_loopback, .. } = &plan.settings;
    if *insecure_cimd_loopback {
        say("INSECURE, for tests only: clients' metadata documents may lie on this computer");
    }
    if let Some(file) = &plan.extra_ca {
        say(&format!(
            "INSECURE, for tests only: the certificate authorities in `{}` are trusted",
            file.display()
        ));
    }
    let open = !plan.listen.ip().is_loopback();
    if open && issuer.is_plain() {
        say(&format!(
            "warning: `{}` can be reached from elsewhere over plain http, though people use `{issuer}`",
            plan.listen
        ));
    }
    if !issuer.is_plain() && plan.tls.is_none() && trusted_proxies.is_empty() {
        say(
            "warning: no proxy is trusted, so that all who come through one count as one source; say `--trusted-proxy`",
        );
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// Until one of them comes.
    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn hear(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::ours(format!("cannot wait for signals: {error}")))
}
