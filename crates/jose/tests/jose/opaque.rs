//! Opaque strings.

use portcullis_jose::master::MasterKey;
use portcullis_jose::mint::{Browser, Code, Control, Kind, Mint, Refresh, Secret, Session, SetupLink};
use portcullis_jose::seal::seal_under;
use portcullis_wire::base64url;
use proptest::prelude::*;

fn mint() -> Mint {
    Mint::new(&MasterKey::new([7; 32]))
}

/// Which kinds read `text`, in the order of [`KINDS`].
fn readers(mint: &Mint, text: &str) -> [bool; 7] {
    [
        mint.read::<Code>(text).is_some(),
        mint.read::<Refresh>(text).is_some(),
        mint.read::<Secret>(text).is_some(),
        mint.read::<Session>(text).is_some(),
        mint.read::<Browser>(text).is_some(),
        mint.read::<SetupLink>(text).is_some(),
        mint.read::<Control>(text).is_some(),
    ]
}

const KINDS: [&str; 7] = [
    Code::PREFIX,
    Refresh::PREFIX,
    Secret::PREFIX,
    Session::PREFIX,
    Browser::PREFIX,
    SetupLink::PREFIX,
    Control::PREFIX,
];

fn one_of_each(mint: &Mint) -> [String; 7] {
    [
        mint.mint::<Code>(5, [1; 32]).expose().to_owned(),
        mint.mint::<Refresh>(5, [1; 32]).expose().to_owned(),
        mint.mint::<Secret>(5, [1; 32]).expose().to_owned(),
        mint.mint::<Session>(5, [1; 32]).expose().to_owned(),
        mint.mint::<Browser>(5, [1; 32]).expose().to_owned(),
        mint.mint::<SetupLink>(5, [1; 32]).expose().to_owned(),
        mint.mint::<Control>(5, [1; 32]).expose().to_owned(),
    ]
}

#[test]
fn t_entropy_prefix_then_81_url_safe_characters() {
    for (text, prefix) in one_of_each(&mint()).iter().zip(KINDS) {
        let rest = text.strip_prefix(prefix).unwrap();
        assert_eq!(rest.len(), 81, "{prefix}");
        assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{prefix}");
    }
}

#[test]
fn t_entropy_all_256_random_bits_reach_the_string() {
    let (mint, zero) = (mint(), [0; 32]);
    let mut seen = std::collections::BTreeSet::from([mint.mint::<Code>(1, zero).expose().to_owned()]);
    for bit in 0..256 {
        let mut random = zero;
        random[bit / 8] ^= 1 << (bit % 8);
        assert!(seen.insert(mint.mint::<Code>(1, random).expose().to_owned()), "bit {bit}");
    }
}

#[test]
fn t_token_types_a_string_of_one_kind_is_never_read_as_another() {
    let mint = mint();
    let texts = one_of_each(&mint);
    for (own, text) in texts.iter().enumerate() {
        for (other, is_read) in readers(&mint, text).into_iter().enumerate() {
            assert_eq!(is_read, own == other, "{} as {}", KINDS[own], KINDS[other]);
        }
        for prefix in KINDS {
            let renamed = format!("{prefix}{}", &text[KINDS[own].len()..]);
            assert_eq!(readers(&mint, &renamed).contains(&true), prefix == KINDS[own], "{prefix}");
            // Not even with a checksum made right again, which anyone can do.
            let body = &renamed[..renamed.len() - 6];
            let again = format!("{body}{}", checksum(body));
            assert_eq!(readers(&mint, &again).contains(&true), prefix == KINDS[own], "{prefix}");
        }
    }
}

/// As a secret scanner would, without any key.
fn checksum(text: &str) -> String {
    let mut sum = u32::MAX;
    for byte in text.bytes() {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    base64url::encode(&(!sum).to_be_bytes())
}

#[test]
fn t_entropy_a_scanner_can_check_a_string_without_our_keys() {
    for text in one_of_each(&mint()) {
        let (body, sum) = text.split_at(text.len() - 6);
        assert_eq!(checksum(body), sum);
    }
}

#[test]
fn t_trunc_every_prefix_and_bit_flip_of_an_opaque_string_is_refused() {
    let mint = mint();
    let text = mint.mint::<Refresh>(42, [9; 32]).expose().to_owned();
    for end in 0..text.len() {
        assert!(mint.read::<Refresh>(&text[..end]).is_none());
    }
    for place in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            assert!(mint.read::<Refresh>(&flipped).is_none(), "{flipped}");
            let Some(body) = flipped.get(..flipped.len() - 6) else { continue };
            let again = format!("{body}{}", checksum(body));
            assert!(again == text || mint.read::<Refresh>(&again).is_none(), "{again}");
        }
    }
    for tail in ["A", "=", " ", "\n", "ä"] {
        assert!(mint.read::<Refresh>(&format!("{text}{tail}")).is_none());
    }
}

#[test]
fn a_string_of_another_server_is_not_ours() {
    let other = Mint::new(&MasterKey::new([8; 32]));
    assert!(mint().read::<Code>(other.mint::<Code>(1, [1; 32]).expose()).is_none());
}

#[test]
fn numbers_do_not_show() {
    let mint = mint();
    let text = |number| mint.mint::<Code>(number, [0; 32]).expose()[Code::PREFIX.len()..][..10].to_owned();
    let shown: std::collections::BTreeSet<_> = (0..100).map(text).collect();
    assert_eq!(shown.len(), 100, "neighbours share no beginning");
    assert!(!shown.contains("AAAAAAAAAA"));
}

#[test]
fn an_opaque_string_prints_as_its_prefix() {
    let code = mint().mint::<Code>(1, [1; 32]);
    assert_eq!(format!("{code:?}"), "pc_code_…");
    assert_eq!(format!("{:?} {:?}", mint(), MasterKey::new([7; 32])), "Mint(…) MasterKey(…)");
    let shown = format!("{:?}", mint().read::<Code>(code.expose()).unwrap());
    assert!(!shown.contains(&code.expose()[9..20]), "{shown}");
}

#[test]
fn a_sealed_string_is_handed_out_again_as_it_was() {
    let mint = mint();
    let first = mint.mint::<Refresh>(3, [4; 32]);
    let again = mint.restore::<Refresh>(first.expose().as_bytes()).unwrap();
    assert_eq!(again.expose(), first.expose());
    assert!(mint.restore::<Code>(first.expose().as_bytes()).is_none());
    assert!(mint.restore::<Refresh>(b"\xff").is_none());
}

#[test]
fn what_an_earlier_version_handed_out_and_sealed_is_still_read() {
    const HANDED_OUT: &str =
        "pc_rt_y0vcSUhojsIJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCZvGT97XFty8T02n69IHlUMnL_jLQ";
    const SEALED: &str = "AQEBAQEBAQEBAQEBXT-MG35Gqzk5RH4wGv7EZJy4Q-bA";
    assert_eq!(mint().mint::<Refresh>(42, [9; 32]).expose(), HANDED_OUT);
    let sealed = base64url::encode(&seal_under(HANDED_OUT, b"context", [1; 12], b"plain"));
    assert_eq!(sealed, SEALED);
}

proptest! {
    #[test]
    fn what_was_minted_reads_back(number: u64, random: [u8; 32], key: [u8; 32]) {
        let mint = Mint::new(&MasterKey::new(key));
        let given = mint.mint::<Refresh>(number, random);
        let read = mint.read::<Refresh>(given.expose()).unwrap();
        prop_assert_eq!(read.number, number);
        prop_assert!(read.digest.matches(&given.digest()));
    }

    #[test]
    fn nothing_made_up_is_read(text in "pc_(code|rt)_[A-Za-z0-9_-]{75}", any in "\\PC*") {
        let mint = mint();
        let valid_sum = format!("{text}{}", checksum(&text));
        for text in [text, valid_sum, any] {
            prop_assert!(!readers(&mint, &text).contains(&true));
        }
    }
}
