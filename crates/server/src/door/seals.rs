//! Sealed texts that callers carry for us: session names, states of half-done requests, names of events. Each opens for
//! its own purpose and holder alone (threats: T-handle).

use std::sync::Arc;

use portcullis_gateway::ports::Seals;
use portcullis_jose::seal::{NONCE, OVERHEAD, Sealer};
use portcullis_wire::base64url;

use crate::entropy::{Entropy, EntropyShapes as _};

/// Longest sealed text that is looked at, in bytes: a state of 32 KiB, spelled in base64url, and the rest.
const LONGEST: usize = 48 * 1024;

/// Seals with a key of its own, derived from the master key: texts outlive a restart, and open on every node.
pub(crate) struct Sealed {
    sealer: Sealer,
    entropy: Arc<dyn Entropy>,
}

impl Sealed {
    pub(crate) fn new(key: [u8; 32], entropy: Arc<dyn Entropy>) -> Self {
        Self { sealer: Sealer::new(key), entropy }
    }
}

/// Purpose and holder as one context: the length in front keeps one from running into the other.
fn context(purpose: &str, holder: &[u8]) -> Vec<u8> {
    let length = u64::try_from(purpose.len()).unwrap_or(u64::MAX).to_be_bytes();
    [&length, purpose.as_bytes(), holder].concat()
}

impl Seals for Sealed {
    fn seal(&self, purpose: &'static str, holder: &[u8], plain: &[u8]) -> String {
        let nonce: [u8; NONCE] = self.entropy.bytes();
        base64url::encode(&self.sealer.seal(&context(purpose, holder), nonce, plain))
    }

    fn open(&self, purpose: &'static str, holder: &[u8], sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > LONGEST {
            return None;
        }
        let sealed = base64url::decode(sealed).filter(|sealed| sealed.len() >= OVERHEAD)?;
        self.sealer.open(&context(purpose, holder), &sealed).map(|plain| plain.to_vec())
    }

    fn fresh(&self) -> String {
        self.entropy.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);
    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    #[test]
    fn r20_t_handle_a_sealed_text_opens_for_its_purpose_and_holder_alone() {
        let seals = Sealed::new([7; 32], Arc::new(Counting(0.into())));
        let text = seals.seal("session", b"agent-1", b"upstream");
        assert_eq!(seals.open("session", b"agent-1", &text).unwrap(), b"upstream");
        for (purpose, holder) in
            [("session", &b"agent-2"[..]), ("state", b"agent-1"), ("sessio", b"nagent-1"), ("session", b"")]
        {
            assert_eq!(seals.open(purpose, holder, &text), None, "{purpose}");
        }
        let other = Sealed::new([8; 32], Arc::new(Counting(0.into())));
        assert_eq!(other.open("session", b"agent-1", &text), None, "another key");
        for at in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert_eq!(seals.open("session", b"agent-1", &bent), None, "{at}");
            assert_eq!(seals.open("session", b"agent-1", &text[..at]), None, "{at}");
        }
        assert_ne!(text, seals.seal("session", b"agent-1", b"upstream"), "two of the same look different");
    }
}
