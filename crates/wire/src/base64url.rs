//! Base64url without padding (RFC 7515 §2), strictly: one spelling for one value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes; padding, foreign characters and non-zero trailing bits are refused.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_2_one_spelling_for_one_value() {
        for (name, given, expected) in [
            ("empty", "", Some(vec![])),
            ("one byte", "AA", Some(vec![0])),
            ("trailing bits", "AB", None),
            ("padding", "AA==", None),
            ("standard alphabet", "+/8", None),
            ("white space", "AA ", None),
        ] {
            assert_eq!(decode(given), expected, "{name}");
        }
    }
}
