//! The audit trail of the model.

use std::sync::Arc;

use portcullis_rules::audit::{AuditKeep, AuditQuery, AuditRow, Checkpoint, Head, NodeId};
use portcullis_rules::event::Event;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::UserId;

use crate::contract::AUDIT_BATCH;

/// The chain, all in memory. Its salts are digests of a count: the model protects nobody's secret.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    start: Head,
    head: Head,
    rows: Vec<Arc<AuditRow>>,
    checkpoints: Vec<Checkpoint>,
}

impl Default for Trail {
    fn default() -> Self {
        let start = Head::of_nothing(NodeId::from_bytes(*b"the model, alone"));
        Self { start, head: start, rows: Vec::new(), checkpoints: Vec::new() }
    }
}

impl Trail {
    pub(super) fn append(&mut self, event: &Event) {
        let seq = self.head.seq;
        let row = self.head.append(event, || *Digest::of(format!("salt {seq}").as_bytes()).as_bytes());
        self.rows.push(Arc::new(row));
    }

    pub(super) const fn start(&self) -> Head {
        self.start
    }

    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// The kept rows: what is being removed is no longer shown.
    fn kept(&self) -> impl DoubleEndedIterator<Item = &Arc<AuditRow>> {
        self.rows.iter().filter(|row| row.seq > self.start.seq)
    }

    pub(super) fn rows(&self, query: &AuditQuery) -> Vec<AuditRow> {
        let asked = self.kept().filter(|row| query.holds(row));
        let of = |row: &Arc<AuditRow>| AuditRow::clone(row);
        if query.newest_first {
            asked.rev().take(query.most).map(of).collect()
        } else {
            asked.take(query.most).map(of).collect()
        }
    }

    pub(super) fn checkpoints(&self, from: u64, most: usize) -> Vec<Checkpoint> {
        self.checkpoints.iter().filter(|checkpoint| checkpoint.seq >= from).take(most).cloned().collect()
    }

    pub(super) fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Option<()> {
        self.rows.iter().find(|row| row.seq == checkpoint.seq && row.hash == checkpoint.hash)?;
        let at = self.checkpoints.binary_search_by_key(&checkpoint.seq, |other| other.seq).err()?;
        self.checkpoints.insert(at, checkpoint.clone());
        Some(())
    }

    pub(super) fn erase(&mut self, user: UserId) {
        for row in self.rows.iter_mut().filter(|row| row.entry.user == Some(user)) {
            Arc::make_mut(row).person = None;
        }
    }

    pub(super) fn sweep(&mut self, keep: &AuditKeep) -> u64 {
        let mut last = self.head.seq.saturating_sub(keep.most);
        if let Some(since) = keep.since {
            let stays = self.kept().find(|row| row.entry.at >= since);
            last = last.max(stays.map_or(self.head.seq, |row| row.seq - 1));
        }
        if let Some(to) = self.checkpoints.iter().rev().find(|checkpoint| checkpoint.seq <= last)
            && to.seq > self.start.seq
        {
            (self.start.seq, self.start.hash) = (to.seq, to.hash);
        }
        let mut gone = 0;
        let start = self.start.seq;
        self.rows.retain(|row| {
            let goes = row.seq <= start && gone < AUDIT_BATCH;
            gone += u64::from(goes);
            !goes
        });
        let oldest = self.rows.first().map_or(start, |row| row.seq - 1).min(start);
        if gone > 0 {
            self.checkpoints.retain(|checkpoint| checkpoint.seq >= oldest);
        }
        gone
    }
}
