//! Proof Key for Code Exchange (RFC 7636), S256 only: `plain` does not exist here.

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::digest::{Digest, same};

/// A `code_challenge`: the SHA-256 of a verifier (RFC 7636 §4.2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads a challenge: 32 bytes in base64url, so 43 characters.
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode(text).filter(|bytes| bytes.len() == 32).map(|_| Self(text.to_owned()))
    }

    /// One that was judged before, read back from a row.
    pub fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The exact spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `verifier` is the one this challenge was made of (RFC 7636 §4.6), in constant time.
    pub fn admits(&self, verifier: &CodeVerifier) -> bool {
        same(base64url::encode(Digest::of(verifier.0.as_bytes()).as_bytes()).as_bytes(), self.0.as_bytes())
    }
}

/// A `code_verifier` (RFC 7636 §4.1). Whoever holds it can redeem the code, so it is never printed.
pub struct CodeVerifier(String);

impl CodeVerifier {
    /// Reads a verifier: 43 to 128 unreserved characters.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (43..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// The challenge it answers to.
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(base64url::encode(Digest::of(self.0.as_bytes()).as_bytes()))
    }
}

impl std::fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeVerifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7636_appendix_b_example() {
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.admits(&verifier));
        assert!(!challenge.admits(&CodeVerifier::parse(&"a".repeat(43)).unwrap()));
    }

    #[test]
    fn t05_verifiers_are_43_to_128_unreserved_characters() {
        for (given, fits) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(43)), false),
        ] {
            assert_eq!(CodeVerifier::parse(&given).is_some(), fits, "{}", given.len());
        }
    }
}
