//! Signing keys: list, and move them on.

use std::time::Duration;

use portcullis_jose::key::Alg;
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::model::{CutTarget, KeyRecord, KeyState};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::settings::LONGEST_ACCESS_TOKEN;
use portcullis_rules::verdict::{Verdict, Write};
use portcullis_wire::time::UnixTime;

use super::{AdminError, Rows, key_row};
use crate::app::{App, forgotten};
use crate::endpoint::documents::DOCUMENT_LIFE;
use crate::entropy::EntropyShapes as _;
use crate::keyring::{self, is_live};
use crate::view::rfc3339;

pub(super) async fn list(app: &App) -> Rows {
    Ok(app.store.keys().await?.iter().map(key_row).collect())
}

/// Retired keys of one algorithm that may still verify at once: with two algorithms, and what signs and is next, well
/// below [`limit::JWKS_KEYS`](portcullis_wire::limit::JWKS_KEYS).
const RETIRED_KEYS: usize = 8;

/// Refuses a rotation that would do harm: to a `next` that verifiers cannot have seen yet, since they may keep the
/// published keys for [`DOCUMENT_LIFE`] seconds, or beyond what can be published. The keys of a first start were
/// published together, so the first rotation never waits.
fn fits(keys: &[KeyRecord], now: UnixTime) -> Result<(), AdminError> {
    for next in keys.iter().filter(|key| key.state == KeyState::Next) {
        let others = || keys.iter().filter(|key| key.alg == next.alg && key.kid != next.kid);
        let seen_by_all = next.created_at + Duration::from_secs(DOCUMENT_LIFE);
        if seen_by_all > now && others().any(|key| key.created_at < next.created_at) {
            return Err(AdminError::Invalid(format!(
                "the next key was published less than {DOCUMENT_LIFE} seconds ago, and verifiers may not have seen \
                 it; rotate after {}",
                rfc3339(seen_by_all)
            )));
        }
        let retired = |key: &&KeyRecord| key.state == KeyState::Retired && is_live(key, forgotten(now));
        if others().filter(retired).count() >= RETIRED_KEYS {
            return Err(AdminError::Invalid(format!(
                "{RETIRED_KEYS} retired keys still verify tokens; the oldest goes {} hours after it was retired",
                LONGEST_ACCESS_TOKEN.as_secs() / 3600
            )));
        }
    }
    Ok(())
}

/// `next` signs from now on, the old key goes on verifying, and a new `next` is published.
pub(super) async fn rotate(app: &App) -> Rows {
    let keys = app.store.keys().await?;
    fits(&keys, app.now())?;
    let algs: Vec<String> =
        keys.into_iter().filter(|key| key.state == KeyState::Active).map(|key| key.alg).collect();
    let mut fresh = Vec::new();
    for name in algs {
        let alg = Alg::parse(&name).ok_or(AdminError::Unavailable)?;
        fresh.push(
            keyring::make(alg, KeyState::Next, &app.sealer, app.entropy.bytes(), app.now())
                .map_err(|_| AdminError::Unavailable)?,
        );
    }
    app.settle(|store| store.keys(), |keys, now| moved(keys, &fresh, now)).await??;
    let rows = app.store.keys().await?;
    app.follow_keys(&rows).map_err(|_| AdminError::Unavailable)?;
    Ok(rows.iter().map(key_row).collect())
}

/// A key that must not be trusted any more: every token it signed is refused from now on, and if it was the signing one,
/// the next takes its place at once, however lately it was published.
pub(super) async fn revoke(app: &App, kid: &str) -> Rows {
    let keys = app.store.keys().await?;
    let known = keys.iter().find(|key| key.kid == kid);
    let known = known.ok_or_else(|| {
        AdminError::Invalid(format!("there is no key `{kid}`; `portcullis keys list` shows them"))
    })?;
    let alg = Alg::parse(&known.alg).ok_or(AdminError::Unavailable)?;
    let fresh = keyring::make(alg, KeyState::Next, &app.sealer, app.entropy.bytes(), app.now())
        .map_err(|_| AdminError::Unavailable)?;
    app.settle(|store| store.keys(), |keys, now| revoked(keys, kid, &fresh, now)).await??;
    let rows = app.store.keys().await?;
    app.follow_keys(&rows).map_err(|_| AdminError::Unavailable)?;
    Ok(rows.iter().map(key_row).collect())
}

fn revoked(keys: &[KeyRecord], kid: &str, fresh: &KeyRecord, now: UnixTime) -> Verdict<()> {
    let Some(key) = keys.iter().find(|key| key.kid == kid) else { return Verdict::refuse(Refusal::KeyMoved) };
    let moved = |kid: &str, from, to| Write::MoveKey { kid: kid.to_owned(), from, to, at: now };
    let mut verdict = Verdict::yes(());
    match key.state {
        KeyState::Revoked => return verdict,
        KeyState::Retired => {}
        KeyState::Next => verdict = verdict.writing(Write::AddKey(fresh.clone())),
        KeyState::Active => {
            let next = keys.iter().find(|other| other.alg == key.alg && other.state == KeyState::Next);
            let Some(next) = next else { return Verdict::refuse(Refusal::KeyMoved) };
            verdict = verdict
                .writing(moved(&next.kid, KeyState::Next, KeyState::Active))
                .writing(Write::AddKey(fresh.clone()));
        }
    }
    verdict
        .writing(moved(kid, key.state, KeyState::Revoked))
        .writing(Write::Cut(CutTarget::Key(kid.to_owned()), now))
        .writing(Write::Audit(Event::new(EventKind::KeyRevoked, now)))
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

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn key(kid: usize, state: KeyState, created: u64, changed: u64) -> KeyRecord {
        KeyRecord {
            kid: kid.to_string(),
            alg: "ES256".to_owned(),
            sealed: Vec::new(),
            state,
            created_at: START + Duration::from_secs(created),
            changed_at: START + Duration::from_secs(changed),
        }
    }

    #[test]
    fn a_key_signs_only_once_every_verifier_can_have_seen_it() {
        let at = |seconds| START + Duration::from_secs(seconds);
        let first = [key(0, KeyState::Active, 0, 0), key(1, KeyState::Next, 0, 0)];
        assert!(fits(&first, at(0)).is_ok(), "both were published together");
        let second = [
            key(0, KeyState::Retired, 0, 10),
            key(1, KeyState::Active, 0, 10),
            key(2, KeyState::Next, 10, 10),
        ];
        assert!(matches!(fits(&second, at(10 + DOCUMENT_LIFE - 1)), Err(AdminError::Invalid(_))));
        assert!(fits(&second, at(10 + DOCUMENT_LIFE)).is_ok());
    }

    #[test]
    fn retired_keys_never_crowd_out_the_living() {
        let mut keys = vec![key(0, KeyState::Active, 0, 0), key(1, KeyState::Next, 0, 0)];
        keys.extend((2..).take(RETIRED_KEYS - 1).map(|kid| key(kid, KeyState::Retired, 0, 0)));
        let now = START + Duration::from_secs(DOCUMENT_LIFE);
        assert!(fits(&keys, now).is_ok());
        keys.push(key(99, KeyState::Retired, 0, 0));
        assert!(matches!(fits(&keys, now), Err(AdminError::Invalid(_))));
        assert!(fits(&keys, now + LONGEST_ACCESS_TOKEN).is_ok(), "those have served their time");
    }
}
