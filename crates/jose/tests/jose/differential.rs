//! Ours against jsonwebtoken, in both directions.

use jsonwebtoken as theirs;
use portcullis_jose::key::{Alg, Jwk};

use crate::fixture::{access, key, read};

const PAIRS: [(Alg, theirs::Algorithm); 4] = [
    (Alg::Es256, theirs::Algorithm::ES256),
    (Alg::EdDsa, theirs::Algorithm::EdDSA),
    (Alg::Rs256, theirs::Algorithm::RS256),
    (Alg::Ps256, theirs::Algorithm::PS256),
];

fn their_verifier(jwk: &Jwk) -> theirs::DecodingKey {
    let part = |part: &Option<String>| part.clone().unwrap();
    match jwk.kty.as_str() {
        "EC" => theirs::DecodingKey::from_ec_components(&part(&jwk.x), &part(&jwk.y)),
        "RSA" => theirs::DecodingKey::from_rsa_components(&part(&jwk.n), &part(&jwk.e)),
        _ => theirs::DecodingKey::from_ed_components(&part(&jwk.x)),
    }
    .unwrap()
}

fn their_signer(alg: Alg) -> theirs::EncodingKey {
    let pkcs8 = key(alg).to_pkcs8().unwrap();
    match alg {
        Alg::Es256 => theirs::EncodingKey::from_ec_der(&pkcs8),
        Alg::EdDsa => theirs::EncodingKey::from_ed_der(&pkcs8),
        // They take RFC 8017's form: what stands inside ours, behind 26 octets for a key of 2048 bits.
        Alg::Rs256 | Alg::Ps256 => theirs::EncodingKey::from_rsa_der(&pkcs8[26..]),
    }
}

#[test]
fn what_we_sign_they_verify() {
    for (alg, their_alg) in PAIRS {
        let token = key(alg).sign("at+jwt", &access()).unwrap();
        let mut rules = theirs::Validation::new(their_alg);
        rules.validate_exp = false;
        rules.validate_aud = false;
        let verifier = their_verifier(&key(alg).public_jwk());
        let read = theirs::decode::<serde_json::Value>(&token, &verifier, &rules).unwrap();
        assert_eq!(read.claims, access(), "{alg}");
        assert_eq!(read.header.kid.as_deref(), Some(key(alg).kid()), "{alg}");
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"), "{alg}");
    }
}

#[test]
fn what_they_sign_we_verify() {
    for (alg, their_alg) in PAIRS {
        let mut header = theirs::Header::new(their_alg);
        header.typ = Some("application/AT+JWT".to_owned());
        header.kid = Some(key(alg).kid().to_owned());
        let token = theirs::encode(&header, &access(), &their_signer(alg)).unwrap();
        let verified = read(&token).unwrap();
        assert_eq!(serde_json::to_value(&verified.claims).unwrap(), access(), "{alg}");
        assert_eq!((verified.alg, verified.kid.as_deref()), (alg, Some(key(alg).kid())));
    }
}
