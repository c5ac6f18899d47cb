//! The one secret all others of a server are derived from.

use std::fmt;

use aws_lc_rs::hkdf;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The one secret all others of a server are derived from: 256 random bits, kept outside the database.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// From 32 random octets.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key for one purpose, by HKDF-SHA256 (RFC 5869) with `label` as its `info`. Two purposes never share a
    /// label.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        derive(b"portcullis master key", &self.0, label.as_bytes())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// HKDF-SHA256, one block long.
pub(crate) fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|block| block.fill(out.as_mut()))
        .expect("invariant: one block is never more than HKDF can give");
    out
}
