use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::time::UnixTime;
use proptest::prelude::*;

use super::super::{SideRow, checkpoint_claims};
use super::*;
use crate::event::{CallFacts, Event, EventKind, Personal};

const NODE: NodeId = NodeId::from_bytes(*b"sixteen bytes of");

fn event(n: u64) -> Event {
    let event = Event::new(EventKind::ToolCalled, UnixTime::from_millis(1000 * n.cast_signed()))
        .user(UserId::from_number(n % 3))
        .client(&ClientId::parse("client-1").unwrap())
        .grant(GrantId::from_number(7));
    let call = CallFacts {
        request: Some(format!("req-{n}")),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        method: "tools/call".to_owned(),
        name: Some("delete_note".to_owned()),
        decision: "allowed".into(),
        rule: Some("scope notes:delete".to_owned()),
        latency: Some(Duration::from_micros(1500)),
        ending: Some("answered".into()),
    };
    if n.is_multiple_of(4) {
        return Event::new(EventKind::KeyRotated, event.at).reason("on_schedule").count(3);
    }
    event.call(call).person(Personal {
        name: Some("alice".to_owned()),
        arguments: Some(Digest::of(b"{}")),
        values: n.is_multiple_of(2).then(|| r#"{"id":1}"#.to_owned()),
    })
}

/// A chain of `n` rows, and its head.
fn chain(n: u64) -> (Vec<AuditRow>, Head) {
    let mut head = Head::of_nothing(NODE);
    let rows = (1..=n).map(|n| head.append(&event(n), || *Digest::of(&n.to_be_bytes()).as_bytes())).collect();
    (rows, head)
}

fn verified(start: Head, rows: &[AuditRow]) -> Result<Summary, Bad> {
    let mut verifier = Verifier::new(start);
    for row in rows {
        verifier.row(row)?;
    }
    verifier.finish()
}

fn whole(rows: &[AuditRow]) -> Result<Summary, Bad> {
    verified(Head::of_nothing(NODE), rows)
}

fn head_of(row: &AuditRow) -> Head {
    Head { node: NODE, seq: row.seq, hash: row.hash }
}

fn signed(head: Head) -> (Checkpoint, CheckpointClaims) {
    let claims = checkpoint_claims("https://host.example", &head, UnixTime::from_seconds(9), &[]);
    (claims.signed("a.b.c".to_owned()), claims)
}

#[test]
fn w19_a_chain_verifies_and_tells_what_it_holds() {
    let (rows, head) = chain(10);
    let told = whole(&rows).unwrap();
    assert_eq!((told.head, told.rows, told.after, told.erased), (head, 10, 0, 0));
    assert_eq!(head.to_string().parse(), Ok(head));
    assert_eq!(whole(&[]).unwrap().head, Head::of_nothing(NODE));
    assert!(Head::of_nothing(NODE) != Head::of_nothing(NodeId::from_bytes([0; 16])));
}

/// The hashes of these entries are published with the form: another program has to find the same ones.
#[test]
fn w19_the_hashes_are_those_another_program_finds() {
    let mut head = Head::of_nothing(NodeId::from_bytes([0; 16]));
    // printf 'portcullis audit chain v1\n' followed by 16 zero bytes, through sha256sum.
    let mut nothing = b"portcullis audit chain v1\n".to_vec();
    nothing.extend_from_slice(&[0; 16]);
    assert_eq!(head.hash, Digest::of(&nothing));
    let before = head.hash;
    let event = Event::new(EventKind::SignedIn, UnixTime::from_millis(1));
    let row = head.append(&event, || [0; 32]);
    let mut bytes = b"portcullis audit entry v1\n".to_vec();
    bytes.extend_from_slice(before.as_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9]);
    bytes.extend_from_slice(b"signed_in");
    bytes.extend_from_slice(&[0xff; 4 * 16]);
    assert_eq!(row.hash, Digest::of(&bytes));
    assert_eq!(row.mac, None);
}

#[test]
fn t_audit_what_is_erased_still_verifies_and_tells_nothing() {
    let (mut rows, head) = chain(10);
    for row in &mut rows {
        if row.entry.user == Some(UserId::from_number(1)) {
            row.person = None;
        }
    }
    let told = whole(&rows).unwrap();
    assert_eq!((told.head, told.erased), (head, 3));
    // The same name and arguments under another salt are not the same seal: nobody can look for them.
    let side = rows[1].person.clone().unwrap();
    assert_ne!(SideRow { salt: Digest::of(b"other"), ..side.clone() }.mac(), side.mac());
}

#[test]
fn t_audit_rows_that_are_missing_swapped_doubled_or_forged_are_named() {
    let (rows, head) = chain(10);
    let without = |at: usize| {
        let mut rows = rows.clone();
        rows.remove(at);
        rows
    };
    let mut swapped = rows.clone();
    swapped.swap(4, 5);
    let mut doubled = rows.clone();
    doubled.insert(4, rows[4].clone());
    let mut renumbered = without(4);
    for (row, seq) in renumbered.iter_mut().zip(1..) {
        row.seq = seq;
    }
    let mut strange = rows.clone();
    let mut fork = head_of(&rows[3]);
    strange[4] = fork.append(&event(99), || [1; 32]);
    let mut named = rows.clone();
    named[3].person = rows[4].person.clone();
    let mut another = rows.clone();
    another[4].person = rows[5].person.clone();
    for (name, rows, seq, wrong) in [
        ("the first is missing", without(0), 1, Wrong::Missing),
        ("one is missing", without(4), 5, Wrong::Missing),
        ("one is missing and the rest renumbered", renumbered, 5, Wrong::Hash),
        ("two are swapped", swapped, 5, Wrong::Missing),
        ("one is there twice", doubled, 6, Wrong::Missing),
        ("one is another's, properly hashed", strange, 6, Wrong::Hash),
        ("a person is put where none was", named, 4, Wrong::Person),
        ("a person is another", another, 5, Wrong::Person),
    ] {
        assert_eq!(whole(&rows), Err(Bad { seq, wrong }), "{name}");
    }
    assert_eq!(
        whole(&rows[..9]).unwrap().head.seq,
        9,
        "what is cut off at the end is seen only from outside"
    );
    assert!(head.seq > 9);
}

#[test]
fn t_audit_a_head_known_from_elsewhere_shows_what_was_cut_off_or_made_anew() {
    let (rows, head) = chain(10);
    let (forged, other) = {
        let mut fork = head_of(&rows[4]);
        let mut rows = rows[..5].to_vec();
        rows.extend((6..=10).map(|n| fork.append(&event(n + 100), || [2; 32])));
        (rows, fork)
    };
    let with = |rows: &[AuditRow], head: Head| {
        let mut verifier = Verifier::new(Head::of_nothing(NODE)).expecting(head)?;
        rows.iter().try_for_each(|row| verifier.row(row))?;
        verifier.finish()
    };
    assert!(with(&rows, head).is_ok());
    assert!(with(&rows, head_of(&rows[4])).is_ok());
    assert!(with(&forged, other).is_ok());
    let nowhere = Head { node: NodeId::from_bytes([0; 16]), ..head };
    for (name, rows, head, seq, wrong) in [
        ("the end is cut off", &rows[..9], head, 10, Wrong::Truncated),
        ("all of it is", &rows[..0], head, 1, Wrong::Truncated),
        ("the end was made anew", &forged[..], head, 10, Wrong::Expected),
        ("the head of another chain", &rows[..], nowhere, 10, Wrong::OtherNode(nowhere.node)),
    ] {
        assert_eq!(with(rows, head), Err(Bad { seq, wrong }), "{name}");
    }
    let start = head_of(&rows[4]);
    let known = head_of(&rows[1]);
    assert_eq!(
        Verifier::new(start).expecting(known).map(drop),
        Err(Bad { seq: 2, wrong: Wrong::BeforeKept })
    );
}

#[test]
fn t_audit_checkpoints_vouch_for_what_a_forger_would_hash_anew() {
    let (rows, _) = chain(10);
    let (checkpoint, claims) = signed(head_of(&rows[5]));
    let with = |rows: &[AuditRow], checkpoint: &Checkpoint, claims: Option<&CheckpointClaims>| {
        let mut verifier = Verifier::new(Head::of_nothing(NODE));
        for row in rows {
            verifier.row(row)?;
            if row.seq == checkpoint.seq {
                verifier.checkpoint(checkpoint, claims)?;
            }
        }
        verifier.finish()
    };
    let told = with(&rows, &checkpoint, Some(&claims)).unwrap();
    assert_eq!((told.checkpoints, told.signed), (1, Some(6)));
    let mut fork = Head::of_nothing(NODE);
    let forged: Vec<_> = (1..=10).map(|n| fork.append(&event(n + 100), || [2; 32])).collect();
    assert_eq!(with(&forged, &checkpoint, Some(&claims)), Err(Bad { seq: 6, wrong: Wrong::CheckpointHash }));
    let of = |change: fn(&mut Checkpoint)| {
        let mut checkpoint = checkpoint.clone();
        change(&mut checkpoint);
        checkpoint
    };
    for (name, checkpoint, claims) in [
        ("no signature of ours", checkpoint.clone(), None),
        ("another time", of(|c| c.at = c.at + Duration::from_secs(1)), Some(&claims)),
        ("a part of a second", of(|c| c.at = c.at + Duration::from_millis(1)), Some(&claims)),
        ("other heads", of(|c| c.heads.push('x')), Some(&claims)),
        ("another hash", of(|c| c.hash = Digest::of(b"x")), Some(&claims)),
    ] {
        let bad = Err(Bad { seq: 6, wrong: Wrong::CheckpointSignature });
        assert_eq!(with(&rows, &checkpoint, claims), bad, "{name}");
    }
    for (name, claims) in [
        ("of another chain", CheckpointClaims { node: NodeId::from_bytes([0; 16]), ..claims.clone() }),
        ("of another row", CheckpointClaims { seq: 5, ..claims.clone() }),
    ] {
        let bad = Err(Bad { seq: 6, wrong: Wrong::CheckpointSignature });
        assert_eq!(with(&rows, &checkpoint, Some(&claims)), bad, "{name}");
    }
    let mut verifier = Verifier::new(Head::of_nothing(NODE));
    assert_eq!(
        verifier.checkpoint(&checkpoint, Some(&claims)),
        Err(Bad { seq: 6, wrong: Wrong::CheckpointOfNothing })
    );
}

#[test]
fn t_audit_what_is_left_after_old_rows_went_begins_at_a_checkpoint() {
    let (rows, head) = chain(10);
    let start = head_of(&rows[3]);
    assert_eq!(verified(start, &rows[4..]), Err(Bad { seq: 4, wrong: Wrong::Start }));
    let (checkpoint, claims) = signed(start);
    let mut verifier = Verifier::new(start);
    verifier.checkpoint(&checkpoint, Some(&claims)).unwrap();
    for row in &rows[4..] {
        verifier.row(row).unwrap();
    }
    let told = verifier.finish().unwrap();
    assert_eq!((told.head, told.after, told.rows), (head, 4, 6));
}

#[test]
fn w19_rows_and_claims_read_back_from_json() {
    let (rows, head) = chain(4);
    for row in rows {
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<AuditRow>(&text).unwrap(), row, "{text}");
    }
    let claims = checkpoint_claims("https://host.example", &head, UnixTime::from_seconds(9), &[head]);
    let text = serde_json::to_string(&claims).unwrap();
    assert_eq!(serde_json::from_str::<CheckpointClaims>(&text).unwrap(), claims);
    let query = super::super::AuditQuery {
        kinds: vec![EventKind::ToolCalled],
        tool: Some("x".to_owned()),
        ..super::super::AuditQuery::default()
    };
    let text = serde_json::to_string(&query).unwrap();
    assert_eq!(serde_json::from_str::<super::super::AuditQuery>(&text).unwrap(), query);
}

/// Every text and number of a row as a place that can be changed.
fn places(row: &mut AuditRow) -> Vec<&mut Option<String>> {
    let entry = &mut row.entry;
    let mut places = vec![
        &mut entry.client,
        &mut entry.resource,
        &mut entry.scopes,
        &mut entry.reason,
        &mut entry.request,
        &mut entry.trace,
        &mut entry.method,
        &mut entry.name,
        &mut entry.decision,
        &mut entry.rule,
        &mut entry.ending,
    ];
    if let Some(side) = &mut row.person {
        places.extend([&mut side.person.name, &mut side.person.values]);
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t_audit_any_changed_text_is_named_at_its_row(
        at in 0..12_usize, place in 0..13_usize, text in proptest::option::of(".{0,6}")
    ) {
        let (mut rows, _) = chain(12);
        let before = rows[at].clone();
        let mut places = places(&mut rows[at]);
        let count = places.len();
        *places[place % count] = text;
        let told = whole(&rows).map(drop);
        if rows[at] == before {
            prop_assert_eq!(told, Ok(()));
        } else {
            let seq = at as u64 + 1;
            let named = told.err().map(|bad| bad.seq);
            prop_assert_eq!(named, Some(seq));
        }
    }

    /// Whatever the words are, two rows that differ do not share a hash.
    #[test]
    fn w19_text_does_not_move_between_fields(a in ".{0,4}", b in ".{0,4}", cut in 0..4_usize) {
        let (mut rows, _) = chain(1);
        let whole = format!("{a}{b}");
        let cut = whole.floor_char_boundary(cut);
        (rows[0].entry.method, rows[0].entry.name) = (Some(a.clone()), Some(b));
        let first = rows[0].hash_after(&rows[0].hash);
        (rows[0].entry.method, rows[0].entry.name) = (Some(whole[..cut].to_owned()), Some(whole[cut..].to_owned()));
        let same = whole[..cut] == *a;
        prop_assert_eq!(rows[0].hash_after(&rows[0].hash) == first, same);
    }
}
