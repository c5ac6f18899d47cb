//! Servers that speak the transport of 2024-11-05: one event stream per session, on which everything is answered,
//! and an endpoint that only takes messages. Callers speak Streamable HTTP with sessions to us (MCP 2025-03-26 to
//! 2025-11-25) and notice nothing; those who also know later revisions are told to fall back.

mod events;
mod exchange;
mod session;
mod source;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use tokio::sync::Semaphore;
use tower_service::Service;
use url::Url;

use crate::answer::RelayBody;
use crate::body::BoxError;
use crate::door::AgentKey;
use crate::gateway::{Limits, Relaying};
use crate::reply::Asked;
use crate::settings::{GatewayError, GatewaySettings};
use crate::upstream::Way;

pub(crate) use session::EventStream;
use session::Session;

/// Sixteen bytes that nobody can guess.
type Entropy = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;
/// Tells callers apart by their requests' extensions.
type Holder = Arc<dyn Fn(&Extensions) -> Option<Arc<str>> + Send + Sync>;

/// How a [`LegacySse`] goes about its sessions.
#[derive(Clone)]
pub struct SseSettings {
    /// Where session ids come from: sixteen bytes that nobody can guess.
    pub entropy: Entropy,
    /// Whose a request is. A session serves its own holder only, and nobody holds more than
    /// [`SseSettings::SESSIONS_EACH`]. Without it whoever knows a session's id may use it.
    pub holder: Option<Holder>,
    /// Most sessions at once, each with a connection of its own.
    pub sessions: usize,
    /// Most sessions of one holder; one more ends the one that has been unused longest.
    pub sessions_each: usize,
    /// After how long without a request, and with no open stream, a session ends.
    pub idle: Duration,
}

impl SseSettings {
    /// 256: a connection and an event buffer each.
    pub const SESSIONS: usize = 256;
    /// Sixteen: clients seldom end their sessions, they forget them.
    pub const SESSIONS_EACH: usize = 16;
    /// Ten minutes.
    pub const IDLE: Duration = Duration::from_secs(10 * 60);

    /// The defaults, with session ids from `entropy`.
    pub fn new(entropy: Entropy) -> Self {
        Self {
            entropy,
            holder: None,
            sessions: Self::SESSIONS,
            sessions_each: Self::SESSIONS_EACH,
            idle: Self::IDLE,
        }
    }

    /// With sessions kept per agent, as a door in front names it: by the agent that began the session, also when its
    /// client has a new grant meanwhile. The door's own requests are nobody's.
    #[must_use]
    pub fn per_agent(mut self) -> Self {
        let holder = |extensions: &Extensions| extensions.get::<AgentKey>().map(|key| Arc::clone(&key.0));
        self.holder = Some(Arc::new(holder));
        self
    }
}

impl fmt::Debug for SseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseSettings")
            .field("sessions", &self.sessions)
            .field("sessions_each", &self.sessions_each)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// A proxy in front of one MCP server that speaks the transport of 2024-11-05. It stands where a
/// [`Gateway`](crate::Gateway) stands, and judges nobody either.
///
/// Cheap to clone; all clones share their sessions. Sessions end with the last clone.
#[derive(Clone)]
pub struct LegacySse {
    inner: Arc<Inner>,
}

struct Inner {
    way: Way,
    url: Url,
    limits: Limits,
    largest_event: usize,
    settings: SseSettings,
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    /// Counts uses of sessions, so that the one unused longest is known.
    turns: AtomicU64,
}

impl LegacySse {
    /// A proxy to the event stream at `upstream_url`, such as `http://127.0.0.1:3000/sse`. Of `settings`,
    /// `request_body` is at most what a message may have, and `answer_body` bounds one event.
    ///
    /// # Errors
    /// As [`Gateway::new`](crate::Gateway::new).
    #[expect(clippy::needless_pass_by_value, reason = "settings are handed over, as secrets are")]
    pub fn new(
        upstream_url: &Url,
        settings: GatewaySettings,
        sse: SseSettings,
    ) -> Result<Self, GatewayError> {
        let inner = Inner {
            way: Way::new(upstream_url, &settings)?,
            url: upstream_url.clone(),
            limits: Limits::of(&settings).for_messages(),
            largest_event: usize::try_from(settings.answer_body).unwrap_or(usize::MAX),
            places: Arc::new(Semaphore::new(settings.in_flight.min(Semaphore::MAX_PERMITS))),
            room: Arc::new(Semaphore::new(sse.sessions.min(Semaphore::MAX_PERMITS))),
            settings: sse,
            sessions: Mutex::default(),
            turns: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the sessions of one holder, as when it was cut off, and tells how many there were.
    pub fn end_sessions_of(&self, holder: &str) -> usize {
        let sessions: Vec<_> = self.inner.sessions().values().cloned().collect();
        let own = sessions.iter().filter(|session| session.holder.as_deref() == Some(holder));
        own.inspect(|session| self.inner.end(session)).count()
    }
}

impl fmt::Debug for LegacySse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacySse").field("upstream", &self.inner.way.target.origin()).finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for LegacySse
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<RelayBody>;
    type Error = Infallible;
    type Future = Relaying;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Relaying {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let asked = Asked::of(&parts);
            Ok(inner.answer(parts, body).await.unwrap_or_else(|failed| failed.response(&asked)))
        })
    }
}

impl Inner {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn using(&self, session: &Session) {
        session.used.store(self.turns.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn forget(&self, id: &str) {
        self.sessions().remove(id);
    }

    fn end(&self, session: &Session) {
        self.forget(&session.id);
        session.end();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for session in self.sessions().values() {
            session.end();
        }
    }
}
