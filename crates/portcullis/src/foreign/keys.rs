//! The keys of a foreign issuer: fetched when first needed, again when a token names one that is not known, and now
//! and then besides. Strangers can cause a fetch by inventing key names, so there is a pause between two; and one
//! fetch serves all who wait.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_fetch::{Fetcher, Limits};
use portcullis_guard::{BoxFuture, Clock, Keys};
use portcullis_jose::key::KeySet;
use portcullis_wire::digest::Digest;
use portcullis_wire::resource::Issuer;
use portcullis_wire::time::UnixTime;
use tokio::sync::Mutex;
use url::Url;

use super::discovery::jwks_uri;

/// Least time between two fetches that a request can cause.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// Keys are fetched anew after this, so that one the issuer withdrew does not count for ever.
pub const KEYS_AGE: Duration = Duration::from_secs(10 * 60);

/// The keys of one issuer, by its metadata. Cheap to clone.
#[derive(Clone)]
pub struct RemoteKeys {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: Issuer,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<KeySet>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    place: Option<Url>,
    tried: Option<UnixTime>,
    digest: Option<Digest>,
}

impl RemoteKeys {
    /// None known yet.
    pub fn new(issuer: Issuer, fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        let known = RwLock::new(Arc::new(KeySet::default()));
        Self { inner: Arc::new(Inner { issuer, fetcher, clock, known, state: Mutex::default() }) }
    }

    /// Fetches them anew every [`KEYS_AGE`], for as long as somebody holds them.
    pub(super) fn keep_fresh(&self) {
        let weak = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEYS_AGE).await;
                let Some(inner) = weak.upgrade() else { return };
                inner.refresh().await;
            }
        });
    }
}

impl Keys for RemoteKeys {
    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.inner.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn refresh(&self) -> BoxFuture<'_, ()> {
        // In a task of its own: who asks may go away, and then the next would find the pause and no keys.
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            if tokio::spawn(async move { inner.refresh().await }).await.is_err() {
                tracing::error!("fetching an issuer's keys failed");
            }
        })
    }
}

impl Inner {
    async fn refresh(&self) {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        // A clock that was set back must not lengthen the pause.
        if state.tried.is_some_and(|tried| tried <= now && now.since(tried) < REFRESH_PAUSE) {
            return;
        }
        state.tried = Some(now);
        if let Err(why) = self.fetch(&mut state).await {
            state.place = None;
            tracing::warn!(issuer = %self.issuer, %why, "the keys of the issuer were not fetched");
        }
    }

    async fn fetch(&self, state: &mut State) -> Result<(), String> {
        let place = match &state.place {
            Some(place) => place.clone(),
            None => jwks_uri(&self.issuer, &self.fetcher).await.map_err(|error| error.to_string())?,
        };
        let document =
            self.fetcher.fetch(&place, Limits::KEY_SET).await.map_err(|error| error.to_string())?;
        state.place = Some(place);
        let digest = Digest::of(&document.body);
        if state.digest == Some(digest) {
            return Ok(()); // the same set: tokens verified under it stay remembered
        }
        let keys = KeySet::parse(&document.body).map_err(|error| error.to_string())?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        state.digest = Some(digest);
        Ok(())
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}
