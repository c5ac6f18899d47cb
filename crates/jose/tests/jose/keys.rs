//! Keys and key sets.

use portcullis_jose::JoseError;
use portcullis_jose::key::{Alg, Jwk, Jwks, KeySet, RSA_BITS, SigningKey, VerifyingKey};
use portcullis_wire::{base64url, limit};
use serde_json::{Value, json};

use crate::fixture::{access, key, set};

fn jwk(alg: Alg) -> Value {
    serde_json::to_value(key(alg).public_jwk()).unwrap()
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn parse(keys: &[Value]) -> Result<KeySet, JoseError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn modulus(bits: usize) -> Value {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] = 0xff >> (bytes.len() * 8 - bits);
    base64url::encode(&bytes).into()
}

#[test]
fn a_signing_key_is_the_same_after_it_was_put_away() {
    for alg in Alg::ALL {
        let again = SigningKey::from_pkcs8(alg, &key(alg).to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.kid(), key(alg).kid());
        assert_eq!(again.public_jwk(), key(alg).public_jwk());
        assert_eq!(again.public_jwk().thumbprint().unwrap(), again.kid());
        let other = if alg == Alg::Es256 { Alg::Rs256 } else { Alg::Es256 };
        assert_eq!(SigningKey::from_pkcs8(other, &again.to_pkcs8().unwrap()).unwrap_err(), JoseError::Key);
        assert_eq!(SigningKey::from_pkcs8(alg, b"\x30\x00").unwrap_err(), JoseError::Key);
    }
}

#[test]
fn a_signing_key_is_never_printed_and_may_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<SigningKey>();
    shared::<KeySet>();
    let shown = format!("{:?}", key(Alg::Es256));
    assert_eq!(shown, format!("SigningKey {{ kid: {:?}, alg: Es256, .. }}", key(Alg::Es256).kid()));
}

#[test]
fn rfc7517_5_a_published_set_reads_back() {
    let published = Jwks { keys: Alg::ALL.iter().map(|&alg| key(alg).public_jwk()).collect() };
    let text = serde_json::to_string(&published).unwrap();
    for private in ["\"d\"", "\"p\"", "\"q\"", "\"k\"", "null"] {
        assert!(!text.contains(private), "{private}");
    }
    let set = KeySet::parse(text.as_bytes()).unwrap();
    assert_eq!(set.len(), 4);
    for alg in Alg::ALL {
        assert_eq!(set.find(Some(key(alg).kid()), alg).unwrap().alg(), alg);
    }
}

#[test]
fn rfc7517_5_keys_that_cannot_be_used_are_left_out() {
    let (ec, rsa, ed) = (jwk(Alg::Es256), jwk(Alg::Rs256), jwk(Alg::EdDsa));
    let x = ec["x"].clone();
    for (name, given, usable) in [
        ("EC", ec.clone(), true),
        ("RSA", rsa.clone(), true),
        ("Ed25519", ed.clone(), true),
        ("unknown kty", with(ec.clone(), "kty", json!("AKP")), false),
        ("kty in lower case", with(ec.clone(), "kty", json!("ec")), false),
        ("unknown curve", with(ec.clone(), "crv", json!("P-384")), false),
        ("X25519", with(ed.clone(), "crv", json!("X25519")), false),
        ("unknown alg", with(rsa.clone(), "alg", json!("RS512")), false),
        ("alg none", with(rsa.clone(), "alg", json!("none")), false),
        ("alg of another kind", with(rsa.clone(), "alg", json!("ES256")), false),
        ("alg of a symmetric key", with(ec.clone(), "alg", json!("HS256")), false),
        ("alg null", with(ec.clone(), "alg", Value::Null), false),
        ("for encryption", with(ec.clone(), "use", json!("enc")), false),
        ("for signing", with(ec.clone(), "key_ops", json!(["verify"])), true),
        ("for wrapping", with(ec.clone(), "key_ops", json!(["wrapKey"])), false),
        ("for nothing", with(ec.clone(), "key_ops", json!([])), false),
        ("off the curve", with(ec.clone(), "y", x), false),
        (
            "point at zero",
            with(with(ec.clone(), "x", json!("A".repeat(43))), "y", json!("A".repeat(43))),
            false,
        ),
        ("short coordinate", with(ec.clone(), "x", json!("AAAA")), false),
        ("padded coordinate", with(ec.clone(), "x", json!(format!("{}=", ec["x"].as_str().unwrap()))), false),
        ("y is missing", with(ec.clone(), "y", Value::Null), false),
        ("kid empty", with(ec.clone(), "kid", json!("")), false),
        ("kid a number", with(ec.clone(), "kid", json!(1)), false),
        ("kid too long", with(ec, "kid", json!("k".repeat(257))), false),
        ("short Ed25519", with(ed, "x", json!("AAAA")), false),
        ("2047 bits", with(rsa.clone(), "n", modulus(RSA_BITS.start() - 1)), false),
        ("1024 bits", with(rsa.clone(), "n", modulus(1024)), false),
        ("8193 bits", with(rsa.clone(), "n", modulus(RSA_BITS.end() + 1)), false),
        ("no modulus", with(rsa.clone(), "n", json!("")), false),
        (
            "leading zero",
            with(rsa.clone(), "n", json!(base64url::encode(&[&[0], &[0xff; 256][..]].concat()))),
            false,
        ),
        ("even modulus", with(rsa.clone(), "n", json!(base64url::encode(&[0xfe; 256]))), false),
        ("exponent 1", with(rsa.clone(), "e", json!("AQ")), false),
        ("exponent 0", with(rsa.clone(), "e", json!("AA")), false),
        ("even exponent", with(rsa.clone(), "e", json!("BA")), false),
        ("huge exponent", with(rsa.clone(), "e", json!(base64url::encode(&[0xff; 5]))), false),
        ("no exponent", with(rsa, "e", json!("")), false),
    ] {
        assert_eq!(parse(std::slice::from_ref(&given)).unwrap().len(), usize::from(usable), "{name}");
        let alone = serde_json::from_value::<Jwk>(given).map_err(|_| JoseError::Key);
        assert_eq!(alone.and_then(|jwk| VerifyingKey::from_jwk(&jwk)).is_ok(), usable, "{name}, alone");
    }
}

#[test]
fn rfc7518_3_3_weak_rsa_keys_are_named_so() {
    for bits in [512, 1024, RSA_BITS.start() - 1, RSA_BITS.end() + 1] {
        let weak: Jwk = serde_json::from_value(with(jwk(Alg::Rs256), "n", modulus(bits))).unwrap();
        assert_eq!(VerifyingKey::from_jwk(&weak).unwrap_err(), JoseError::WeakKey, "{bits}");
    }
}

#[test]
fn c05_a_set_that_gives_away_a_private_member_is_refused_whole() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [json!("AA"), Value::Null, json!([]), json!(1)] {
            for base in [jwk(Alg::Es256), json!({"kty": "oct"}), json!({"kty": "new"}), json!({})] {
                let given = with(base, member, value.clone());
                assert_eq!(
                    parse(&[jwk(Alg::Rs256), given.clone()]).unwrap_err(),
                    JoseError::PrivateMember,
                    "{member}"
                );
                assert!(serde_json::from_value::<Jwk>(given).is_err(), "{member}");
            }
        }
    }
}

#[test]
fn one_kid_never_stands_for_two_keys() {
    let (a, b) = (jwk(Alg::Es256), jwk(Alg::Rs256));
    let same_name = with(b.clone(), "kid", a["kid"].clone());
    assert_eq!(parse(&[a.clone(), same_name]).unwrap_err(), JoseError::KeySet);
    assert_eq!(parse(&[a.clone(), a, b.clone()]).unwrap().len(), 2);
    let other_alg = with(b.clone(), "alg", json!("PS256"));
    assert_eq!(parse(&[b, other_alg]).unwrap_err(), JoseError::KeySet);
}

#[test]
fn a_key_is_for_one_algorithm_and_an_rsa_key_without_one_is_for_rs256() {
    let mut bare = jwk(Alg::Ps256);
    bare.as_object_mut().unwrap().remove("alg");
    let set = parse(&[bare]).unwrap();
    let kid = Some(key(Alg::Ps256).kid());
    assert!(set.select(kid, Alg::Rs256).is_ok());
    assert_eq!(set.select(kid, Alg::Ps256).unwrap_err(), JoseError::AlgorithmOfKey);
}

#[test]
fn t_jwt_bomb_key_sets_are_bounded_and_strict() {
    let many: Vec<Value> =
        (0..=limit::JWKS_KEYS).map(|n| with(jwk(Alg::EdDsa), "kid", json!(n.to_string()))).collect();
    assert_eq!(parse(&many[1..]).unwrap().len(), limit::JWKS_KEYS);
    let key = jwk(Alg::Es256).to_string();
    for (name, given) in [
        ("too many", json!({ "keys": many }).to_string()),
        ("too large", format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(limit::JWKS_BODY))),
        ("keys twice", format!(r#"{{"keys":[],"keys":[{key}]}}"#)),
        ("kty twice", format!(r#"{{"keys":[{}]}}"#, key.replacen('{', r#"{"kty":"EC","#, 1))),
        ("no keys", "{}".to_owned()),
        ("keys is an object", r#"{"keys":{}}"#.to_owned()),
        ("a key is a string", r#"{"keys":["a"]}"#.to_owned()),
        ("an array", "[]".to_owned()),
        ("a tail", r#"{"keys":[]} x"#.to_owned()),
        ("too deep", format!(r#"{{"keys":[],"x":{}{}}}"#, "[".repeat(99), "]".repeat(99))),
        ("nothing", String::new()),
    ] {
        assert_eq!(KeySet::parse(given.as_bytes()).unwrap_err(), JoseError::KeySet, "{name}");
    }
    assert!(KeySet::parse(br#"{"keys":[],"other":1}"#).unwrap().is_empty());
}

#[test]
fn es256_signatures_differ_and_both_hold() {
    let one = key(Alg::Es256).sign("at+jwt", &access()).unwrap();
    let two = key(Alg::Es256).sign("at+jwt", &access()).unwrap();
    assert_ne!(one, two);
    assert_eq!(set(&[key(Alg::Es256)]).iter().count(), 1);
}
