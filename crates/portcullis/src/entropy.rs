//! The system's randomness: with `clock.rs`, one of the two files that ask the operating system for what no rule
//! may ask for itself.

use portcullis_server::Entropy;

/// The generator of `aws-lc-rs`, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where randomness is drawn")]
    fn fill(&self, bytes: &mut [u8]) {
        // A machine that has no randomness cannot make a secret, and must not make one that can be guessed.
        aws_lc_rs::rand::fill(bytes).expect("invariant: the operating system gives random bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let mut draws = [[0; 32]; 2];
        for draw in &mut draws {
            SystemEntropy.fill(draw);
        }
        assert_ne!(draws[0], draws[1]);
        assert_ne!(draws[0], [0; 32]);
    }
}
