//! Signed statements of how far the audit trail reached, so that who copies one can tell whether what lies before it was
//! changed since.

use std::sync::atomic::Ordering;

use portcullis_jose::jws::{self, Profile};
use portcullis_jose::key::{Alg, KeySet};
use portcullis_rules::audit::{CheckpointClaims, checkpoint_claims};
use portcullis_rules::model::KeyState;
use portcullis_rules::verdict::Write;
use portcullis_store::StoreError;
use portcullis_wire::time::UnixTime;

use crate::app::App;
use crate::keyring;

/// The `typ` of a checkpoint: never taken for a token, nor a token for it (RFC 8725 §3.11).
const TYP: &str = "portcullis-checkpoint+jwt";

/// Every key that has ever signed here. A revoked one counts for what says that it was signed before it was revoked; whoever
/// stole it can write an earlier date, so that a head kept elsewhere (`--expect-head`) is worth more than its signature.
pub(crate) struct CheckpointKeys(Vec<(KeySet, Option<UnixTime>)>);

impl CheckpointKeys {
    /// What a checkpoint's signature is over, if it is one of ours.
    pub(crate) fn read(&self, text: &str) -> Option<CheckpointClaims> {
        let profile = Profile { typ: &[TYP], algs: &[Alg::Es256] };
        self.0.iter().find_map(|(keys, revoked)| {
            let claims = jws::verify::<CheckpointClaims>(text, &profile, keys).ok()?.claims;
            revoked.is_none_or(|at| claims.iat <= at.seconds()).then_some(claims)
        })
    }
}

impl App {
    /// Signs how far the trail reaches, if it has grown since the last time. What goes wrong is logged and tried again.
    pub(crate) async fn checkpoint(&self) {
        let head = match self.store.audit_head().await {
            Ok(head) if head.seq > self.signed_up_to.load(Ordering::Acquire) => head,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "the audit trail could not be signed");
                return;
            }
        };
        // An earlier run may have signed this very row.
        if self.store.checkpoints(head.seq, 1).await.is_ok_and(|signed| !signed.is_empty()) {
            self.signed_up_to.store(head.seq, Ordering::Release);
            return;
        }
        let claims = checkpoint_claims(self.settings.issuer.as_str(), &head, self.now(), &[]);
        let Some(Ok(signature)) = self.keyring.load().signer(false).map(|key| key.sign(TYP, &claims)) else {
            tracing::error!("there is no key to sign the audit trail with");
            return;
        };
        match self.store.commit(Vec::new(), vec![Write::Checkpoint(claims.signed(signature))]).await {
            Ok(_) => self.signed_up_to.store(head.seq, Ordering::Release),
            Err(error) => tracing::warn!(%error, "the audit trail could not be signed"),
        }
    }

    /// The keys to verify checkpoints with.
    ///
    /// # Errors
    /// [`StoreError`]. A key that does not open is left out: what it signed counts as unsigned.
    pub(crate) async fn checkpoint_keys(&self) -> Result<CheckpointKeys, StoreError> {
        let rows = self.store.keys().await?;
        let keys = rows.iter().filter_map(|row| {
            let keys = KeySet::from_keys([keyring::verifying(row, &self.sealer)?]).ok()?;
            Some((keys, (row.state == KeyState::Revoked).then_some(row.changed_at)))
        });
        Ok(CheckpointKeys(keys.collect()))
    }
}
