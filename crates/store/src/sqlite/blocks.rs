//! Where in the trail something stands: not row by row, but block by block.
//!
//! An index by agent, one by person and one by client would each cost as much as a third of the row itself, at every call.
//! What is kept instead is in which blocks of [`BLOCK`] numbers each of them stands; a question reads those blocks, and
//! looks at each row of them. Whoever is in every block is found at once, and whoever is rare is in few.

use std::collections::HashSet;

use portcullis_rules::audit::{AuditQuery, AuditRow};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::ClientId;
use rusqlite::{Connection, Result};

use super::rows::signed;
use super::write::{Held, change};

/// Numbers in a block. It stands in the statements too, and in every file: it cannot be changed.
pub(super) const BLOCK: u64 = 4096;

pub(super) const AGENT: i64 = 1;
pub(super) const PERSON: i64 = 2;
pub(super) const CLIENT: i64 = 3;
pub(super) const NAME: i64 = 4;

/// Strangers choose names, one for each row if they like: all of them share this many keys.
const NAME_KEYS: i64 = 1024;

/// What has been noted of the block that is being filled, so that it is not noted again and again. It may know less than
/// the file, never more: it forgets when anything is undone.
#[derive(Debug, Default)]
pub(super) struct Noted {
    block: u64,
    keys: HashSet<(i64, i64)>,
}

impl Noted {
    pub(super) fn forget(&mut self) {
        self.keys.clear();
    }

    /// Notes where a row stands.
    pub(super) fn note(&mut self, c: &Connection, row: &AuditRow) -> Held {
        let block = row.seq / BLOCK;
        if block != self.block {
            self.block = block;
            self.keys.clear();
        }
        let entry = &row.entry;
        let keys = [
            entry.agent.map(|id| (AGENT, signed(id.number()))),
            entry.user.map(|id| (PERSON, signed(id.number()))),
            entry.client.as_deref().map(|client| (CLIENT, part_of(client))),
            entry.name.as_deref().map(|name| (NAME, name_key(name))),
        ];
        for (what, key) in keys.into_iter().flatten() {
            if self.keys.insert((what, key)) {
                let sql =
                    "INSERT INTO audit_blocks (what, key, block) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                change(c, sql, (what, key, block.cast_signed()))?;
            }
        }
        Ok(())
    }
}

/// What a question is looked up by: the rarest thing it names.
pub(super) fn place_of(query: &AuditQuery) -> Option<(i64, i64)> {
    let agent = query.agent.map(|id| (AGENT, signed(id.number())));
    let person = query.user.map(|id| (PERSON, signed(id.number())));
    let client = || query.client.as_ref().map(|client| (CLIENT, part_of(ClientId::as_str(client))));
    let name = || query.tool.as_deref().map(|name| (NAME, name_key(name)));
    agent.or(person).or_else(client).or_else(name)
}

fn part_of(text: &str) -> i64 {
    let digest = Digest::of(text.as_bytes());
    let mut part = [0; 8];
    part.copy_from_slice(&digest.as_bytes()[..8]);
    i64::from_be_bytes(part)
}

fn name_key(name: &str) -> i64 {
    part_of(name).rem_euclid(NAME_KEYS)
}

/// Forgets blocks whose last row has gone: there are none of them before row `last`, but in the block it stands in. Looks
/// through all blocks, and so only when one has become empty.
pub(super) fn forget_until(c: &Connection, last: u64) -> Result<()> {
    let first = (last + 1) / BLOCK;
    let sql = "SELECT 1 FROM audit WHERE seq < ?1";
    if c.prepare_cached(sql)?.exists([(first * BLOCK).cast_signed()])? {
        c.prepare_cached("DELETE FROM audit_blocks WHERE block < ?1")?.execute([first.cast_signed()])?;
    }
    Ok(())
}
