//! Signing keys: list, and move them on.

use portcullis_jose::key::Alg;
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::model::{KeyRecord, KeyState};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::{Verdict, Write};
use portcullis_wire::time::UnixTime;

use super::{AdminError, Rows, key_row};
use crate::app::App;
use crate::entropy::EntropyShapes as _;
use crate::keyring;

pub(super) async fn list(app: &App) -> Rows {
    Ok(app.store.keys().await?.iter().map(key_row).collect())
}

/// `next` signs from now on, the old key goes on verifying, and a new `next` is published.
pub(super) async fn rotate(app: &App) -> Rows {
    let algs: Vec<String> = app
        .store
        .keys()
        .await?
        .into_iter()
        .filter(|key| key.state == KeyState::Active)
        .map(|key| key.alg)
        .collect();
    let mut fresh = Vec::new();
    for name in algs {
        let alg = Alg::parse(&name).ok_or(AdminError::Unavailable)?;
        fresh.push(
            keyring::make(alg, KeyState::Next, &app.sealer, app.entropy.bytes(), app.now())
                .map_err(|_| AdminError::Unavailable)?,
        );
    }
    app.settle(|store| store.keys(), |keys, now| moved(keys, &fresh, now)).await??;
    app.reload_keys().await.map_err(|_| AdminError::Unavailable)?;
    list(app).await
}

fn moved(keys: &[KeyRecord], fresh: &[KeyRecord], now: UnixTime) -> Verdict<()> {
    let mut verdict = Verdict::yes(());
    for new in fresh {
        let of = |state| {
            keys.iter().find(|key| key.alg == new.alg && key.state == state).map(|key| key.kid.clone())
        };
        let (Some(active), Some(next)) = (of(KeyState::Active), of(KeyState::Next)) else {
            return Verdict::refuse(Refusal::KeyMoved);
        };
        verdict = verdict
            .writing(Write::MoveKey { kid: active, from: KeyState::Active, to: KeyState::Retired, at: now })
            .writing(Write::MoveKey { kid: next, from: KeyState::Next, to: KeyState::Active, at: now })
            .writing(Write::AddKey(new.clone()));
    }
    verdict.writing(Write::Audit(Event::new(EventKind::KeyRotated, now)))
}
