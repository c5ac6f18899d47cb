//! What a header may ask for, and which purpose a token is for.

use portcullis_jose::JoseError;
use portcullis_jose::claims::{AccessClaims, AssertionClaims};
use portcullis_jose::jws::{Profile, peek_header, peek_issuer, verify};
use portcullis_jose::key::Alg;
use serde_json::json;
use serde_json::value::RawValue;

use crate::fixture::{ACCESS, ISSUER, access, all_keys, compact, key, read};

#[test]
fn rfc7515_4_1_11_headers_that_ask_for_more_are_refused() {
    let es = key(Alg::Es256);
    let start = format!(r#""alg":"ES256","typ":"at+jwt","kid":"{}""#, es.kid());
    for (name, header, expected) in [
        ("crit unknown", format!(r#"{{{start},"crit":["x"],"x":1}}"#), JoseError::Extension),
        ("crit empty", format!(r#"{{{start},"crit":[]}}"#), JoseError::Extension),
        ("crit null", format!(r#"{{{start},"crit":null}}"#), JoseError::Extension),
        ("b64", format!(r#"{{{start},"b64":false}}"#), JoseError::Extension),
        ("b64 true", format!(r#"{{{start},"b64":true}}"#), JoseError::Extension),
        ("zip", format!(r#"{{{start},"zip":"DEF"}}"#), JoseError::Extension),
        ("enc", format!(r#"{{{start},"enc":"A256GCM"}}"#), JoseError::Extension),
        ("alg twice", format!(r#"{{{start},"alg":"ES256"}}"#), JoseError::Header),
        ("alg twice, escaped", format!(r#"{{{start},"\u0061lg":"none"}}"#), JoseError::Header),
        ("alg missing", r#"{"typ":"at+jwt"}"#.to_owned(), JoseError::Header),
        ("alg null", r#"{"typ":"at+jwt","alg":null}"#.to_owned(), JoseError::Header),
        ("alg array", r#"{"typ":"at+jwt","alg":["ES256"]}"#.to_owned(), JoseError::Header),
        ("kid number", r#"{"typ":"at+jwt","alg":"ES256","kid":1}"#.to_owned(), JoseError::Header),
        ("kid null", r#"{"typ":"at+jwt","alg":"ES256","kid":null}"#.to_owned(), JoseError::Header),
        ("kid empty", r#"{"typ":"at+jwt","alg":"ES256","kid":""}"#.to_owned(), JoseError::Header),
        (
            "kid long",
            format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"{}"}}"#, "k".repeat(257)),
            JoseError::Header,
        ),
        ("typ number", r#"{"typ":1,"alg":"ES256"}"#.to_owned(), JoseError::Header),
        ("an array", r#"["ES256"]"#.to_owned(), JoseError::Header),
        ("a string", r#""ES256""#.to_owned(), JoseError::Header),
        ("a tail", format!(r#"{{{start}}} {{}}"#), JoseError::Header),
        ("not UTF-8", "\u{0}".to_owned(), JoseError::Header),
    ] {
        assert_eq!(read(&compact(&header, &access().to_string(), &[1; 64])).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn t_token_types_one_purpose_never_takes_the_token_of_another() {
    let es = key(Alg::Es256);
    let with_typ = |typ: &str| es.sign(typ, &access()).unwrap();
    let assertion = Profile { typ: &["", "JWT", "client-authentication+jwt"], algs: &Alg::ALL };
    for (typ, is_access, is_assertion) in [
        ("at+jwt", true, false),
        ("AT+JWT", true, false),
        ("application/at+jwt", true, false),
        ("Application/At+Jwt", true, false),
        ("application/application/at+jwt", false, false),
        ("application/", false, false),
        ("at+jwt ", false, false),
        ("at", false, false),
        ("", false, false),
        ("JWT", false, true),
        ("jwt", false, true),
        ("client-authentication+jwt", false, true),
        ("oauth-id-jag+jwt", false, false),
        ("dpop+jwt", false, false),
        ("logout+jwt", false, false),
    ] {
        let keys = all_keys();
        let token = with_typ(typ);
        assert_eq!(
            verify::<AccessClaims>(&token, &ACCESS, &keys).is_ok(),
            is_access,
            "{typ:?} as access token"
        );
        let outcome = verify::<AssertionClaims>(&token, &assertion, &keys);
        assert_eq!(outcome.is_ok(), is_assertion, "{typ:?} as client assertion");
        if !is_assertion {
            assert_eq!(outcome.unwrap_err(), JoseError::Type, "{typ:?}");
        }
    }
}

#[test]
fn x06_a_client_assertion_may_have_no_typ_and_an_access_token_must() {
    let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, key(Alg::Es256).kid());
    let token = compact(&header, &access().to_string(), &[1; 64]);
    assert_eq!(read(&token).unwrap_err(), JoseError::Type);
    let assertion = Profile { typ: &["", "JWT"], algs: &Alg::ALL };
    assert_eq!(verify::<AssertionClaims>(&token, &assertion, &all_keys()).unwrap_err(), JoseError::Signature);
}

#[test]
fn t_json_diff_signed_claims_with_two_readings_have_none() {
    let es = key(Alg::Es256);
    let twice = access().to_string().replacen('{', r#"{"sub":"root","#, 1);
    let twice = RawValue::from_string(twice).unwrap();
    let token = es.sign("at+jwt", &twice).unwrap();
    assert_eq!(read(&token).unwrap_err(), JoseError::Claims);
    assert_eq!(peek_issuer(&token), Err(JoseError::Claims));
    for no_object in [json!([]), json!("a"), json!(null), json!(1)] {
        assert_eq!(es.sign("at+jwt", &no_object).unwrap_err(), JoseError::Claims);
    }
}

#[test]
fn peeking_reads_and_proves_nothing() {
    let token = key(Alg::Es256).sign("at+jwt", &access()).unwrap();
    let header = peek_header(&token).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Alg::Es256, Some("at+jwt")));
    assert_eq!(peek_issuer(&token).unwrap(), ISSUER);
    for iss in [json!(null), json!(["https://as.example"]), json!(1), json!("")] {
        let mut claims = access();
        claims["iss"] = iss;
        assert_eq!(peek_issuer(&key(Alg::Es256).sign("at+jwt", &claims).unwrap()), Err(JoseError::Claims));
    }
}
