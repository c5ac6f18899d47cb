//! What every store's audit trail has in common: salts from outside, and verifying page by page.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_rules::audit::{AuditQuery, AuditRow, Bad, CheckpointClaims, Head, Salt, Summary, Verifier};
use portcullis_rules::event::{CallFacts, Event, EventKind};
use portcullis_rules::model::EndReason;
use portcullis_wire::id::ClientId;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{Scope, Scopes};

use crate::contract::{Store, StoreError};

/// Where salts come from. A store draws no random byte by itself, and has no weak stand-in: whoever opens one says.
#[derive(Clone)]
pub struct Salts(Arc<dyn Fn() -> Salt + Send + Sync>);

impl Salts {
    /// `draw` gives 32 fresh random bytes at each call, as good as those of a key.
    pub fn new(draw: impl Fn() -> Salt + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    /// 32 random bytes.
    pub(crate) fn draw(&self) -> Salt {
        (self.0)()
    }
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts(…)")
    }
}

/// Rows that are verified at a time.
const PAGE: usize = 1000;

/// How often verifying begins anew because old rows were removed meanwhile.
const TRIES: usize = 3;

/// Says what the signature of a checkpoint is over, or `None` if it is not one of ours.
pub type Signed<'a> = &'a (dyn Fn(&str) -> Option<CheckpointClaims> + Sync);

/// Verifies the whole kept chain, page by page, as it is now: rows that are added meanwhile may or may not be looked at.
/// `expected` is a head known from elsewhere, if there is one.
///
/// # Errors
/// [`StoreError`] if it could not be read; what is wrong with the chain is not an error but the answer.
pub async fn verify(
    store: &dyn Store,
    expected: Option<Head>,
    signed: Signed<'_>,
) -> Result<Result<Summary, Bad>, StoreError> {
    let mut start = store.audit_start().await?;
    let mut told = verify_after(store, start, expected, signed).await?;
    for _ in 1..TRIES {
        let now = store.audit_start().await?;
        if told.is_ok() || now == start {
            break;
        }
        start = now;
        told = verify_after(store, start, expected, signed).await?;
    }
    Ok(told)
}

async fn verify_after(
    store: &dyn Store,
    start: Head,
    expected: Option<Head>,
    signed: Signed<'_>,
) -> Result<Result<Summary, Bad>, StoreError> {
    let mut verifier = Verifier::new(start);
    if let Some(head) = expected {
        verifier = match verifier.expecting(head) {
            Ok(verifier) => verifier,
            Err(bad) => return Ok(Err(bad)),
        };
    }
    let mut checkpoints = store.checkpoints(start.seq, PAGE).await?;
    let mut used = 0;
    let mut page: Vec<AuditRow> = Vec::new();
    loop {
        let last = page.last().map(|row| row.seq);
        for row in std::mem::take(&mut page).into_iter().map(Some).chain(last.is_none().then_some(None)) {
            if let Some(row) = &row
                && let Err(bad) = verifier.row(row)
            {
                return Ok(Err(bad));
            }
            // Those of this row; any that are left behind are of a row that is not there.
            while let Some(checkpoint) = checkpoints.get(used).filter(|of| of.seq < verifier.next()) {
                if let Err(bad) = verifier.checkpoint(checkpoint, signed(&checkpoint.signature).as_ref()) {
                    return Ok(Err(bad));
                }
                used += 1;
                if used == checkpoints.len() && used == PAGE {
                    checkpoints = store.checkpoints(checkpoint.seq + 1, PAGE).await?;
                    used = 0;
                }
            }
        }
        let after = verifier.next() - 1;
        let query =
            AuditQuery { after_seq: Some(after), newest_first: false, most: PAGE, ..AuditQuery::default() };
        page = store.audit(query).await?;
        if page.is_empty() {
            break;
        }
        // A store that reads where it is asked never waits: between pages it is everybody else's turn.
        tokio::task::yield_now().await;
    }
    // A checkpoint made after its page was read may be about a row that was not looked at.
    let left = checkpoints.get(used).filter(|of| of.seq >= verifier.next());
    if let Some(checkpoint) = left
        && store.audit_head().await?.seq < checkpoint.seq
    {
        let bad = verifier.checkpoint(checkpoint, None).err();
        return Ok(bad.map_or_else(|| verifier.finish(), Err));
    }
    Ok(verifier.finish())
}

/// The event a row was written for, with what is left of it; `None` for one that no longer reads back.
pub(crate) fn event(row: AuditRow) -> Option<Event> {
    let entry = row.entry;
    let call = entry.method.map(|method| {
        Box::new(CallFacts {
            request: entry.request,
            trace: entry.trace,
            method,
            name: entry.name,
            decision: entry.decision.unwrap_or_default().into(),
            rule: entry.rule,
            latency: entry.latency.map(|micros| std::time::Duration::from_micros(micros.unsigned_abs())),
            ending: entry.ending.map(Into::into),
        })
    });
    let scopes = |text: &str| -> Option<Scopes> {
        text.split_terminator(' ').map(|word| Scope::parse(word).ok()).collect()
    };
    Some(Event {
        at: entry.at,
        kind: EventKind::parse(&entry.kind)?,
        user: entry.user,
        client: entry.client.as_deref().and_then(ClientId::parse),
        grant: entry.agent,
        resource: entry.resource.as_deref().and_then(|text| Resource::parse(text).ok()),
        scopes: entry.scopes.as_deref().and_then(scopes),
        reason: entry.reason.as_deref().map(read_reason),
        count: entry.count.and_then(|count| u32::try_from(count).ok()),
        call,
        person: row.person.map(|side| Box::new(side.person)),
    })
}

/// The most words, beyond the known ones, that are remembered as reasons of events.
const REASONS: usize = 256;

/// Stands for a reason that is no longer told apart.
const OTHER: &str = "other";

/// Gives back the fixed word that a reason was written from. Only words of the program are ever written, so few
/// need remembering; beyond [`REASONS`] a word reads as "other".
fn read_reason(word: &str) -> &'static str {
    static SEEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if let Some(reason) = EndReason::parse(word) {
        return reason.as_str();
    }
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = seen.get(word) {
        return known;
    }
    if seen.len() >= REASONS {
        return OTHER;
    }
    let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
    seen.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use portcullis_rules::verdict::Write;
    use portcullis_wire::time::UnixTime;

    use super::*;

    #[tokio::test]
    async fn verifying_gives_way_after_each_page() {
        let store = crate::memory();
        let row = Event::new(EventKind::SignedIn, UnixTime::from_seconds(1_800_000_000));
        let writes = vec![Write::Audit(row); 3 * PAGE];
        store.commit(Vec::new(), writes).await.unwrap();
        let mut verifying = std::pin::pin!(verify(&store, None, &|_| None));
        let mut gave_way = 0;
        let told = std::future::poll_fn(|cx| {
            let polled = verifying.as_mut().poll(cx);
            gave_way += usize::from(polled.is_pending());
            polled
        });
        assert_eq!(told.await.unwrap().unwrap().rows, 3 * PAGE as u64);
        assert!(gave_way >= 3, "{gave_way}");
    }

    #[test]
    fn every_reason_reads_back() {
        for reason in ["code_replayed", "a reason no list knows"] {
            assert_eq!(read_reason(reason), reason);
            assert_eq!(read_reason(reason).as_ptr(), read_reason(reason).as_ptr());
        }
    }
}
