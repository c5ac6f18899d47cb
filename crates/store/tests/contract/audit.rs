//! The audit trail of every store: one chain, whatever happens.

use std::time::Duration;

use portcullis_rules::audit::{
    AuditKeep, AuditQuery, Bad, Checkpoint, CheckpointClaims, Head, Summary, Wrong, checkpoint_claims, hex,
};
use portcullis_rules::event::{CallFacts, Event, EventKind, Personal};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::contract::AUDIT_BATCH;
use portcullis_store::{CommitError, Store, audit};
use portcullis_wire::digest::Digest;

use crate::World;
use crate::given::*;

/// The `n`th call: by one of three agents of one of two clients and people, at one of two resources.
pub(crate) fn call(n: u64) -> Event {
    Event::new(EventKind::of_method("tools/call"), hours(n))
        .user(user_id(n % 2))
        .client(&client_id(n % 2))
        .grant(grant_id(n % 3))
        .access(&resource(n % 2), &scopes("a b"))
        .call(CallFacts {
            request: Some(format!("req-{n}")),
            trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
            method: "tools/call".to_owned(),
            name: Some(format!("tool_{}", n % 5)),
            decision: if n.is_multiple_of(4) { "hidden" } else { "allowed" }.into(),
            rule: Some("scope a".to_owned()),
            latency: Some(Duration::from_micros(1500 + n)),
            ending: Some("answered".into()),
        })
        .person(Personal {
            name: Some(format!("person {}", n % 2)),
            arguments: Some(Digest::of(format!("arguments {n}").as_bytes())),
            values: n.is_multiple_of(3).then(|| format!(r#"{{"id":{n}}}"#)),
        })
}

pub(crate) fn calls(range: std::ops::Range<u64>) -> Vec<Write> {
    range.map(|n| Write::Audit(call(n))).collect()
}

/// Stands for a signature: the claims, and a digest that no change of them keeps.
pub(crate) fn sign(claims: &CheckpointClaims) -> Checkpoint {
    let text = serde_json::to_string(claims).unwrap();
    claims.signed(format!("{} {text}", hex::digest(&Digest::of(text.as_bytes()))))
}

pub(crate) fn claims_of(signature: &str) -> Option<CheckpointClaims> {
    let (digest, text) = signature.split_once(' ')?;
    (hex::digest(&Digest::of(text.as_bytes())) == digest).then(|| serde_json::from_str(text).ok())?
}

/// A checkpoint of where the chain stands.
pub(crate) async fn checkpoint(store: &dyn Store) -> Checkpoint {
    let head = store.audit_head().await.unwrap();
    sign(&checkpoint_claims("https://host.example", &head, hours(99), &[head]))
}

pub(crate) async fn verified(store: &dyn Store, expected: Option<Head>) -> Result<Summary, Bad> {
    audit::verify(store, expected, &claims_of).await.unwrap()
}

async fn seqs(store: &dyn Store, query: AuditQuery) -> Vec<u64> {
    store.audit(query).await.unwrap().into_iter().map(|row| row.seq).collect()
}

pub(crate) async fn w19_entries_stand_in_one_chain_in_the_order_of_commits(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    let nothing = store.audit_head().await.unwrap();
    assert_eq!(nothing, Head::of_nothing(nothing.node));
    assert_eq!(store.audit_start().await.unwrap(), nothing);
    store.commit(vec![], calls(1..4)).await.unwrap();
    // A verdict that is undone leaves no number out.
    let spend = || Write::Spend { digest: digest("once", 0), until: hours(1) };
    store.commit(vec![], vec![spend(), Write::Audit(call(4))]).await.unwrap();
    let again = store.commit(vec![], vec![Write::Audit(call(9)), spend()]).await;
    assert_eq!(again, Err(CommitError::Conflict));
    let refused = store.commit(vec![Expect::UserEnabled(user_id(3))], vec![Write::Audit(call(9))]).await;
    assert_eq!(refused, Err(CommitError::Conflict));
    store.commit(vec![], vec![Write::Audit(call(5))]).await.unwrap();
    let told = verified(store, None).await.unwrap();
    assert_eq!((told.rows, told.head.seq, told.signed), (5, 5, None));
    assert_eq!(told.head, store.audit_head().await.unwrap());
    let rows = store.audit(AuditQuery { newest_first: false, ..AuditQuery::default() }).await.unwrap();
    for (row, n) in rows.iter().zip(1_u64..) {
        assert_eq!((row.seq, row.entry.request.as_deref()), (n, Some(&*format!("req-{n}"))));
        assert_eq!(row.entry.latency, Some(1500 + n.cast_signed()));
        assert_eq!(row.entry.scopes.as_deref(), Some("a b"));
    }
    let events = store.events(2).await.unwrap();
    assert_eq!(events, [call(5), call(4)], "an event reads back as it was written");
}

pub(crate) async fn t_audit_a_hundred_writers_make_one_chain(make: fn() -> World) {
    let world = make();
    let writers: Vec<_> = (0..100_u64)
        .map(|n| {
            let store = std::sync::Arc::clone(&world.store);
            tokio::spawn(async move {
                let mut writes = calls(n..n + 1);
                writes.push(Write::Spend { digest: digest("once", n / 2), until: hours(1) });
                store.commit(vec![], writes).await.is_ok()
            })
        })
        .collect();
    let mut held = 0;
    for writer in writers {
        held += u64::from(writer.await.unwrap());
    }
    assert_eq!(held, 50, "the other half spent what was spent");
    let told = verified(&*world.store, None).await.unwrap();
    assert_eq!((told.rows, told.head.seq), (50, 50));
}

pub(crate) async fn w19_the_trail_is_asked_by_everything_it_knows(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    let mut writes = calls(1..25);
    writes.push(Write::Audit(Event::new(EventKind::KeyRotated, hours(25))));
    // Written late: its time lies before those of its neighbours.
    writes.push(Write::Audit(call(10)));
    store.commit(vec![], writes).await.unwrap();
    let all = store
        .audit(AuditQuery { newest_first: false, most: usize::MAX, ..AuditQuery::default() })
        .await
        .unwrap();
    assert_eq!(all.len(), 26);
    let q = AuditQuery::default;
    let queries = [
        q(),
        AuditQuery { agent: Some(grant_id(1)), ..q() },
        AuditQuery { user: Some(user_id(1)), ..q() },
        AuditQuery { client: Some(client_id(1)), ..q() },
        AuditQuery { resource: Some(resource(1)), ..q() },
        AuditQuery { tool: Some("tool_3".to_owned()), ..q() },
        AuditQuery { decision: Some("hidden".to_owned()), ..q() },
        AuditQuery { kinds: vec![EventKind::KeyRotated, EventKind::SignedIn], ..q() },
        AuditQuery { since: Some(hours(9)), ..q() },
        AuditQuery { until: Some(hours(10)), ..q() },
        AuditQuery { since: Some(hours(9)), until: Some(hours(11)), ..q() },
        AuditQuery { since: Some(hours(10)), until: Some(hours(9)), ..q() },
        AuditQuery { since: Some(hours(9)), user: Some(user_id(0)), tool: Some("tool_0".to_owned()), ..q() },
        AuditQuery { agent: Some(grant_id(1)), client: Some(client_id(0)), until: Some(hours(20)), ..q() },
        AuditQuery { after_seq: Some(20), ..q() },
        AuditQuery { before_seq: Some(5), ..q() },
        AuditQuery { after_seq: Some(3), before_seq: Some(9), since: Some(hours(5)), ..q() },
        AuditQuery { after_seq: Some(u64::MAX), ..q() },
        AuditQuery { before_seq: Some(0), ..q() },
        AuditQuery { tool: Some("%".to_owned()), ..q() },
        AuditQuery { personal: true, ..q() },
    ];
    let mut found = 0;
    for query in queries {
        for newest_first in [true, false] {
            for most in [0, 1, 3, 100] {
                let query = AuditQuery { newest_first, most, ..query.clone() };
                let mut expected: Vec<_> = all.iter().filter(|row| query.holds(row)).cloned().collect();
                if newest_first {
                    expected.reverse();
                }
                expected.truncate(most);
                found += expected.len();
                assert_eq!(store.audit(query.clone()).await.unwrap(), expected, "{query:?}");
            }
        }
    }
    assert!(found > 300, "{found}");
    let late = AuditQuery { since: Some(hours(10)), until: Some(hours(11)), ..q() };
    assert_eq!(seqs(store, late).await, [26, 10], "also the one that was written late");
}

pub(crate) async fn t_audit_erasing_a_person_keeps_the_chain_and_only_theirs_goes(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    store.commit(vec![], calls(1..13)).await.unwrap();
    let head = store.audit_head().await.unwrap();
    let known = store.personal(user_id(1), 0, 100).await.unwrap();
    assert_eq!(known.len(), 6);
    assert!(known.iter().all(|row| row.person.as_ref().unwrap().person.name.as_deref() == Some("person 1")));
    assert_eq!(store.personal(user_id(1), known[1].seq, 2).await.unwrap(), known[2..4]);

    store.commit(vec![], vec![Write::ErasePerson(user_id(1))]).await.unwrap();
    store.commit(vec![], vec![Write::ErasePerson(user_id(1))]).await.unwrap();
    assert!(store.personal(user_id(1), 0, 100).await.unwrap().is_empty());
    assert_eq!(store.personal(user_id(0), 0, 100).await.unwrap().len(), 6);
    let told = verified(store, Some(head)).await.unwrap();
    assert_eq!((told.head, told.erased), (head, 6));
    let rows = store.audit(AuditQuery { user: Some(user_id(1)), ..AuditQuery::default() }).await.unwrap();
    assert_eq!(rows.len(), 6, "what happened is still told, by the random id");
    assert!(rows.iter().all(|row| row.person.is_none() && row.mac.is_some()));
    assert!(!format!("{rows:?}").contains("person 1"));
}

pub(crate) async fn w19_a_checkpoint_is_about_a_row_that_is_there(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    let early = checkpoint(store).await;
    let put = |checkpoint: &Checkpoint| store.commit(vec![], vec![Write::Checkpoint(checkpoint.clone())]);
    assert_eq!(put(&early).await, Err(CommitError::Conflict), "there is nothing to vouch for");
    store.commit(vec![], calls(1..4)).await.unwrap();
    let third = checkpoint(store).await;
    for (name, wrong) in [
        ("a row to come", Checkpoint { seq: 4, ..third.clone() }),
        ("another hash", Checkpoint { hash: digest("hash", 0), ..third.clone() }),
        ("no number a row can have", Checkpoint { seq: u64::MAX, ..third.clone() }),
    ] {
        assert_eq!(put(&wrong).await, Err(CommitError::Conflict), "{name}");
    }
    assert!(put(&third).await.is_ok());
    assert_eq!(put(&third).await, Err(CommitError::Conflict), "there is one for it already");
    store.commit(vec![], calls(4..6)).await.unwrap();
    let fifth = checkpoint(store).await;
    assert!(put(&fifth).await.is_ok());
    assert_eq!(store.checkpoints(0, 9).await.unwrap(), [third.clone(), fifth.clone()]);
    assert_eq!(store.checkpoints(4, 9).await.unwrap(), std::slice::from_ref(&fifth));
    assert_eq!(store.checkpoints(0, 1).await.unwrap(), [third]);
    store.commit(vec![], calls(6..7)).await.unwrap();
    let told = verified(store, None).await.unwrap();
    assert_eq!((told.rows, told.checkpoints, told.signed), (6, 2, Some(5)));
    let forged = audit::verify(store, None, &|_| None).await.unwrap();
    assert_eq!(forged, Err(Bad { seq: 3, wrong: Wrong::CheckpointSignature }));
}

pub(crate) async fn t_audit_old_rows_go_only_up_to_a_checkpoint(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    store.commit(vec![], calls(1..5)).await.unwrap();
    let first = store.audit_head().await.unwrap();
    let all = AuditKeep { since: Some(hours(99)), most: 0 };
    assert_eq!(store.sweep_audit(all).await.unwrap(), 0, "nothing vouches for them");
    let mut marks = Vec::new();
    for n in [5, 8] {
        let mark = checkpoint(store).await;
        store.commit(vec![], vec![Write::Checkpoint(mark.clone())]).await.unwrap();
        marks.push(mark);
        store.commit(vec![], calls(n..n + 3)).await.unwrap();
    }
    let head = store.audit_head().await.unwrap();
    assert_eq!((marks[0].seq, marks[1].seq, head.seq), (4, 7, 10));

    for (name, keep, gone, start) in [
        ("nothing is old", AuditKeep { since: Some(hours(1)), most: 10 }, 0, 0),
        ("old ones, before the checkpoint", AuditKeep { since: Some(hours(4)), most: 10 }, 0, 0),
        ("as far as the checkpoint", AuditKeep { since: Some(hours(6)), most: 10 }, 4, 4),
        ("again", AuditKeep { since: Some(hours(6)), most: 10 }, 0, 4),
        ("too many, before the checkpoint", AuditKeep { since: None, most: 4 }, 0, 4),
        ("too many", AuditKeep { since: None, most: 2 }, 3, 7),
        ("everything", all, 0, 7),
    ] {
        assert_eq!(store.sweep_audit(keep).await.unwrap(), gone, "{name}");
        assert_eq!(store.audit_start().await.unwrap().seq, start, "{name}");
        let told = verified(store, Some(head)).await.unwrap();
        assert_eq!((told.head, told.after, told.rows), (head, start, head.seq - start), "{name}");
    }
    assert_eq!(store.checkpoints(0, 9).await.unwrap(), [marks[1].clone()]);
    assert_eq!(seqs(store, AuditQuery::default()).await, [10, 9, 8]);
    let old = verified(store, Some(first)).await;
    assert_eq!(old, Err(Bad { seq: 4, wrong: Wrong::BeforeKept }));

    let last = checkpoint(store).await;
    store.commit(vec![], vec![Write::Checkpoint(last)]).await.unwrap();
    assert_eq!(store.sweep_audit(all).await.unwrap(), 3);
    assert!(seqs(store, AuditQuery::default()).await.is_empty());
    assert_eq!(store.audit_head().await.unwrap(), head, "the chain goes on from where it was");
    store.commit(vec![], calls(11..13)).await.unwrap();
    let told = verified(store, Some(head)).await.unwrap();
    assert_eq!((told.head.seq, told.after, told.rows), (12, 10, 2));
}

pub(crate) async fn t_audit_removing_is_bounded_and_what_goes_is_not_shown(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    store.commit(vec![], calls(0..AUDIT_BATCH + 100)).await.unwrap();
    let mark = checkpoint(store).await;
    store.commit(vec![], vec![Write::Checkpoint(mark)]).await.unwrap();
    store.commit(vec![], calls(0..1)).await.unwrap();
    let keep = AuditKeep { since: None, most: 1 };
    assert_eq!(store.sweep_audit(keep).await.unwrap(), AUDIT_BATCH);
    assert_eq!(seqs(store, AuditQuery::default()).await, [AUDIT_BATCH + 101]);
    assert!(verified(store, None).await.is_ok());
    assert_eq!(store.sweep_audit(keep).await.unwrap(), 100);
    assert_eq!(store.sweep_audit(keep).await.unwrap(), 0);
    assert!(verified(store, None).await.is_ok());
}

pub(crate) async fn w19_verifying_goes_on_over_many_pages(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    let mut marks = 0;
    for n in 0..21_u64 {
        store.commit(vec![], calls(n * 117..(n + 1) * 117)).await.unwrap();
        if n.is_multiple_of(3) {
            let mark = checkpoint(store).await;
            store.commit(vec![], vec![Write::Checkpoint(mark)]).await.unwrap();
            marks += 1;
        }
    }
    let told = verified(store, None).await.unwrap();
    assert_eq!((told.rows, told.checkpoints, told.signed), (21 * 117, marks, Some(19 * 117)));
}

/// Three blocks of the index, someone who is everywhere, and someone who is seldom there.
pub(crate) async fn w19_questions_find_the_rare_and_the_common_in_a_long_trail(make: fn() -> World) {
    let world = make();
    let store = &*world.store;
    let rare = [100, 4095, 4096, 8200];
    for n in 0..3_u64 {
        let writes = (n * 3000 + 1..(n + 1) * 3000 + 1).map(|seq| {
            let mut event = call(seq % 24);
            if rare.contains(&seq) {
                event.grant = Some(grant_id(3));
                event.user = Some(user_id(3));
                event.client = Some(client_id(3));
                event.call.as_mut().unwrap().name = Some("rare".to_owned());
            }
            Write::Audit(event)
        });
        store.commit(vec![], writes.collect()).await.unwrap();
        if n == 1 {
            let mark = checkpoint(store).await;
            store.commit(vec![], vec![Write::Checkpoint(mark)]).await.unwrap();
        }
    }
    let q = AuditQuery::default;
    for query in [
        AuditQuery { agent: Some(grant_id(3)), ..q() },
        AuditQuery { user: Some(user_id(3)), ..q() },
        AuditQuery { client: Some(client_id(3)), ..q() },
        AuditQuery { tool: Some("rare".to_owned()), ..q() },
    ] {
        assert_eq!(seqs(store, query.clone()).await, [8200, 4096, 4095, 100], "{query:?}");
        let after = AuditQuery { after_seq: Some(100), before_seq: Some(8200), ..query.clone() };
        assert_eq!(seqs(store, AuditQuery { newest_first: false, ..after.clone() }).await, [4095, 4096]);
        assert_eq!(seqs(store, AuditQuery { most: 1, ..after }).await, [4096]);
        let since = AuditQuery { since: Some(hours(15)), ..query };
        let fits = |seq: &u64| seq % 24 >= 15;
        let expected: Vec<u64> = rare.iter().rev().copied().filter(fits).collect();
        assert_eq!(seqs(store, since).await, expected);
    }
    let common = AuditQuery { agent: Some(grant_id(1)), most: 5, ..q() };
    assert_eq!(seqs(store, common.clone()).await, [8998, 8995, 8992, 8989, 8986]);
    let oldest = AuditQuery { newest_first: false, ..common };
    assert_eq!(seqs(store, oldest.clone()).await, [1, 4, 7, 10, 13]);

    let keep = AuditKeep { since: None, most: 3000 };
    while store.sweep_audit(keep).await.unwrap() > 0 {}
    assert_eq!(store.audit_start().await.unwrap().seq, 6000);
    assert_eq!(seqs(store, oldest).await, [6001, 6004, 6007, 6010, 6013]);
    assert_eq!(seqs(store, AuditQuery { tool: Some("rare".to_owned()), ..q() }).await, [8200]);
    store.commit(vec![], vec![Write::ErasePerson(user_id(3))]).await.unwrap();
    assert!(store.personal(user_id(3), 0, 9).await.unwrap().is_empty());
    assert_eq!(verified(store, None).await.unwrap().erased, 1);
}
