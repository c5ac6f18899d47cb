//! Passwords: argon2id in a bounded pool, since each hash takes 19 MiB and 30 ms (threats, control 53).

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use portcullis_rules::model::PasswordHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::Standing;

/// Hashes at work at once.
const AT_ONCE: usize = 2;
/// Hashes that may wait; whoever comes later is told to come back.
const WAITING: usize = 64;
/// Places beyond those, which strangers cannot take from a known browser.
const RESERVED: usize = 16;

/// The pool.
#[derive(Debug)]
pub(crate) struct Passwords {
    work: Arc<Semaphore>,
    places: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
}

/// What is checked where there is no such account, so that the answer takes as long: parameters and lengths of every
/// other hash here, and of no password that anybody knows. What it answers is not looked at.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBvdGhlciBzYWx0IQ$\
                     Q0FOTk9UIEJFIEEgSEFTSCBPRiBBTllUSElORyBBVCA";

/// The pool is full, or the hasher failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overloaded;

fn hash(password: &[u8], salt: &[u8]) -> Result<PasswordHash, Overloaded> {
    // Parameters: OWASP's default for argon2id, m = 19 MiB, t = 2, p = 1.
    let hash = Argon2::default().hash_password_with_salt(password, salt).map_err(|_| Overloaded)?;
    Ok(PasswordHash::new(hash.to_string()))
}

impl Passwords {
    /// The pool, empty.
    pub(crate) fn new() -> Self {
        Self {
            work: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            reserved: Arc::new(Semaphore::new(RESERVED)),
        }
    }

    fn place(&self, standing: Standing) -> Result<OwnedSemaphorePermit, Overloaded> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        match standing {
            Standing::Known => place.or_else(|_| Arc::clone(&self.reserved).try_acquire_owned()),
            Standing::Stranger => place,
        }
        .map_err(|_| Overloaded)
    }

    async fn run<T: Send + 'static>(
        &self,
        standing: Standing,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let place = self.place(standing)?;
        let turn = Arc::clone(&self.work).acquire_owned().await.map_err(|_| Overloaded)?;
        // The work goes on when its caller hangs up, and keeps its place and its turn for as long.
        let work = move || {
            let _held = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Overloaded)
    }

    /// Hashes a new password. Whoever sets one is known already: by a session, by a link, or as an administrator.
    pub(crate) async fn hash(&self, password: String, salt: [u8; 16]) -> Result<PasswordHash, Overloaded> {
        self.run(Standing::Known, move || hash(password.as_bytes(), &salt)).await?
    }

    /// Whether `password` is the one behind `hash`; without a hash it takes as long and is no.
    pub(crate) async fn matches(
        &self,
        password: String,
        hash: Option<PasswordHash>,
        standing: Standing,
    ) -> Result<bool, Overloaded> {
        let (hash, real) = match hash {
            Some(hash) => (hash, true),
            None => (PasswordHash::new(DECOY.to_owned()), false),
        };
        self.run(standing, move || {
            Argon2::default().verify_password(password.as_bytes(), hash.expose()).is_ok() && real
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn t_enum_a_password_is_checked_against_its_hash_and_an_unknown_account_is_no() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into(), [1; 16]).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        for (password, hash, expected) in [
            ("correct horse battery", Some(hash.clone()), true),
            ("wrong", Some(hash), false),
            ("wrong", None, false),
        ] {
            let got = passwords.matches(password.into(), hash, Standing::Stranger).await.unwrap();
            assert_eq!(got, expected, "{password}");
        }
    }

    #[test]
    fn t_enum_the_decoy_is_a_hash_that_is_really_worked_through() {
        let told = Argon2::default().verify_password(b"anything", DECOY);
        assert!(matches!(told, Err(argon2::password_hash::Error::PasswordInvalid)), "{told:?}");
    }

    #[tokio::test]
    async fn t_flood_strangers_leave_places_for_the_known() {
        let passwords = Passwords::new();
        let mut taken = Vec::new();
        while let Ok(place) = passwords.place(Standing::Stranger) {
            taken.push(place);
        }
        assert_eq!(taken.len(), AT_ONCE + WAITING);
        assert!(passwords.matches("wrong".into(), None, Standing::Stranger).await.is_err());
        assert!(passwords.matches("wrong".into(), None, Standing::Known).await.is_ok());
        let known: Vec<_> = (0..=RESERVED).map(|_| passwords.place(Standing::Known).ok()).collect();
        assert_eq!(known.iter().flatten().count(), RESERVED, "and these end, too");
    }

    #[tokio::test]
    async fn t_flood_hanging_up_starts_no_more_hashes_than_may_run_at_once() {
        let passwords = Passwords::new();
        let (finish, wait) = std::sync::mpsc::channel::<()>();
        {
            let mut given_up = pin!(passwords.run(Standing::Stranger, move || wait.recv().is_ok()));
            let polled = poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        assert_eq!(passwords.work.available_permits(), AT_ONCE - 1, "it still works");
        finish.send(()).unwrap();
        let all = passwords.work.acquire_many(u32::try_from(AT_ONCE).unwrap()).await;
        assert!(all.is_ok(), "and gives its turn back");
    }
}
