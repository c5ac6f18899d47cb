//! Claims: their types, and what they say at a given time and place.

use portcullis_jose::JoseError;
use portcullis_jose::claims::{AccessClaims, AssertionClaims, Audience, ClaimsError};
use portcullis_jose::jws::{Profile, verify};
use portcullis_jose::key::Alg;
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::fixture::{ACCESS, ISSUER, NOW, RESOURCE, access, all_keys, key, read};

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Text,
    Names,
    Date,
    Count,
}
use Type::{Count, Date, Names, Text};

/// Each claim, its type, and whether it is required.
const ACCESS_CLAIMS: [(&str, Type, bool); 11] = [
    ("iss", Text, true),
    ("sub", Text, true),
    ("aud", Names, true),
    ("client_id", Text, true),
    ("exp", Date, true),
    ("iat", Date, true),
    ("nbf", Date, false),
    ("jti", Text, true),
    ("scope", Text, false),
    ("grant", Text, false),
    ("rev", Count, false),
];
const ASSERTION_CLAIMS: [(&str, Type, bool); 7] = [
    ("iss", Text, true),
    ("sub", Text, true),
    ("aud", Names, true),
    ("exp", Date, true),
    ("iat", Date, false),
    ("nbf", Date, false),
    ("jti", Text, true),
];

/// Spellings of a value, and the types that take it.
const VALUES: [(&str, &[Type]); 18] = [
    ("null", &[]),
    ("true", &[]),
    ("[]", &[]),
    ("{}", &[]),
    ("[1]", &[]),
    ("[null]", &[]),
    (r#"[""]"#, &[]),
    (r#"["a",[]]"#, &[]),
    (r#"["a"]"#, &[Names]),
    (r#""1800000600""#, &[Text, Names]),
    ("1800000600", &[Date, Count]),
    ("-1", &[Date]),
    ("1800000600.0", &[]),
    ("1800000600.5", &[]),
    ("1e400", &[]),
    ("1e18", &[]),
    ("9223372036854775808", &[Count]),
    ("99999999999999999999999999", &[]),
];

fn outcome<C: DeserializeOwned>(claims: &str) -> Result<C, JoseError> {
    let raw = RawValue::from_string(claims.to_owned()).unwrap();
    let token = key(Alg::EdDsa).sign("at+jwt", &raw).unwrap();
    verify(&token, &ACCESS, &all_keys()).map(|verified| verified.claims)
}

fn matrix<C: DeserializeOwned>(claims: &[(&str, Type, bool)]) {
    for &(name, kind, required) in claims {
        let mut without = access();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(outcome::<C>(&without.to_string()).is_ok(), !required, "{name} is missing");
        let without = without.to_string();
        for (value, types) in VALUES {
            let given = without.replacen('{', &format!(r#"{{"{name}":{value},"#), 1);
            assert_eq!(outcome::<C>(&given).is_ok(), types.contains(&kind), "{name} is {value}");
        }
        if required && kind == Text {
            let given = without.replacen('{', &format!(r#"{{"{name}":"","#), 1);
            assert!(outcome::<C>(&given).is_err(), "{name} is empty");
        }
    }
}

#[test]
fn t_claims_types_access_token_claims_have_their_type_or_the_token_has_no_reading() {
    matrix::<AccessClaims>(&ACCESS_CLAIMS);
}

#[test]
fn t_claims_types_assertion_claims_have_their_type_or_the_token_has_no_reading() {
    matrix::<AssertionClaims>(&ASSERTION_CLAIMS);
}

#[test]
fn rfc9068_2_2_an_access_token_reads_back_as_it_was_written() {
    let given: AccessClaims = serde_json::from_value(access()).unwrap();
    let token = key(Alg::Es256).sign("at+jwt", &given).unwrap();
    assert_eq!(read(&token).unwrap().claims, given);
    assert_eq!(serde_json::to_value(&given).unwrap(), access());
}

#[test]
fn rfc7519_4_1_3_one_audience_is_a_string() {
    for (given, only, written) in [
        (json!("a"), Some("a"), json!("a")),
        (json!(["a"]), Some("a"), json!("a")),
        (json!(["a", "b"]), None, json!(["a", "b"])),
    ] {
        let audience: Audience = serde_json::from_value(given).unwrap();
        assert_eq!(audience.only(), only);
        assert!(audience.contains("a") && !audience.contains("A") && !audience.contains("a/"));
        assert_eq!(serde_json::to_value(&audience).unwrap(), written);
    }
    assert_eq!(Audience::one("a").iter().collect::<Vec<_>>(), ["a"]);
}

/// `base` with one claim replaced; a null takes it away.
fn with(mut base: Value, claim: &str, value: Value) -> Value {
    let members = base.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(claim)
    } else {
        members.insert(claim.to_owned(), value)
    };
    base
}

#[test]
fn t_aud_matrix_and_r12_issuer_audience_and_times_are_all_held() {
    let minute = limit::CLOCK_LEEWAY;
    for (name, claim, value, leeway, expected) in [
        ("as made", "jti", json!("j"), 0, Ok(())),
        ("no nbf", "nbf", Value::Null, 0, Ok(())),
        ("another issuer", "iss", json!("https://other.example"), 0, Err(ClaimsError::Issuer)),
        ("issuer with a slash", "iss", json!("https://as.example/"), 0, Err(ClaimsError::Issuer)),
        ("issuer in capitals", "iss", json!("https://AS.example"), 0, Err(ClaimsError::Issuer)),
        ("another audience", "aud", json!("https://rs.example/other"), 0, Err(ClaimsError::Audience)),
        ("audience with a slash", "aud", json!("https://rs.example/mcp/"), 0, Err(ClaimsError::Audience)),
        ("audience that is a prefix", "aud", json!("https://rs.example"), 0, Err(ClaimsError::Audience)),
        ("audience that goes on", "aud", json!("https://rs.example/mcp2"), 0, Err(ClaimsError::Audience)),
        ("one of two audiences", "aud", json!(["x", "https://rs.example/mcp"]), 0, Ok(())),
        ("expires now", "exp", json!(NOW), 0, Err(ClaimsError::Expired)),
        ("expires in a second", "exp", json!(NOW + 1), 0, Ok(())),
        ("expired, within the leeway", "exp", json!(NOW - minute + 1), minute, Ok(())),
        ("expired, at the leeway", "exp", json!(NOW - minute), minute, Err(ClaimsError::Expired)),
        ("expired long ago", "exp", json!(i64::MIN), minute, Err(ClaimsError::Expired)),
        ("expires at the end of time", "exp", json!(i64::MAX), minute, Ok(())),
        ("begins in a second", "nbf", json!(NOW + 1), 0, Err(ClaimsError::NotYet)),
        ("begins at the leeway", "nbf", json!(NOW + minute), minute, Ok(())),
        ("begins after the leeway", "nbf", json!(NOW + minute + 1), minute, Err(ClaimsError::NotYet)),
        ("begins at the end of time", "nbf", json!(i64::MAX), minute, Err(ClaimsError::NotYet)),
        ("made tomorrow", "iat", json!(NOW + 86_400), minute, Err(ClaimsError::NotYet)),
        ("made in a second", "iat", json!(NOW + 1), 0, Err(ClaimsError::NotYet)),
        ("made at the beginning of time", "iat", json!(i64::MIN), minute, Ok(())),
    ] {
        let claims: AccessClaims = serde_json::from_value(with(access(), claim, value)).unwrap();
        assert_eq!(claims.check(ISSUER, RESOURCE, UnixTime::from_seconds(NOW), leeway), expected, "{name}");
    }
}

#[test]
fn rfc7519_4_1_4_expiry_counts_to_the_millisecond() {
    let claims: AccessClaims = serde_json::from_value(access()).unwrap();
    let end = (NOW + 600) * 1000;
    for (millis, expected) in [(end - 1, Ok(())), (end, Err(ClaimsError::Expired))] {
        assert_eq!(claims.check(ISSUER, RESOURCE, UnixTime::from_millis(millis), 0), expected);
    }
}

#[test]
fn x03_x04_assertions_are_by_and_about_the_client_for_us_alone_and_short_lived() {
    let base = json!({"iss": "c", "sub": "c", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "j"});
    let life = limit::ASSERTION_LIFE + limit::CLOCK_LEEWAY;
    for (name, claim, value, expected) in [
        ("as made", "jti", json!("j"), Ok(())),
        ("no iat", "iat", Value::Null, Ok(())),
        ("by another", "iss", json!("d"), Err(ClaimsError::Issuer)),
        ("about another", "sub", json!("d"), Err(ClaimsError::Subject)),
        ("for the token endpoint", "aud", json!("https://as.example/token"), Ok(())),
        ("for another", "aud", json!("https://other.example"), Err(ClaimsError::Audience)),
        ("for us in an array", "aud", json!([ISSUER]), Ok(())),
        ("for us and another", "aud", json!([ISSUER, "https://other.example"]), Err(ClaimsError::Audience)),
        ("expired", "exp", json!(NOW - limit::CLOCK_LEEWAY), Err(ClaimsError::Expired)),
        ("as long as allowed", "exp", json!(NOW + life), Ok(())),
        ("longer than allowed", "exp", json!(NOW + life + 1), Err(ClaimsError::TooLongLived)),
        ("for ever", "exp", json!(i64::MAX), Err(ClaimsError::TooLongLived)),
        ("from the future", "iat", json!(NOW + 61), Err(ClaimsError::NotYet)),
        ("not yet", "nbf", json!(NOW + 61), Err(ClaimsError::NotYet)),
    ] {
        let claims: AssertionClaims = serde_json::from_value(with(base.clone(), claim, value)).unwrap();
        let outcome = claims.check("c", &[ISSUER, "https://as.example/token"], UnixTime::from_seconds(NOW));
        assert_eq!(outcome, expected, "{name}");
    }
}

#[test]
fn x27_an_assertion_profile_does_not_lend_its_claims_to_access_tokens() {
    let assertion = Profile { typ: &["JWT"], algs: &[Alg::Es256] };
    let token = key(Alg::Es256)
        .sign("JWT", &json!({"iss": "c", "sub": "c", "aud": "a", "exp": 1, "jti": "j"}))
        .unwrap();
    assert!(verify::<AssertionClaims>(&token, &assertion, &all_keys()).is_ok());
    assert_eq!(verify::<AccessClaims>(&token, &assertion, &all_keys()).unwrap_err(), JoseError::Claims);
}
