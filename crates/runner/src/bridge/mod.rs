//! A stdio server as an upstream: Streamable HTTP on the caller's side (MCP 2025-03-26 to 2026-07-28), lines of
//! JSON-RPC on the server's. It stands behind a door that has proven who calls and judged what is asked.
//!
//! A stdio server knows one session, so each session has a process of its own, or, where the owner says so, all share
//! one. What dies takes its sessions along: the next request is told that its session is gone (404), begins another,
//! and with it another process.

mod exchange;
mod peer;
mod reply;
mod session;
mod text;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

pub use reply::BridgeBody;

use crate::limits;
use crate::link::Runner;
use crate::spec::Sharing;
use peer::Peer;
use session::Session;

/// Who calls: the key of the agent, among the extensions of each request. A request without it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller(pub Arc<str>);

/// Sixteen bytes that nobody can guess.
type Entropy = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;

/// How a [`Stdio`] goes about its sessions.
#[derive(Clone)]
pub struct StdioSettings {
    /// Where session ids come from: sixteen bytes that nobody can guess.
    pub entropy: Entropy,
    /// Who shares a process; as in the server's own [`crate::Server::sharing`].
    pub sharing: Sharing,
    /// Most sessions at once.
    pub sessions: usize,
    /// Most sessions of one caller; one more ends the one unused longest.
    pub sessions_each: usize,
    /// How long the server may say nothing while an answer is awaited.
    pub answer: Duration,
}

impl StdioSettings {
    /// The defaults, with session ids from `entropy`.
    pub fn new(entropy: Entropy) -> Self {
        Self {
            entropy,
            sharing: Sharing::PerAgent,
            sessions: limits::SESSIONS,
            sessions_each: limits::SESSIONS_EACH,
            answer: limits::ANSWER,
        }
    }
}

impl fmt::Debug for StdioSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioSettings")
            .field("sharing", &self.sharing)
            .field("sessions", &self.sessions)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// One stdio server as a service. Cheap to clone; all clones share their sessions, which end with the last of them.
#[derive(Clone)]
pub struct Stdio {
    inner: Arc<Inner>,
}

struct Inner {
    runner: Runner,
    resource: Arc<str>,
    settings: StdioSettings,
    state: Mutex<State>,
    turns: AtomicU64,
    /// Whether the server speaks the revision without sessions, once it was asked.
    stateless: tokio::sync::OnceCell<bool>,
    /// The shared process: one start at a time.
    starting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, Arc<Session>>,
    /// Processes without sessions, by caller.
    alone: HashMap<Arc<str>, Arc<Peer>>,
    /// The process that all share, and its answer to `initialize`.
    shared: Option<(Arc<Peer>, Arc<str>)>,
}

impl Stdio {
    /// The server of this resource in the runner's specification.
    pub fn new(runner: Runner, resource: impl Into<Arc<str>>, settings: StdioSettings) -> Self {
        let inner = Inner {
            runner,
            resource: resource.into(),
            settings,
            state: Mutex::default(),
            turns: AtomicU64::new(0),
            stateless: tokio::sync::OnceCell::new(),
            starting: tokio::sync::Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Ends a caller's sessions and processes at once, as when it was cut off, and tells how many there were. What
    /// it waits for is answered by an error; nobody else notices.
    pub fn end(&self, caller: &str) -> usize {
        let inner = &self.inner;
        let (sessions, alone) = {
            let mut state = inner.state();
            let own = state.sessions.values().filter(|session| &*session.caller == caller);
            (own.cloned().collect::<Vec<_>>(), state.alone.remove(caller))
        };
        if inner.settings.sharing == Sharing::PerAgent {
            inner.runner.end(Some(&inner.resource), caller);
        }
        for session in &sessions {
            inner.end(session);
        }
        if let Some(peer) = &alone {
            peer.stop();
        }
        sessions.len() + usize::from(alone.is_some())
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio").field("resource", &self.inner.resource).finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Stdio
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<BridgeBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn using(&self, session: &Session) {
        session.used.store(self.turns.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A new process for a caller. When it ends, so do its sessions.
    fn peer(self: &Arc<Self>, agent: &str, shared: bool) -> Arc<Peer> {
        let inner = Arc::downgrade(self);
        Peer::start(self.runner.channel(&self.resource, agent), shared, move || {
            if let Some(inner) = inner.upgrade() {
                inner.bury();
            }
        })
    }

    /// Forgets what belongs to processes that have ended.
    fn bury(&self) {
        let mut state = self.state();
        state.alone.retain(|_, peer| peer.closed().is_none());
        if state.shared.as_ref().is_some_and(|(peer, _)| peer.closed().is_some()) {
            state.shared = None;
        }
        state.sessions.retain(|_, session| {
            let lives = session.peer.closed().is_none();
            if !lives {
                session.end();
            }
            lives
        });
    }

    fn end(&self, session: &Session) {
        self.state().sessions.remove(&session.id);
        session.peer.part(&session.id);
        session.end();
        if !session.peer.is_shared() {
            session.peer.stop();
        }
    }

    /// Takes a session in. Too many of one caller end the one unused longest.
    fn admit(&self, session: &Arc<Session>) -> bool {
        let displaced = {
            let mut state = self.state();
            let of = |all: &HashMap<String, Arc<Session>>, caller: Option<&str>| {
                let own = all.values().filter(|one| caller.is_none_or(|caller| *caller == *one.caller));
                (own.clone().count(), own.min_by_key(|one| one.turn()).cloned())
            };
            let (own, oldest) = of(&state.sessions, Some(&session.caller));
            let displaced = match own >= self.settings.sessions_each {
                true => oldest,
                false if state.sessions.len() >= self.settings.sessions => {
                    let (_, oldest) = of(&state.sessions, None);
                    match oldest.filter(|oldest| oldest.stream().is_none() && !oldest.peer.owes(&oldest.id)) {
                        None => return false,
                        unused => unused,
                    }
                }
                false => None,
            };
            state.sessions.insert(session.id.clone(), Arc::clone(session));
            displaced
        };
        if let Some(displaced) = displaced {
            self.end(&displaced);
        }
        true
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let peers = state.sessions.values().map(|session| &session.peer).chain(state.alone.values());
        peers.chain(state.shared.iter().map(|(peer, _)| peer)).for_each(|peer| peer.stop());
    }
}
