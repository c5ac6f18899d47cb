//! What a guard needs from outside: the time, the issuer's keys, and what was revoked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use portcullis_jose::claims::AccessClaims;
use portcullis_jose::key::KeySet;
use portcullis_wire::time::UnixTime;

/// A future behind a pointer, so that the ports stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The issuer's public keys.
pub trait Keys: Send + Sync {
    /// The keys as known now. As long as they do not change it should be the same `Arc`: tokens verified under one
    /// set are verified anew under the next. An empty set means "not known yet", and is answered by 503.
    fn keys(&self) -> Arc<KeySet>;

    /// Fetches the keys anew, since a token named one that is not known. Strangers can cause this: whoever implements
    /// it holds a pause between fetches, and returns at once within it.
    fn refresh(&self) -> BoxFuture<'_, ()>;
}

/// What was revoked since a token was made.
pub trait Revocations: Send + Sync {
    /// Whether a cut that the token's `rev` has not seen touches its grant, client, person or key, or its grant has
    /// ended. `kid` is empty for a token that names no key.
    fn is_cut(&self, claims: &AccessClaims, kid: &str) -> bool;

    /// Notes that a good token was used, for those who want to know when an agent was last seen.
    fn used(&self, _claims: &AccessClaims) {}

    /// Whether the answers above are fresh enough to be trusted. One that has heard nothing for longer than its bound
    /// says no, and requests are answered by 503 until it does again.
    fn is_current(&self) -> bool {
        true
    }

    /// Resolves at the first change to the answers above that comes after this call; it may resolve without one. Quiet
    /// streams wait for it, so that a cut ends them at once, and one that says nothing lets them wait for their next event.
    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Tokens without a signature of their own, which only their issuer can read: personal tokens, for scripts.
pub trait OpaqueTokens: Send + Sync {
    /// Whether it has the form of one. Costs next to nothing.
    fn is_one(&self, token: &str) -> bool;

    /// What it stands for now. The claims say until when the answer may be reused (`exp`), which is not for long, and
    /// which revocations it has seen (`rev`).
    ///
    /// # Errors
    /// [`OpaqueFault`].
    fn claims<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<AccessClaims, OpaqueFault>>;
}

/// Why an opaque token was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpaqueFault {
    /// It is not known, has ended, or is for another resource. Which of these is nobody's business.
    Refused,
    /// It cannot be looked up at the moment.
    Unavailable,
}

/// Keys that never change.
#[derive(Clone, Debug)]
pub struct StaticKeys(Arc<KeySet>);

impl StaticKeys {
    /// Of one set.
    pub fn new(keys: KeySet) -> Self {
        Self(Arc::new(keys))
    }
}

impl Keys for StaticKeys {
    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.0)
    }

    fn refresh(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// For an issuer that tells nobody what it revoked: its tokens live until they expire.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn is_cut(&self, _: &AccessClaims, _: &str) -> bool {
        false
    }
}
