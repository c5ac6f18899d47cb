//! Verifying a chain, row by row.

use std::fmt;

use super::{AuditRow, Checkpoint, CheckpointClaims, Head, NodeId, heads_text};

/// The first row at which a chain is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq}: {wrong}")]
pub struct Bad {
    /// Its number.
    pub seq: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The row with this number is not there, or not in its place.
    Missing,
    /// The row, or the one before it, is not the one that was written.
    Hash,
    /// What is personal about the row is not what was written.
    Person,
    /// What came before was removed, and no checkpoint says what it was.
    Start,
    /// A checkpoint is about a row that does not exist.
    CheckpointOfNothing,
    /// A checkpoint's signature is not one of ours, or signs something else.
    CheckpointSignature,
    /// A checkpoint tells another hash: this row, or one before it, is not the one that was written.
    CheckpointHash,
    /// The chain ends before the entry that is known from elsewhere.
    Truncated,
    /// The entry that is known from elsewhere had another hash.
    Expected,
    /// The entry that is known from elsewhere is older than what is kept: nothing can be said of it.
    BeforeKept,
    /// What is known from elsewhere is about the chain of another node.
    OtherNode(NodeId),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Missing => "it is missing, or not in its place",
            Self::Hash => "it, or the hash of the one before it, was changed",
            Self::Person => "what is personal about it was changed",
            Self::Start => "what came before was removed, and no checkpoint vouches for it",
            Self::CheckpointOfNothing => "a checkpoint names it, and it does not exist",
            Self::CheckpointSignature => "the signature of its checkpoint is not good",
            Self::CheckpointHash => "its checkpoint tells another hash: it, or one before it, was changed",
            Self::Truncated => "it is known from elsewhere, and the chain ends before it",
            Self::Expected => "it had another hash: it, or one before it, was changed",
            Self::BeforeKept => "it is known from elsewhere, and older than what is kept",
            Self::OtherNode(node) => return write!(f, "it is known from the chain of another node, {node}"),
        };
        f.write_str(text)
    }
}

/// What a chain that holds is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How far it reaches.
    pub head: Head,
    /// After which entry it was looked at: 0, if nothing was removed.
    pub after: u64,
    /// Entries.
    pub rows: u64,
    /// Those of them whose personal part was erased.
    pub erased: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// The entry of the last checkpoint; entries after it are linked, but vouched for by no signature.
    pub signed: Option<u64>,
}

/// Takes rows and checkpoints in the order of their numbers, a checkpoint right after its row, and stops at the first that
/// is wrong. Holds no more than one hash.
#[derive(Clone, Debug)]
pub struct Verifier {
    at: Head,
    start: u64,
    expected: Option<Head>,
    rows: u64,
    erased: u64,
    checkpoints: u64,
    signed: Option<u64>,
}

impl Verifier {
    /// Starts after `start`: [`Head::of_nothing`], or where the kept part begins. The latter has to have a checkpoint.
    pub fn new(start: Head) -> Self {
        let at = if start.seq == 0 { Head::of_nothing(start.node) } else { start };
        Self { at, start: start.seq, expected: None, rows: 0, erased: 0, checkpoints: 0, signed: None }
    }

    /// Also holds the chain to a head that is known from elsewhere: nothing up to there was changed or cut away.
    ///
    /// # Errors
    /// [`Bad`], if that head can never be met.
    pub fn expecting(mut self, head: Head) -> Result<Self, Bad> {
        let bad = |wrong| Err(Bad { seq: head.seq, wrong });
        match () {
            () if head.node != self.at.node => bad(Wrong::OtherNode(head.node)),
            () if head.seq < self.start => bad(Wrong::BeforeKept),
            () => {
                self.expected = Some(head);
                self.meet()?;
                Ok(self)
            }
        }
    }

    /// Whether the head known from elsewhere, if it is reached, is the one.
    fn meet(&self) -> Result<(), Bad> {
        match self.expected {
            Some(head) if head.seq == self.at.seq && head.hash != self.at.hash => {
                Err(Bad { seq: head.seq, wrong: Wrong::Expected })
            }
            _ => Ok(()),
        }
    }

    fn begun(&self) -> Result<(), Bad> {
        let vouched = self.start == 0 || self.signed.is_some();
        vouched.then_some(()).ok_or(Bad { seq: self.start, wrong: Wrong::Start })
    }

    /// The number the next row has to have.
    pub const fn next(&self) -> u64 {
        self.at.seq.saturating_add(1)
    }

    /// The next row.
    ///
    /// # Errors
    /// [`Bad`], naming it, or the one that is missing in its place.
    pub fn row(&mut self, row: &AuditRow) -> Result<(), Bad> {
        self.begun()?;
        let seq = self.next();
        let bad = |wrong| Err(Bad { seq, wrong });
        if row.seq != seq {
            return bad(Wrong::Missing);
        }
        if row.hash_after(&self.at.hash) != row.hash {
            return bad(Wrong::Hash);
        }
        if !row.person_holds() {
            return bad(Wrong::Person);
        }
        (self.at.seq, self.at.hash) = (seq, row.hash);
        self.rows += 1;
        self.erased += u64::from(row.mac.is_some() && row.person.is_none());
        self.meet()
    }

    /// A checkpoint. `claims` are what its signature was found to be over, `None` if it is not one of ours.
    ///
    /// # Errors
    /// [`Bad`], naming the row it is about.
    pub fn checkpoint(&mut self, row: &Checkpoint, claims: Option<&CheckpointClaims>) -> Result<(), Bad> {
        let bad = |wrong| Err(Bad { seq: row.seq, wrong });
        if row.seq != self.at.seq {
            return bad(Wrong::CheckpointOfNothing);
        }
        let Some(claims) = claims else { return bad(Wrong::CheckpointSignature) };
        let same = claims.node == self.at.node
            && (claims.seq, claims.hash, claims.iat) == (row.seq, row.hash, row.at.seconds())
            && row.at.millis() == claims.iat.saturating_mul(1000)
            && heads_text(&claims.heads) == row.heads;
        if !same {
            return bad(Wrong::CheckpointSignature);
        }
        if row.hash != self.at.hash {
            return bad(Wrong::CheckpointHash);
        }
        self.checkpoints += 1;
        self.signed = Some(row.seq);
        Ok(())
    }

    /// The end of the chain.
    ///
    /// # Errors
    /// [`Bad`], if it ends too early.
    pub fn finish(self) -> Result<Summary, Bad> {
        self.begun()?;
        match self.expected {
            Some(head) if head.seq > self.at.seq => Err(Bad { seq: self.next(), wrong: Wrong::Truncated }),
            _ => Ok(Summary {
                head: self.at,
                after: self.start,
                rows: self.rows,
                erased: self.erased,
                checkpoints: self.checkpoints,
                signed: self.signed,
            }),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
