//! Opaque strings: codes, refresh tokens, secrets, cookies.
//!
//! `prefix ‖ base64url(number ‖ random ‖ tag) ‖ checksum`. The prefix tells people and secret scanners what leaked;
//! the number finds the row, through a keyed permutation so that it tells nothing; 256 random bits make it
//! unguessable; the tag shows that it was made here, before any row is read; the checksum is a plain CRC-32, for
//! scanners and typing errors. What decides is the digest in the row.

use std::fmt;
use std::marker::PhantomData;

use aws_lc_rs::hmac;
use portcullis_wire::base64url;
use portcullis_wire::digest::{Digest, same};
use zeroize::Zeroizing;

use crate::master::MasterKey;
use crate::seal;

/// A kind of opaque string. A string of one kind is never read as another: the prefix is under the tag.
pub trait Kind: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// What its strings begin with.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {}
        impl Kind for $name { const PREFIX: &'static str = $prefix; }
    )*};
}
kinds! {
    /// An authorization code.
    Code "pc_code_"
    /// A refresh token.
    Refresh "pc_rt_"
    /// A client secret.
    Secret "pc_cs_"
    /// A signed-in browser session.
    Session "pc_ses_"
    /// A browser that has not signed in yet.
    Browser "pc_br_"
    /// A link that sets up an account.
    SetupLink "pc_setup_"
    /// The key to the control socket.
    Control "pc_ctl_"
    /// A personal token: an agent without OAuth, for scripts.
    Personal "pc_pat_"
    /// A registration access token (RFC 7592 §3).
    Registration "pc_reg_"
}

/// An opaque string in clear, as it is handed out once. It cannot be printed, compared, cloned or serialised by
/// accident, and is wiped when dropped.
pub struct Opaque<K> {
    text: Zeroizing<String>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Opaque<K> {
    /// The string itself, for the reply that hands it out.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The SHA-256 digest of the whole string: what the row keeps.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

impl<K: Kind> fmt::Debug for Opaque<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", K::PREFIX)
    }
}

/// Proof that a string of this kind, made by us, was presented. Whether it still counts is for its row to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<K> {
    /// The number of its row.
    pub number: u64,
    /// What the row's digest must match.
    pub digest: Digest,
    kind: PhantomData<fn() -> K>,
}

const NUMBER: usize = 8;
const RANDOM: usize = 32;
const TAG: usize = 16;
const BODY: usize = NUMBER + RANDOM + TAG;
const BODY_TEXT: usize = (BODY * 4).div_ceil(3);
const CHECKSUM_TEXT: usize = 6;

/// Makes opaque strings and recognises its own.
pub struct Mint {
    tags: hmac::Key,
    order: hmac::Key,
}

impl Mint {
    /// With keys derived from the server's master key.
    pub fn new(master: &MasterKey) -> Self {
        let key = |label| hmac::Key::new(hmac::HMAC_SHA256, master.derive(label).as_ref());
        Self { tags: key("mint: tags"), order: key("mint: numbers") }
    }

    /// A new string for row `number`, from 256 random bits that are used for nothing else.
    pub fn mint<K: Kind>(&self, number: u64, random: [u8; 32]) -> Opaque<K> {
        let random = Zeroizing::new(random);
        let mut body = Zeroizing::new([0; BODY]);
        body[..NUMBER].copy_from_slice(&self.hide(K::PREFIX, number).to_be_bytes());
        body[NUMBER..NUMBER + RANDOM].copy_from_slice(random.as_ref());
        let tag = self.tag(K::PREFIX, &body[..NUMBER + RANDOM]);
        body[NUMBER + RANDOM..].copy_from_slice(&tag);
        let mut text = Zeroizing::new(String::with_capacity(K::PREFIX.len() + BODY_TEXT + CHECKSUM_TEXT));
        text.push_str(K::PREFIX);
        text.push_str(&Zeroizing::new(base64url::encode(body.as_ref())));
        let sum = checksum(&text);
        text.push_str(&sum);
        Opaque { text, kind: PhantomData }
    }

    /// What `text` proves, if it is a string of this kind and was made with our keys. One string has one spelling.
    pub fn read<K: Kind>(&self, text: &str) -> Option<Presented<K>> {
        let rest = text.strip_prefix(K::PREFIX)?;
        if rest.len() != BODY_TEXT + CHECKSUM_TEXT {
            return None;
        }
        let (body, sum) = rest.split_at_checked(BODY_TEXT)?;
        if checksum(text.get(..text.len() - CHECKSUM_TEXT)?) != sum {
            return None;
        }
        let body = Zeroizing::new(base64url::decode(body)?);
        let (signed, tag) = body.split_at_checked(NUMBER + RANDOM)?;
        if !same(&self.tag(K::PREFIX, signed), tag) {
            return None;
        }
        let hidden = u64::from_be_bytes(*signed.first_chunk()?);
        let number = self.reveal(K::PREFIX, hidden);
        Some(Presented { number, digest: Digest::of(text.as_bytes()), kind: PhantomData })
    }

    /// A string that was sealed when it was made and has now been opened, to be handed out again.
    pub fn restore<K: Kind>(&self, opened: &[u8]) -> Option<Opaque<K>> {
        let text = std::str::from_utf8(opened).ok()?;
        self.read::<K>(text)?;
        Some(Opaque { text: Zeroizing::new(text.to_owned()), kind: PhantomData })
    }

    fn tag(&self, prefix: &str, signed: &[u8]) -> [u8; TAG] {
        let mut out = [0; TAG];
        out.copy_from_slice(&seal::keyed(&self.tags, &[prefix.as_bytes(), signed])[..TAG]);
        out
    }

    /// A permutation of all 64-bit numbers: four Feistel rounds (Luby and Rackoff 1988).
    fn hide(&self, prefix: &str, number: u64) -> u64 {
        let (mut left, mut right) = halves(number);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(prefix, round, right));
        }
        u64::from(left) << 32 | u64::from(right)
    }

    fn reveal(&self, prefix: &str, hidden: u64) -> u64 {
        let (mut left, mut right) = halves(hidden);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.round(prefix, round, left), left);
        }
        u64::from(left) << 32 | u64::from(right)
    }

    fn round(&self, prefix: &str, round: u8, half: u32) -> u32 {
        let [a, b, c, d, ..] = seal::keyed(&self.order, &[prefix.as_bytes(), &[round], &half.to_be_bytes()]);
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint(…)")
    }
}

const ROUNDS: u8 = 4;

fn halves(number: u64) -> (u32, u32) {
    ((number >> 32) as u32, number as u32)
}

/// CRC-32 (ISO-HDLC) of all that stands before it, as 6 characters of base64url, most significant octet first.
fn checksum(text: &str) -> String {
    base64url::encode(&crc32(text.as_bytes()).to_be_bytes())
}

fn crc32(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0xedb8_8320;
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ REVERSED_POLYNOMIAL } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn numbers_are_hidden_by_a_permutation() {
        let mint = Mint::new(&MasterKey::new([7; 32]));
        for number in [0, 1, 2, 1 << 32, u64::MAX] {
            let hidden = mint.hide(Code::PREFIX, number);
            assert_ne!(hidden, number);
            assert_ne!(hidden, mint.hide(Refresh::PREFIX, number), "each kind has its own order");
            assert_eq!(mint.reveal(Code::PREFIX, hidden), number);
        }
    }
}
