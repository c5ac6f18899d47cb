//! Checkpoints: signed statements of how far a chain reached.

use portcullis_wire::digest::Digest;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{HEADS, Head, NodeId, hex};

/// A checkpoint as it is kept beside the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The entry it is about.
    pub seq: u64,
    /// That entry's hash.
    #[serde(with = "hex::one")]
    pub hash: Digest,
    /// When it was made.
    pub at: UnixTime,
    /// The claims, signed: a compact JWS.
    pub signature: String,
    /// The heads of other chains that were known then, as [`heads_text`] writes them.
    pub heads: String,
}

/// What a checkpoint's signature is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointClaims {
    /// Who signs.
    pub iss: String,
    /// When, in whole seconds (RFC 7519 §4.1.6).
    pub iat: i64,
    /// Whose chain.
    pub node: NodeId,
    /// The entry it is about.
    pub seq: u64,
    /// That entry's hash.
    #[serde(with = "hex::one")]
    pub hash: Digest,
    /// The heads of other chains.
    pub heads: Vec<Head>,
}

/// The claims of a checkpoint of `head`. Of other chains at most [`HEADS`] are named.
pub fn checkpoint_claims(issuer: &str, head: &Head, at: UnixTime, heads: &[Head]) -> CheckpointClaims {
    CheckpointClaims {
        iss: issuer.to_owned(),
        iat: at.seconds(),
        node: head.node,
        seq: head.seq,
        hash: head.hash,
        heads: heads.iter().take(HEADS).copied().collect(),
    }
}

/// Heads as they stand in a row: their text forms between single spaces.
pub fn heads_text(heads: &[Head]) -> String {
    heads.iter().map(Head::to_string).collect::<Vec<_>>().join(" ")
}

impl CheckpointClaims {
    /// The row, once the claims were signed as `signature`.
    pub fn signed(&self, signature: String) -> Checkpoint {
        Checkpoint {
            seq: self.seq,
            hash: self.hash,
            at: UnixTime::from_seconds(self.iat),
            signature,
            heads: heads_text(&self.heads),
        }
    }
}
