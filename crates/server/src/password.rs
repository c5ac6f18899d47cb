//! Passwords: argon2id in a bounded pool, since each hash takes 19 MiB and 30 ms (threats, control 53).

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use portcullis_rules::model::PasswordHash;
use tokio::sync::Semaphore;

/// Hashes at work at once.
const AT_ONCE: usize = 2;
/// Hashes that may wait; whoever comes later is told to come back.
const WAITING: usize = 64;

/// The pool.
#[derive(Debug)]
pub(crate) struct Passwords {
    work: Semaphore,
    places: Semaphore,
    decoy: PasswordHash,
}

/// The pool is full, or the hasher failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overloaded;

fn hash(password: &[u8], salt: &[u8]) -> Result<PasswordHash, Overloaded> {
    // Parameters: OWASP's default for argon2id, m = 19 MiB, t = 2, p = 1.
    let hash = Argon2::default().hash_password_with_salt(password, salt).map_err(|_| Overloaded)?;
    Ok(PasswordHash::new(hash.to_string()))
}

impl Passwords {
    /// `decoy` is checked where there is no such account, so that the answer takes as long.
    pub(crate) fn new(salt: [u8; 16]) -> Result<Self, Overloaded> {
        Ok(Self {
            work: Semaphore::new(AT_ONCE),
            places: Semaphore::new(AT_ONCE + WAITING),
            decoy: hash(&salt, &salt)?,
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let _place = self.places.try_acquire().map_err(|_| Overloaded)?;
        let _turn = self.work.acquire().await.map_err(|_| Overloaded)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Overloaded)
    }

    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: String, salt: [u8; 16]) -> Result<PasswordHash, Overloaded> {
        self.run(move || hash(password.as_bytes(), &salt)).await?
    }

    /// Whether `password` is the one behind `hash`; without a hash it takes as long and is no.
    pub(crate) async fn matches(
        &self,
        password: String,
        hash: Option<PasswordHash>,
    ) -> Result<bool, Overloaded> {
        let (hash, real) = match hash {
            Some(hash) => (hash, true),
            None => (self.decoy.clone(), false),
        };
        self.run(move || {
            Argon2::default().verify_password(password.as_bytes(), hash.expose()).is_ok() && real
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t_enum_a_password_is_checked_against_its_hash_and_an_unknown_account_is_no() {
        let passwords = Passwords::new([7; 16]).unwrap();
        let hash = passwords.hash("correct horse battery".into(), [1; 16]).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.matches("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches("wrong".into(), Some(hash)).await.unwrap());
        assert!(!passwords.matches("wrong".into(), None).await.unwrap());
    }
}
