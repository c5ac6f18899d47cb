//! What is done beside the requests: noting which agents were seen, forgetting what is over, rotating keys.

use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::STREAM_LIFE;
use portcullis_rules::audit::AuditKeep;
use portcullis_rules::model::KeyState;
use portcullis_rules::verdict::Write;
use portcullis_rules::{revoke, want};
use portcullis_store::contract::AUDIT_BATCH;
#[cfg(doc)]
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;

use crate::admin::Command;
use crate::app::{App, forgotten};
use crate::door::Want;
use crate::settings::AuditSettings;

/// How often uses are written down. A crash loses at most this much of "last used", nothing else.
const FLUSH: Duration = Duration::from_secs(5);
/// Uses written down in one commit.
const FLUSHED_AT_ONCE: usize = 256;
/// How often refused scopes are noted.
const WANTS: Duration = Duration::from_secs(1);
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
        tokio::join!(self.trail.keep(), self.rounds());
    }

    async fn rounds(&self) {
        let mut flush = tokio::time::interval(FLUSH);
        let mut sweep = tokio::time::interval(SWEEP);
        let mut wants = tokio::time::interval(WANTS);
        loop {
            tokio::select! {
                _ = wants.tick() => self.note_wants().await,
                _ = flush.tick() => {
                    self.cuts.tick();
                    self.trail.count_refusals(false);
                    self.note_seen().await;
                    self.note_uses().await;
                }
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    /// Writes down all that is only in memory: which agents were seen (and ends those they replaced), what they used, what
    /// they were refused, and what they did.
    pub async fn flush(&self) {
        self.note_seen().await;
        self.note_uses().await;
        self.note_wants().await;
        self.trail.count_refusals(true);
        self.trail.write().await;
        self.checkpoint().await;
    }

    /// What was used of the limits that outlive a restart.
    async fn note_uses(&self) {
        let used = self.counters.take_used();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.commit(Vec::new(), vec![Write::AddUses(used.clone())]).await {
            tracing::warn!(%error, "what agents used could not be written down");
            self.counters.give_back(&used);
        }
    }

    /// Scopes that agents were refused for lack of, for their people to see.
    async fn note_wants(&self) {
        for Want { grant, client, scopes } in self.trail.take_wants() {
            let noted = self
                .settle(
                    |store| store.grant_facts(grant, Some(client.clone()), None),
                    |facts, now| want::note(&scopes, facts, &self.settings.catalog, now),
                )
                .await;
            if !matches!(noted, Ok(Ok(()))) {
                tracing::warn!("a scope that an agent wants could not be noted");
            }
        }
    }

    async fn note_seen(&self) {
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

    /// Forgets the oldest of the trail, as far as it need not be kept.
    async fn sweep_trail(&self, now: UnixTime) {
        let AuditSettings { keep, most, .. } = self.settings.audit;
        let keep = AuditKeep { since: Some(now - keep), most };
        loop {
            match self.store.sweep_audit(keep).await {
                Ok(AUDIT_BATCH..) => tokio::task::yield_now().await,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "old rows of the audit trail could not be removed");
                    return;
                }
            }
        }
    }

    /// Forgets what is over, and rotates keys that are old.
    pub async fn sweep(&self) {
        let now = self.now();
        // An open stream may outlive its token, and is asked about until it ends.
        let oldest = forgotten(now) - STREAM_LIFE;
        let oldest = self.cuts.forget(oldest, now.since(oldest));
        self.counters.sweep();
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
        self.checkpoint().await;
        self.sweep_trail(now).await;
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
