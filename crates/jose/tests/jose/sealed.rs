//! Sealed values, derived keys and tags.

use portcullis_jose::master::MasterKey;
use portcullis_jose::seal::{OVERHEAD, Sealer, open_under, seal_under, tag};
use proptest::prelude::*;

#[test]
fn every_change_to_a_sealed_value_is_noticed() {
    let sealer = Sealer::new([1; 32]);
    let sealed = sealer.seal(b"table/row", [2; 12], b"secret");
    assert_eq!(sealed.len(), 6 + OVERHEAD);
    assert!(!sealed.windows(6).any(|window| window == b"secret"));
    assert_eq!(sealer.open(b"table/row", &sealed).unwrap().as_slice(), b"secret");
    for length in 0..sealed.len() {
        assert!(sealer.open(b"table/row", &sealed[..length]).is_none(), "{length}");
    }
    for place in 0..sealed.len() {
        for bit in 0..8 {
            let mut other = sealed.clone();
            other[place] ^= 1 << bit;
            assert!(sealer.open(b"table/row", &other).is_none(), "{place} {bit}");
        }
    }
    assert!(sealer.open(b"table/other row", &sealed).is_none());
    assert!(sealer.open(b"", &sealed).is_none());
    assert!(Sealer::new([2; 32]).open(b"table/row", &sealed).is_none());
    assert_eq!(format!("{sealer:?}"), "Sealer(…)");
}

#[test]
fn a_value_sealed_under_a_secret_opens_with_that_secret_alone() {
    let sealed = seal_under("pc_rt_old", b"grant 1", [3; 12], b"pc_rt_new");
    assert_eq!(open_under("pc_rt_old", b"grant 1", &sealed).unwrap().as_slice(), b"pc_rt_new");
    assert!(open_under("pc_rt_older", b"grant 1", &sealed).is_none());
    assert!(open_under("pc_rt_old", b"grant 2", &sealed).is_none());
}

#[test]
fn tags_tell_apart_how_their_parts_are_cut() {
    let of = |parts: &[&[u8]]| tag(&[1; 32], parts);
    let all = [
        of(&[b"ab", b"c"]),
        of(&[b"a", b"bc"]),
        of(&[b"abc"]),
        of(&[b"abc", b""]),
        of(&[]),
        tag(&[2; 32], &[b"abc"]),
    ];
    for (place, one) in all.iter().enumerate() {
        assert!(all[place + 1..].iter().all(|other| other != one), "{place}");
    }
}

#[test]
fn each_label_has_its_own_key_and_each_master_its_own_labels() {
    let (one, two) = (MasterKey::new([1; 32]), MasterKey::new([2; 32]));
    assert_eq!(one.derive("a"), MasterKey::new([1; 32]).derive("a"));
    assert_ne!(one.derive("a"), one.derive("b"));
    assert_ne!(one.derive("a"), two.derive("a"));
    assert_ne!(*one.derive("a"), [1; 32]);
}

proptest! {
    #[test]
    fn what_was_sealed_opens(key: [u8; 32], nonce: [u8; 12], context: Vec<u8>, plain: Vec<u8>) {
        let sealer = Sealer::new(key);
        let sealed = sealer.seal(&context, nonce, &plain);
        prop_assert_eq!(sealer.open(&context, &sealed).map(|opened| opened.to_vec()), Some(plain));
    }
}
