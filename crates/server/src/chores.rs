//! What is done beside the requests: noting which agents were seen, forgetting what is over, rotating keys.

use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::STREAM_LIFE;
use portcullis_rules::model::KeyState;
use portcullis_rules::revoke;
#[cfg(doc)]
use portcullis_wire::limit;

use crate::admin::Command;
use crate::app::{App, forgotten};

/// How often uses are written down. A crash loses at most this much of "last used", nothing else.
const FLUSH: Duration = Duration::from_secs(5);
/// Uses written down in one commit.
const FLUSHED_AT_ONCE: usize = 256;
/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// How old a signing key gets before it is rotated by itself.
const KEY_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Registrations without a grant that are kept at the most, whatever their age: at [`limit::REGISTRATION_BODY`] each
/// they are 100 MB that strangers can fill.
const UNUSED_CLIENTS: u64 = 20_000;

impl App {
    /// Runs until it is dropped.
    pub async fn chores(self: Arc<Self>) {
        let mut flush = tokio::time::interval(FLUSH);
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                _ = flush.tick() => {
                    self.cuts.tick();
                    self.flush().await;
                }
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    /// Writes down which agents were seen, and ends those they replaced.
    pub async fn flush(&self) {
        for seen in self.cuts.take_seen().chunks(FLUSHED_AT_ONCE) {
            let mut writes = Vec::new();
            for (grant, at) in seen {
                if let Ok(facts) = self.store.grant_facts(*grant, None, None).await {
                    writes.extend(revoke::seen(*grant, &facts, *at).writes);
                }
            }
            if let Err(error) = self.store.commit(Vec::new(), writes).await {
                tracing::warn!(%error, "the last use of some agents could not be written down")
            }
        }
    }

    /// Forgets what is over, and rotates keys that are old.
    pub async fn sweep(&self) {
        let now = self.now();
        // An open stream may outlive its token, and is asked about until it ends.
        let oldest = forgotten(now) - STREAM_LIFE;
        self.cuts.forget(oldest);
        loop {
            match self.store.sweep(now, oldest, UNUSED_CLIENTS).await {
                Ok(swept) if swept.more() => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "what is over could not be forgotten");
                    break;
                }
            }
        }
        let Ok(keys) = self.store.keys().await else { return };
        // A retired key that has served its time goes; and so does what a rotation that was cut short left behind.
        if let Err(error) = self.follow_keys(&keys) {
            tracing::error!(%error, "the signing keys could not be read again");
        }
        if keys.iter().any(|key| key.state == KeyState::Active && key.changed_at + KEY_LIFE <= now)
            && self.administer(Command::KeyRotate).await.is_err()
        {
            tracing::warn!("the signing keys could not be rotated");
        }
    }
}
