//! The chain: who it is, where it ends, and how an entry is put on it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, hmac};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::NotAnId;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, field};
use super::hex;
use crate::event::{Event, Personal};

const CHAIN: &[u8] = b"portcullis audit chain v1\n";
const ENTRY: &[u8] = b"portcullis audit entry v1\n";
const PERSONAL: &[u8] = b"portcullis audit personal v1\n";

/// 32 random bytes, as secret as what they protect.
pub type Salt = [u8; 32];

/// What a chain is named by: 16 random bytes, drawn once for each database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The bytes of a row.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A fresh one, of the first half of 32 random bytes.
    pub fn fresh(random: &Salt) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&random[..16]);
        Self(bytes)
    }

    /// The bytes, for a row.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nod_{}", hex::spell(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.strip_prefix("nod_").and_then(hex::read).map(Self).ok_or(NotAnId)
    }
}

impl Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How far a chain reaches: the number of its last entry, and the hash that stands for all up to there.
///
/// Its text form is `nod_….<number>.<hash>`, for whoever notes it down elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whose chain.
    pub node: NodeId,
    /// The number of the last entry; 0 before the first.
    pub seq: u64,
    /// Its hash.
    #[serde(with = "hex::one")]
    pub hash: Digest,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.seq, hex::digest(&self.hash))
    }
}

impl FromStr for Head {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(NotAnId);
        Ok(Self {
            node: part()?.parse()?,
            seq: part()?.parse().map_err(|_| NotAnId)?,
            hash: hex::read(part()?).map(Digest::from_bytes).ok_or(NotAnId)?,
        })
    }
}

/// What is personal about an entry, and the salt of its seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideRow {
    /// The salt.
    #[serde(with = "hex::one")]
    pub salt: Digest,
    /// What is personal.
    #[serde(flatten)]
    pub person: Personal,
}

impl SideRow {
    /// What stands in the chain for it.
    pub fn mac(&self) -> Digest {
        let mut bytes = PERSONAL.to_vec();
        self.person.write(&mut bytes);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.salt.as_bytes());
        of_tag(hmac::sign(&key, &bytes).as_ref())
    }
}

/// One row of the trail: everything that is needed to verify it, after the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number.
    pub seq: u64,
    /// What happened.
    pub entry: Entry,
    /// What stands in the chain for what is personal, if anything is or was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex::maybe")]
    pub mac: Option<Digest>,
    /// What is personal; gone, if it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<SideRow>,
    /// Its hash.
    #[serde(with = "hex::one")]
    pub hash: Digest,
}

impl AuditRow {
    /// What its hash has to be, after an entry of hash `before`.
    pub fn hash_after(&self, before: &Digest) -> Digest {
        link(before, self.seq, &self.entry, self.mac.as_ref())
    }

    /// The hash alone would not show a changed name: whether what is personal is what the chain stands for. What was
    /// erased is.
    pub fn person_holds(&self) -> bool {
        match (&self.person, &self.mac) {
            (None, _) => true,
            (Some(side), Some(mac)) => side.mac() == *mac,
            (Some(_), None) => false,
        }
    }
}

impl Head {
    /// Before the first entry.
    pub fn of_nothing(node: NodeId) -> Self {
        let mut bytes = CHAIN.to_vec();
        bytes.extend_from_slice(node.as_bytes());
        Self { node, seq: 0, hash: Digest::of(&bytes) }
    }

    /// Puts an event on the chain. A salt is drawn only where there is something to protect.
    pub fn append(&mut self, event: &Event, salt: impl FnOnce() -> Salt) -> AuditRow {
        let person = event
            .person
            .as_deref()
            .filter(|person| !person.is_empty())
            .map(|person| SideRow { salt: Digest::from_bytes(salt()), person: person.bounded() });
        self.append_entry(Entry::of(event), person)
    }

    /// Puts an entry on the chain, in the words it has.
    pub fn append_entry(&mut self, entry: Entry, person: Option<SideRow>) -> AuditRow {
        let mac = person.as_ref().map(SideRow::mac);
        let seq = self.seq + 1;
        let hash = link(&self.hash, seq, &entry, mac.as_ref());
        (self.seq, self.hash) = (seq, hash);
        AuditRow { seq, entry, mac, person, hash }
    }
}

fn link(before: &Digest, seq: u64, entry: &Entry, mac: Option<&Digest>) -> Digest {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(ENTRY);
    bytes.extend_from_slice(before.as_bytes());
    bytes.extend_from_slice(&seq.to_be_bytes());
    entry.write(&mut bytes);
    field(&mut bytes, mac.map(|mac| mac.as_bytes().as_slice()));
    of_tag(digest::digest(&digest::SHA256, &bytes).as_ref())
}

fn of_tag(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    Digest::from_bytes(out)
}
