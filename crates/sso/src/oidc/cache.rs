//! What is remembered of one provider. Each cache belongs to one relying party, so that two issuers never share one.

use std::sync::Arc;
use std::time::Duration;

use portcullis_wire::time::UnixTime;
use tokio::sync::Mutex;

use crate::Fault;

/// How long discovery and keys are taken as read.
pub(crate) const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long a failure is told again without asking, so that a provider that hangs costs no more than one wait.
pub(crate) const FAILED: Duration = Duration::from_secs(10);
/// How often keys may be fetched anew for a key nobody knows.
pub(crate) const ROTATION: Duration = Duration::from_secs(30);

/// One thing fetched, by one fetch at a time.
pub(crate) struct Cache<T> {
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    found: Option<Found<T>>,
    failed: Option<(Fault, UnixTime)>,
}

/// What was fetched, and when.
pub(crate) struct Found<T> {
    pub(crate) value: Arc<T>,
    pub(crate) at: UnixTime,
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), at: self.at }
    }
}

/// Whether less than `time` has passed from `then` to `now`; a clock that went back counts as passed.
fn within(now: UnixTime, then: UnixTime, time: Duration) -> bool {
    then <= now && now.since(then) < time
}

impl<T> Cache<T> {
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(Slot { found: None, failed: None }) }
    }

    /// What is known and was fetched within `life`, else what `fetch` brings. Whoever comes meanwhile waits for the
    /// same fetch, and shares its failure.
    pub(crate) async fn get<F>(&self, now: UnixTime, life: Duration, fetch: F) -> Result<Found<T>, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut slot = self.slot.lock().await;
        if let Some(found) = slot.found.as_ref().filter(|found| within(now, found.at, life)) {
            return Ok(found.clone());
        }
        if let Some((fault, at)) = &slot.failed
            && within(now, *at, FAILED)
        {
            return Err(fault.clone());
        }
        match fetch.await {
            Ok(value) => {
                let found = Found { value: Arc::new(value), at: now };
                *slot = Slot { found: Some(found.clone()), failed: None };
                Ok(found)
            }
            Err(fault) => {
                slot.failed = Some((fault.clone(), now));
                Err(fault)
            }
        }
    }

    /// Forgets a failure and what is known: an administrator looks.
    pub(crate) async fn forget(&self) {
        *self.slot.lock().await = Slot { found: None, failed: None };
    }
}
