//! Randomness as a port, and what is made of it.

use portcullis_wire::base64url;
use portcullis_wire::time::UnixTime;

/// Where randomness comes from: the system's in a server, a seed's in a test.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Bits of a row number that are random; the rest is the time in milliseconds, so that numbers rise and look-ups
/// touch recent pages. Two rows of one millisecond that meet are a conflict, and decided anew.
const RANDOM_BITS: u32 = 20;

/// The shapes of randomness the server needs.
pub(crate) trait EntropyShapes: Entropy {
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A fresh row number.
    fn number(&self, now: UnixTime) -> u64 {
        let random = u64::from(u32::from_le_bytes(self.bytes())) & ((1 << RANDOM_BITS) - 1);
        (now.millis().max(0).unsigned_abs() << RANDOM_BITS) | random
    }

    /// A number that tells nothing, not even when it was made: for a person's `sub`.
    fn secret_number(&self) -> u64 {
        u64::from_le_bytes(self.bytes()) >> 1
    }

    /// 128 random bits as text.
    fn text(&self) -> String {
        base64url::encode(&self.bytes::<16>())
    }
}

impl<E: Entropy + ?Sized> EntropyShapes for E {}
