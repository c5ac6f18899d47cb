//! Tokens that must not pass.

use aws_lc_rs::hmac;
use portcullis_jose::JoseError;
use portcullis_jose::claims::AccessClaims;
use portcullis_jose::jws::{Profile, peek_header, verify};
use portcullis_jose::key::{Alg, KeySet, SigningKey};
use portcullis_wire::{base64url, limit};
use proptest::prelude::*;

use crate::fixture::{ACCESS, access, all_keys, compact, key, read, set};

fn token() -> String {
    key(Alg::Es256).sign("at+jwt", &access()).unwrap()
}

/// The signed part and the raw signature of a good token.
fn halves(token: &str) -> (&str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    (signed, base64url::decode(signature).unwrap())
}

fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", halves(token).0, base64url::encode(signature))
}

#[test]
fn t_alg_no_algorithm_but_the_keys_own_is_used() {
    let spellings = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "none\\u0000",
        "",
        "HS256",
        "hs256",
        "HS256 ",
        "HS384",
        "HS512",
        "ES256 ",
        "es256",
        "Es256",
        "ES384",
        "ES512",
        "ES256K",
        "RS256 ",
        "rs256",
        "RS384",
        "RS512",
        "RS1",
        "PS256\\n",
        "PS384",
        "PS512",
        "EDDSA",
        "eddsa",
        "Ed25519",
        "Ed448",
        "RSA-OAEP",
        "dir",
        "A256GCM",
        "ES256",
        "RS256",
        "PS256",
        "EdDSA",
    ];
    let claims = access().to_string();
    let (es, rs) = (key(Alg::Es256), key(Alg::Rs256));
    let (_, good) = halves(&token());
    let secrets: [Vec<u8>; 5] = [
        base64url::decode(rs.public_jwk().n.as_ref().unwrap()).unwrap(),
        base64url::decode(es.public_jwk().x.as_ref().unwrap()).unwrap(),
        serde_json::to_vec(&es.public_jwk()).unwrap(),
        es.kid().as_bytes().to_vec(),
        vec![0],
    ];
    let kids = [Some(es.kid()), Some(rs.kid()), Some(key(Alg::Ps256).kid()), Some("other"), None];
    let mut forged = 0;
    for spelling in spellings {
        for kid in kids {
            let kid = kid.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
            let header = format!(r#"{{"alg":"{spelling}","typ":"at+jwt"{kid}}}"#);
            let signed =
                format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()));
            let mut signatures =
                vec![good.clone(), vec![0; 64], vec![0; 256], vec![0], signed.clone().into_bytes()];
            for secret in &secrets {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
                signatures.push(hmac::sign(&secret, signed.as_bytes()).as_ref().to_vec());
            }
            for signature in signatures {
                let outcome = read(&compact(&header, &claims, &signature));
                assert!(outcome.is_err(), "{header}");
                forged += 1;
            }
        }
    }
    assert!(forged >= 400);
}

#[test]
fn t_alg_a_key_signs_with_its_own_algorithm_alone() {
    // The same RSA numbers under the other padding: the header asks, the key record refuses.
    let rs = key(Alg::Rs256);
    let ps = SigningKey::from_pkcs8(Alg::Ps256, &rs.to_pkcs8().unwrap()).unwrap();
    let token = ps.sign("at+jwt", &access()).unwrap();
    assert_eq!(ps.kid(), rs.kid());
    assert_eq!(verify::<AccessClaims>(&token, &ACCESS, &set(&[rs])).unwrap_err(), JoseError::AlgorithmOfKey);
    assert!(verify::<AccessClaims>(&token, &ACCESS, &set(&[&ps])).is_ok());
}

#[test]
fn t_alg_the_profile_decides_which_algorithms_there_are() {
    let only_rs = Profile { algs: &[Alg::Rs256], ..ACCESS };
    assert_eq!(verify::<AccessClaims>(&token(), &only_rs, &all_keys()).unwrap_err(), JoseError::Algorithm);
    let none = Profile { algs: &[], ..ACCESS };
    assert_eq!(verify::<AccessClaims>(&token(), &none, &all_keys()).unwrap_err(), JoseError::Algorithm);
}

#[test]
fn t_alg_es256_signatures_are_two_raw_numbers() {
    let token = token();
    let (_, good) = halves(&token);
    let number = |part: &[u8]| {
        let mut bytes = part.to_vec();
        while bytes.len() > 1 && bytes[0] == 0 && bytes[1] < 0x80 {
            bytes.remove(0);
        }
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        [vec![2, bytes.len() as u8], bytes].concat()
    };
    let inside = [number(&good[..32]), number(&good[32..])].concat();
    let der = [vec![0x30, inside.len() as u8], inside].concat();
    let zero_r = [vec![0; 32], good[32..].to_vec()].concat();
    let zero_s = [good[..32].to_vec(), vec![0; 32]].concat();
    for (name, signature) in [
        ("all zero", vec![0; 64]),
        ("r is zero", zero_r),
        ("s is zero", zero_s),
        ("all ones", vec![0xff; 64]),
        ("the order itself", [ORDER, ORDER].concat()),
        ("DER", der),
        ("padded", [vec![0], good.clone()].concat()),
        ("with a tail", [good.clone(), vec![0]].concat()),
        ("halves swapped", [&good[32..], &good[..32]].concat()),
    ] {
        assert_eq!(read(&with_signature(&token, &signature)).unwrap_err(), JoseError::Signature, "{name}");
    }
}

/// The order of P-256 (FIPS 186).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn rfc7518_3_4_either_of_the_two_valid_s_is_taken() {
    let token = token();
    let (_, mut signature) = halves(&token);
    let mut borrow = 0;
    for place in (0..32).rev() {
        let difference = i32::from(ORDER[place]) - i32::from(signature[32 + place]) - borrow;
        borrow = i32::from(difference < 0);
        signature[32 + place] = difference.rem_euclid(256) as u8;
    }
    assert!(read(&with_signature(&token, &signature)).is_ok());
}

#[test]
fn t_trunc_every_prefix_suffix_and_bit_flip_is_refused() {
    let token = token();
    assert!(read(&token).is_ok());
    let keys = all_keys();
    let refused = |text: &str| assert!(verify::<AccessClaims>(text, &ACCESS, &keys).is_err(), "{text}");
    for end in 0..token.len() {
        refused(&token[..end]);
        refused(&token[end + 1..]);
    }
    for place in 0..token.len() {
        for bit in 0..8 {
            let mut bytes = token.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                refused(&text);
            }
        }
    }
    for tail in ["=", "==", ".", " ", "\n", "A", "\0", ".A"] {
        refused(&format!("{token}{tail}"));
    }
    for front in [" ", "Bearer ", ".", "\u{feff}"] {
        refused(&format!("{front}{token}"));
    }
}

#[test]
fn t_jwe_as_jws_five_parts_are_not_three() {
    let token = token();
    for (name, text) in [
        ("five parts", format!("{token}.AA.AA")),
        ("four parts", format!("{token}.AA")),
        ("two parts", halves(&token).0.to_owned()),
        ("no dot", "AAAA".to_owned()),
        ("nothing", String::new()),
        ("empty parts", "..".to_owned()),
        ("no signature", format!("{}.", halves(&token).0)),
        ("no payload", "e30..AA".to_owned()),
    ] {
        assert_eq!(read(&text).unwrap_err(), JoseError::Shape, "{name}");
    }
}

#[test]
fn t_jwt_bomb_size_is_judged_before_anything_else() {
    assert_eq!(read(&".".repeat(limit::JWT + 1)).unwrap_err(), JoseError::TooLong);
    assert_eq!(read(&".".repeat(limit::JWT)).unwrap_err(), JoseError::Shape);
    assert_eq!(peek_header(&"A".repeat(10_000_000)).unwrap_err(), JoseError::TooLong);
    let deep = compact(&"[".repeat(4000), "{}", &[0]);
    assert_eq!(read(&deep).unwrap_err(), JoseError::Header);
    let mut large = access();
    large["scope"] = "a".repeat(limit::JWT).into();
    assert_eq!(key(Alg::Es256).sign("at+jwt", &large).unwrap_err(), JoseError::TooLong);
}

#[test]
fn t_alg_keys_that_travel_in_the_token_are_never_used() {
    let stranger = SigningKey::generate(Alg::Es256).unwrap();
    let jwk = serde_json::to_string(&stranger.public_jwk()).unwrap();
    let pkcs8 = stranger.to_pkcs8().unwrap();
    let own = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &pkcs8,
    )
    .unwrap();
    for (kid, expected) in
        [(stranger.kid(), JoseError::UnknownKey), (key(Alg::Es256).kid(), JoseError::Signature)]
    {
        let header = format!(
            r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jwk":{jwk},"jku":"https://evil.example"}}"#
        );
        let claims = access().to_string();
        let signed = compact(&header, &claims, &[]);
        let signed = signed.trim_end_matches('.');
        let signature = own.sign(&aws_lc_rs::rand::SystemRandom::default(), signed.as_bytes()).unwrap();
        assert_eq!(read(&compact(&header, &claims, signature.as_ref())).unwrap_err(), expected);
    }
}

#[test]
fn t_empty_key_no_key_is_no_yes() {
    let empty = KeySet::parse(br#"{"keys":[]}"#).unwrap();
    assert_eq!(verify::<AccessClaims>(&token(), &ACCESS, &empty).unwrap_err(), JoseError::UnknownKey);
    let symmetric = KeySet::parse(br#"{"keys":[{"kty":"oct"}]}"#).unwrap();
    assert!(symmetric.is_empty());
    let forged = compact(r#"{"alg":"HS256","typ":"at+jwt"}"#, &access().to_string(), &[0; 32]);
    assert_eq!(verify::<AccessClaims>(&forged, &ACCESS, &symmetric).unwrap_err(), JoseError::Algorithm);
}

#[test]
fn r23_a_token_of_an_unknown_key_says_so() {
    let other = SigningKey::generate(Alg::Es256).unwrap();
    let token = other.sign("at+jwt", &access()).unwrap();
    assert_eq!(read(&token).unwrap_err(), JoseError::UnknownKey);
    assert!(verify::<AccessClaims>(&token, &ACCESS, &set(&[&other])).is_ok());
}

#[test]
fn a_token_without_kid_needs_exactly_one_fitting_key() {
    let (one, two) = (SigningKey::generate(Alg::EdDsa).unwrap(), SigningKey::generate(Alg::EdDsa).unwrap());
    let claims = access().to_string();
    let header = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
    let own = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&one.to_pkcs8().unwrap()).unwrap();
    let signed = compact(header, &claims, &[]);
    let token = compact(header, &claims, own.sign(signed.trim_end_matches('.').as_bytes()).as_ref());
    let outcome = |keys: &[&SigningKey]| verify::<AccessClaims>(&token, &ACCESS, &set(keys)).map(|v| v.kid);
    assert_eq!(outcome(&[&one, key(Alg::Es256)]), Ok(Some(one.kid().to_owned())));
    assert_eq!(outcome(&[&one, &two]), Err(JoseError::AmbiguousKey));
    assert_eq!(outcome(&[&two]), Err(JoseError::Signature));
    assert_eq!(outcome(&[key(Alg::Es256)]), Err(JoseError::UnknownKey));
}

proptest! {
    #[test]
    fn nothing_a_stranger_sends_is_taken_or_breaks_the_reader(text in "\\PC*") {
        prop_assert!(read(&text).is_err());
    }

    #[test]
    fn no_header_with_a_foreign_signature_is_taken(header in "\\PC{0,60}", claims in "\\PC{0,60}", signature: Vec<u8>) {
        prop_assert!(read(&compact(&header, &claims, &signature)).is_err());
    }
}
