//! Randomness that is the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_server::Entropy;
use portcullis_wire::digest::Digest;

/// The digests of a counter that begins with a seed.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    /// Begins with `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&Digest::of(&number.to_be_bytes()).as_bytes()[..chunk.len()]);
        }
    }
}

/// Salts for a test's audit trail: the digests of a counter.
pub fn salts() -> portcullis_store::Salts {
    let counted = AtomicU64::new(0);
    portcullis_store::Salts::new(move || {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        *Digest::of(format!("salt {n}").as_bytes()).as_bytes()
    })
}
