//! Identifiers, each of its own type: a person's never stands where a client's is asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limit;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn spell(number: u64) -> String {
    (0..13).rev().map(|place| char::from(ALPHABET[(number >> (place * 5)) as usize & 31])).collect()
}

fn read(text: &str) -> Option<u64> {
    if text.len() != 13 {
        return None;
    }
    let mut number: u128 = 0;
    for byte in text.bytes() {
        number = number << 5 | ALPHABET.iter().position(|&c| c == byte)? as u128;
    }
    u64::try_from(number).ok()
}

/// A text that is no identifier of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an identifier of that kind")]
pub struct NotAnId;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// From the number of its row.
            pub const fn from_number(number: u64) -> Self { Self(number) }
            /// The number of its row; numbers rise with time, so that look-ups touch recent pages.
            pub const fn number(self) -> u64 { self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!($prefix, "{}"), spell(self.0)) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix($prefix).and_then(read).map(Self).ok_or(NotAnId)
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

numbered! {
    /// An agent: one grant, one install of a client acting for one person (or for itself) at one resource.
    GrantId, "agt_"
}
numbered! {
    /// A person's account; its spelling is the `sub` of their tokens and tells nothing about them (RFC 9068 §5).
    UserId, "usr_"
}
numbered! {
    /// An authorization code's row. Never shown.
    CodeId, "cod_"
}
numbered! {
    /// A browser session's row. Never shown.
    SessionId, "ses_"
}
numbered! {
    /// A question to a person: may this agent make this one call? It names the question and proves nothing.
    ApprovalId, "apr_"
}

/// A `client_id`, by exact spelling: two URLs that differ in a letter's case are two clients.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Takes a `client_id` as it was sent: visible ASCII (RFC 6749 appendix A.1), not empty, bounded.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= limit::CLIENT_ID
            && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// The exact spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a Client ID Metadata Document: our own ids never look like a URL (protocol C12).
    pub fn is_url(&self) -> bool {
        self.0.starts_with("https://") || self.0.starts_with("http://")
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_read_back_and_kinds_do_not_mix() {
        for number in [0, 1, 42, u64::MAX] {
            let id = GrantId::from_number(number);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().parse::<UserId>(), Err(NotAnId));
        }
        assert_eq!("agt_zzzzzzzzzzzzz".parse::<GrantId>(), Err(NotAnId));
        assert_eq!("agt_".parse::<GrantId>(), Err(NotAnId));
    }

    #[test]
    fn rfc6749_a_1_client_ids_are_visible_ascii() {
        for (given, fits) in [("abc", true), ("", false), ("a b", false), ("a\n", false), ("ä", false)] {
            assert_eq!(ClientId::parse(given).is_some(), fits, "{given:?}");
        }
        assert!(ClientId::parse(&"a".repeat(limit::CLIENT_ID + 1)).is_none());
    }
}
