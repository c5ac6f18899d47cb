//! The signing keys in memory: next → active → retired → gone. `next` is published before it signs, so that a
//! rotation is a pointer flip and nobody meets a key they never saw.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use portcullis_guard::{BoxFuture, Keys};
use portcullis_jose::key::{Alg, Jwks, KeySet, SigningKey, VerifyingKey};
use portcullis_jose::seal::Sealer;
use portcullis_rules::model::{KeyRecord, KeyState};
use portcullis_wire::time::UnixTime;

/// What the server signs and verifies with at one moment.
pub(crate) struct Ring {
    es256: Option<Arc<SigningKey>>,
    rs256: Option<Arc<SigningKey>>,
    verifying: Arc<KeySet>,
    /// The rows it was opened from.
    rows: Vec<(String, KeyState)>,
    /// The published document, rendered once.
    pub(crate) jwks: Bytes,
}

/// The ring in use; swapped whole.
pub(crate) struct Keyring(ArcSwap<Ring>);

/// A key that cannot be opened or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The sealed key does not open: the master key is not the one it was sealed under.
    #[error("a signing key cannot be opened: the master key is not the one the database was made with")]
    Sealed,
    /// The key is broken, or could not be made.
    #[error("a signing key is broken or could not be made")]
    Broken,
}

fn context(kid: &str) -> Vec<u8> {
    format!("signing key:{kid}").into_bytes()
}

/// Makes a key, sealed for its row.
pub(crate) fn make(
    alg: Alg,
    state: KeyState,
    sealer: &Sealer,
    nonce: [u8; 12],
    now: UnixTime,
) -> Result<KeyRecord, KeyringError> {
    let key = SigningKey::generate(alg).map_err(|_| KeyringError::Broken)?;
    let der = key.to_pkcs8().map_err(|_| KeyringError::Broken)?;
    let kid = key.kid().to_owned();
    let sealed = sealer.seal(&context(&kid), nonce, &der);
    Ok(KeyRecord { kid, alg: alg.as_str().to_owned(), sealed, state, created_at: now, changed_at: now })
}

/// The public half of a key, whatever its state; none if it does not open.
pub(crate) fn verifying(row: &KeyRecord, sealer: &Sealer) -> Option<VerifyingKey> {
    let der = sealer.open(&context(&row.kid), &row.sealed)?;
    SigningKey::from_pkcs8(Alg::parse(&row.alg)?, &der).ok()?.verifying_key().ok()
}

/// Whether a key signs or verifies anything. Retired ones do until `forget`: tokens older than that have expired.
pub(crate) fn is_live(row: &KeyRecord, forget: UnixTime) -> bool {
    match row.state {
        KeyState::Next | KeyState::Active => true,
        KeyState::Retired => row.changed_at > forget,
        KeyState::Revoked => false,
    }
}

fn live(rows: &[KeyRecord], forget: UnixTime) -> impl Iterator<Item = (&str, KeyState)> {
    rows.iter().filter(move |row| is_live(row, forget)).map(|row| (row.kid.as_str(), row.state))
}

impl Ring {
    /// Opens the rows that are live.
    pub(crate) fn open(rows: &[KeyRecord], sealer: &Sealer, forget: UnixTime) -> Result<Self, KeyringError> {
        let (mut es256, mut rs256, mut verifying, mut published) = (None, None, Vec::new(), Vec::new());
        for row in rows.iter().filter(|row| is_live(row, forget)) {
            let alg = Alg::parse(&row.alg).ok_or(KeyringError::Broken)?;
            let der = sealer.open(&context(&row.kid), &row.sealed).ok_or(KeyringError::Sealed)?;
            let key = SigningKey::from_pkcs8(alg, &der).map_err(|_| KeyringError::Broken)?;
            verifying.push(key.verifying_key().map_err(|_| KeyringError::Broken)?);
            published.push(key.public_jwk());
            if row.state == KeyState::Active {
                match alg {
                    Alg::Es256 => es256 = Some(Arc::new(key)),
                    _ => rs256 = Some(Arc::new(key)),
                }
            }
        }
        let jwks = serde_json::to_vec(&Jwks { keys: published }).map_err(|_| KeyringError::Broken)?;
        let verifying = Arc::new(KeySet::from_keys(verifying).map_err(|_| KeyringError::Broken)?);
        let rows = live(rows, forget).map(|(kid, state)| (kid.to_owned(), state)).collect();
        Ok(Self { es256, rs256, verifying, rows, jwks: jwks.into() })
    }

    /// Whether it is what [`open`](Self::open) would make of these rows.
    pub(crate) fn holds(&self, rows: &[KeyRecord], forget: UnixTime) -> bool {
        self.rows.iter().map(|(kid, state)| (kid.as_str(), *state)).eq(live(rows, forget))
    }

    /// The key that signs now.
    pub(crate) fn signer(&self, rs256: bool) -> Option<&SigningKey> {
        if rs256 { self.rs256.as_deref() } else { self.es256.as_deref() }
    }

    /// The keys whose signatures count.
    pub(crate) fn verifying(&self) -> &KeySet {
        &self.verifying
    }
}

impl Keyring {
    pub(crate) fn new(ring: Ring) -> Self {
        Self(ArcSwap::from_pointee(ring))
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Ring>> {
        self.0.load()
    }

    pub(crate) fn replace(&self, ring: Ring) {
        self.0.store(Arc::new(ring));
    }
}

impl Keys for Keyring {
    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.load().verifying)
    }

    fn refresh(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}
