//! Bytes as lower-case hexadecimal: how hashes, salts and nodes are spelled.

use std::fmt::Write as _;

use portcullis_wire::digest::Digest;

/// Spells bytes.
pub fn spell(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads exactly `N` bytes, in lower case.
pub fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A digest, spelled.
pub fn digest(digest: &Digest) -> String {
    spell(digest.as_bytes())
}

/// For `#[serde(with = …)]`: a digest as hexadecimal.
pub(crate) mod one {
    use portcullis_wire::digest::Digest;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::digest(digest))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        super::read(&text)
            .map(Digest::from_bytes)
            .ok_or_else(|| D::Error::custom("not 32 bytes in hexadecimal"))
    }
}

/// For `#[serde(with = …)]`: a digest as hexadecimal, or none.
pub(crate) mod maybe {
    use portcullis_wire::digest::Digest;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct One(#[serde(with = "super::one")] Digest);

    pub(crate) fn serialize<S: Serializer>(digest: &Option<Digest>, to: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => to.serialize_some(&super::digest(digest)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Digest>, D::Error> {
        Ok(Option::<One>::deserialize(from)?.map(|one| one.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_and_nothing_else_does() {
        assert_eq!(spell(&[0, 0x9a, 0xff]), "009aff");
        assert_eq!(read("009aff"), Some([0, 0x9a, 0xff]));
        for wrong in ["009af", "009afF", "009afg", "009aff00", "", "ä9aff"] {
            assert_eq!(read::<3>(wrong), None, "{wrong}");
        }
    }
}
