//! What is remembered between the way out to a provider and the way back: sealed, in the store, for ten minutes, under
//! a handle that is good once and for one browser.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_rules::federation::{self, Handoff};
use portcullis_rules::refusal::Refusal;
#[cfg(feature = "saml")]
use portcullis_rules::verdict::Verdict;
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::CommitError;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::arrival::KeptPresented;
use crate::app::{App, Unavailable};
use crate::entropy::EntropyShapes as _;
use crate::ticket::Behind;

/// How long somebody may take at a provider (threats, control 12).
pub(crate) const HANDOFF_LIFE: Duration = Duration::from_secs(10 * 60);

const CONTEXT: &[u8] = b"handoff\0";

/// What is remembered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The provider's name: it comes back to an address of its own (threats, control 13).
    pub(crate) provider: String,
    /// The provider itself: a name may be given to another while somebody is away.
    pub(crate) issuer: String,
    /// The digest of the cookie of the browser that went, in base64url.
    pub(crate) browser: String,
    /// What waits behind the sign-in.
    pub(crate) behind: Option<Behind>,
    /// Only who proves themselves later than this to the provider counts.
    pub(crate) again_since: Option<UnixTime>,
    /// The trial it belongs to; nobody is signed in by one.
    pub(crate) trial: Option<String>,
    /// Where on the way.
    pub(crate) step: Step,
}

/// Where on the way somebody is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(crate) enum Step {
    /// At an OpenID provider.
    Oidc {
        /// What its ID token must repeat.
        nonce: String,
        /// For PKCE.
        verifier: String,
    },
    /// At a SAML identity provider.
    #[cfg(feature = "saml")]
    Saml {
        /// What its response must answer.
        request: String,
    },
    /// Back, with a response that was verified; the browser has yet to be looked at.
    Done {
        /// Who it is about.
        presented: KeptPresented,
    },
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({})", self.provider)
    }
}

/// A fresh random text of 256 bits: a handle, a nonce, a verifier (RFC 7636 §4.1).
pub(crate) fn state_text(app: &App) -> String {
    base64url::encode(&app.entropy.bytes::<32>())
}

fn context(digest: &Digest) -> Vec<u8> {
    [CONTEXT, digest.as_bytes()].concat()
}

/// Puts it under `handle`; refused while too many are away.
pub(crate) async fn put(app: &App, handle: &str, kept: &Kept) -> Result<Result<(), Refusal>, Unavailable> {
    let row = sealed(app, handle, kept);
    app.settle(|store| store.handoff(row.digest), |_, _| federation::hand_off(row.clone())).await
}

/// Takes one, and puts what became of it under another handle; refused when it was taken meanwhile.
#[cfg(feature = "saml")]
pub(crate) async fn exchange(
    app: &App,
    taken: Digest,
    handle: &str,
    kept: &Kept,
) -> Result<Result<(), Refusal>, Unavailable> {
    let row = sealed(app, handle, kept);
    app.settle(
        |store| store.handoff(taken),
        |found, _| match found {
            Some(_) => federation::hand_off(row.clone()).writing(Write::TakeHandoff(taken)),
            None => Verdict::refuse(Refusal::FormSpent),
        },
    )
    .await
}

fn sealed(app: &App, handle: &str, kept: &Kept) -> Handoff {
    let digest = Digest::of(handle.as_bytes());
    let plain = serde_json::to_vec(kept).unwrap_or_default();
    let sealed = app.sealer.seal(&context(&digest), app.entropy.bytes(), &plain);
    Handoff { digest, sealed, until: app.now() + HANDOFF_LIFE }
}

/// What lies under a handle that somebody brings, if anything does and it is not too old.
pub(crate) async fn open(app: &App, handle: &str) -> Result<Option<(Digest, Kept)>, Unavailable> {
    let digest = Digest::of(handle.as_bytes());
    let Some(row) = app.store.handoff(digest).await? else { return Ok(None) };
    if row.until <= app.now() {
        return Ok(None);
    }
    let kept =
        app.sealer.open(&context(&digest), &row.sealed).and_then(|plain| serde_json::from_slice(&plain).ok());
    Ok(kept.map(|kept| (digest, kept)))
}

/// Takes it: nobody goes on with that handle. False if it was taken meanwhile.
pub(crate) async fn take(app: &App, digest: Digest, also: Vec<Write>) -> Result<bool, Unavailable> {
    let mut writes = vec![Write::TakeHandoff(digest)];
    writes.extend(also);
    match app.store.commit(Vec::<Expect>::new(), writes).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

/// Who is being looked at, back from a provider. A browser that comes back twice at once is looked at once: the second
/// must not spoil for the first what only one of them can redeem.
#[derive(Default)]
pub(crate) struct Returning(Mutex<HashSet<[u8; 32]>>);

/// The turn of one who came back.
pub(crate) struct Turn<'a> {
    all: &'a Returning,
    digest: [u8; 32],
}

impl Returning {
    /// Begins to look; none while somebody of the same handle is looked at.
    pub(crate) fn enter(&self, digest: &Digest) -> Option<Turn<'_>> {
        let digest = *digest.as_bytes();
        let is_first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        // Made only for the first: when it is dropped, the handle is free again.
        is_first.then(|| Turn { all: self, digest })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_once_who_comes_back_twice_at_once_is_looked_at_once() {
        let returning = Returning::default();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let turn = returning.enter(&one);
        assert!(turn.is_some() && returning.enter(&one).is_none() && returning.enter(&one).is_none());
        assert!(returning.enter(&other).is_some());
        drop(turn);
        assert!(returning.enter(&one).is_some());
    }
}
