//! Sealed values: AES-256-GCM under a key and a context; and keyed tags.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::master;

/// Length of a nonce, in bytes.
pub const NONCE: usize = 12;
/// How much longer a sealed value is than the plain one, in bytes: nonce and tag.
pub const OVERHEAD: usize = NONCE + 16;

/// Seals values that must be read back later, and by nobody else.
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// With a key from [`MasterKey::derive`](master::MasterKey::derive). A key seals at most 2³² values, since
    /// nonces are random (NIST SP 800-38D §8.3).
    pub fn new(key: [u8; 32]) -> Self {
        let key = Zeroizing::new(key);
        let key =
            UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("invariant: an AES-256 key is 32 octets long");
        Self(LessSafeKey::new(key))
    }

    /// Nonce, ciphertext and tag of `plain`. `context` says where the value belongs (table, column, row), is not
    /// kept, and must be the same when it is opened. `nonce` is random and never used twice.
    pub fn seal(&self, context: &[u8], nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.extend(nonce);
        sealed.extend(plain);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed[NONCE..],
            )
            .expect("invariant: no value in memory reaches the length that GCM cannot seal");
        sealed.extend(tag.as_ref());
        sealed
    }

    /// The plain value, if it was sealed under this key and context and nothing of it was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut plain)
            .ok()?
            .len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// Seals under a secret string that only its holder has: who does not present it cannot open the value, the server
/// included. The secret has at least 128 bits of entropy; this is no way to use a password.
pub fn seal_under(secret: &str, context: &[u8], nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
    under(secret).seal(context, nonce, plain)
}

/// Opens what [`seal_under`] sealed.
pub fn open_under(secret: &str, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    under(secret).open(context, sealed)
}

fn under(secret: &str) -> Sealer {
    Sealer::new(*master::derive(b"portcullis sealed under", secret.as_bytes(), b"aes-256-gcm"))
}

/// HMAC-SHA256 over `parts`, each preceded by its length, so that no two lists of parts read alike.
pub fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    keyed(&hmac::Key::new(hmac::HMAC_SHA256, key), parts)
}

/// As [`tag`], with a key made ready before.
pub(crate) fn keyed(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}
