//! What is accepted, and every binding that has to hold of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_wire::time::UnixTime;
use serde_json::json;

use super::signer::{Manner, p256, p384, rsa, sign};
use super::world::{
    ACS, ENTITY, IDP, NOW, at_once, finish, finish_at, good, good_twice, kept, metadata, provider,
    provider_with, refused, settings, signed, with,
};
use super::{shapes, world};
use crate::Act;
use crate::saml::{Kept, Names, name};

#[test]
fn every_shape_of_a_provider_is_accepted_and_read() {
    for shape in shapes::all() {
        let identity = finish(&signed(&shape)).unwrap_or_else(|fault| panic!("{}: {fault:?}", shape.name));
        assert_eq!(identity.issuer, IDP, "{}", shape.name);
        assert_eq!(identity.subject, "alice-1", "{}", shape.name);
        assert_eq!(
            identity.authenticated_at,
            Some(UnixTime::from_seconds(NOW.seconds() - 60)),
            "{}",
            shape.name
        );
        let groups = identity.claims.iter().find(|(claim, _)| claim.ends_with("groups")).unwrap().1;
        assert_eq!(groups, &json!(["a", "b"]), "{}", shape.name);
        assert_eq!(identity.claims["NameID"], json!(["alice-1"]));
        assert_eq!(identity.claims["NameIDFormat"], json!([name::PERSISTENT]));
    }
}

#[test]
fn every_accepted_algorithm_verifies() {
    for (key, method, digest) in [
        (rsa(), name::RSA_SHA256, name::SHA256),
        (rsa(), name::RSA_SHA384, name::SHA384),
        (rsa(), name::RSA_SHA512, name::SHA512),
        (p256(), name::ECDSA_SHA256, name::SHA256),
        (p384(), name::ECDSA_SHA384, name::SHA384),
    ] {
        let manner = Manner { key, method, digest, ..Manner::plain() };
        let xml = sign(&shapes::plain(), "Assertion", &manner);
        assert!(finish(&xml).is_ok(), "{method}: {:?}", finish(&xml));
    }
}

#[test]
fn both_keys_of_a_roll_over_count_and_no_other() {
    let both = provider_with(settings(&metadata(&[p256(), rsa()])));
    assert!(finish_at(&both, &good(), NOW).is_ok());
    let next_alone = provider_with(settings(&metadata(&[p256()])));
    assert_eq!(finish_at(&next_alone, &good(), NOW).unwrap_err().code, "saml_signature");
}

#[test]
fn saml_profiles_4_1_4_2_each_binding_flipped_is_refused_by_its_name() {
    let persistent = name::PERSISTENT;
    let data = format!(r#"Recipient="{ACS}""#);
    let elsewhere = r#"Recipient="https://mcp.example/saml/other/acs""#;
    let destination = format!(r#"Destination="{ACS}""#);
    let answered = format!(r#"InResponseTo="_{}" NotOnOrAfter"#, world::REQUEST);
    let audience = format!("<saml:Audience>{ENTITY}</saml:Audience>");
    let restricted = format!("<saml:AudienceRestriction>{audience}</saml:AudienceRestriction>");
    let other = "<saml:Audience>https://other.example</saml:Audience>";
    let soon = "2026-11-23T04:05:00.000Z";
    let entity = format!(r#"<saml:Issuer>{IDP}</saml:Issuer><samlp"#);
    for (name, from, to, code) in [
        ("recipient", data.as_str(), elsewhere, "saml_recipient"),
        ("recipient in another case", ACS, &ACS.to_uppercase(), "saml_destination"),
        ("destination", &destination, r#"Destination="https://mcp.example/""#, "saml_destination"),
        (
            "another request",
            &answered,
            r#"InResponseTo="_other-0123456789" NotOnOrAfter"#,
            "saml_in_response_to",
        ),
        ("audience", &audience, other, "saml_audience"),
        (
            "a second restriction",
            &restricted,
            &format!("{restricted}{}", restricted.replace(&audience, other)),
            "saml_audience",
        ),
        (
            "no audience at all",
            &restricted,
            "<saml:AudienceRestriction></saml:AudienceRestriction>",
            "saml_audience",
        ),
        ("issuer around", &entity, "<saml:Issuer>https://other.example</saml:Issuer><samlp", "saml_issuer"),
        ("transient", persistent, name::TRANSIENT, "saml_transient"),
        ("e-mail", persistent, name::EMAIL_ADDRESS, "saml_reassignable"),
        ("unspecified", persistent, name::UNSPECIFIED, "saml_reassignable"),
        ("kerberos", persistent, "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos", "saml_name_id_format"),
        (
            "qualifier",
            &format!(r#" NameQualifier="{IDP}""#),
            r#" NameQualifier="https://other""#,
            "saml_name_qualifier",
        ),
        (
            "service",
            &format!(r#"SPNameQualifier="{ENTITY}""#),
            r#"SPNameQualifier="o""#,
            "saml_name_qualifier",
        ),
        ("holder of key", "cm:bearer", "cm:holder-of-key", "saml_confirmation"),
        ("not before", " Recipient=", &format!(r#" NotBefore="{soon}" Recipient="#), "saml_confirmation"),
        (
            "unknown condition",
            "<saml:AudienceRestriction>",
            "<saml:ProxyRestriction/><saml:AudienceRestriction>",
            "saml_condition",
        ),
        (
            "over",
            &format!(r#"NotOnOrAfter="{soon}" Recipient"#),
            r#"NotOnOrAfter="2026-11-23T03:59:00Z" Recipient"#,
            "saml_clock",
        ),
        (
            "over as a whole",
            &format!(r#"NotOnOrAfter="{soon}"><saml:Aud"#),
            r#"NotOnOrAfter="2026-11-23T03:59:00Z"><saml:Aud"#,
            "saml_clock",
        ),
        (
            "session over",
            &format!(r#"SessionNotOnOrAfter="{soon}""#),
            r#"SessionNotOnOrAfter="2026-11-23T03:00:00Z""#,
            "saml_clock",
        ),
        (
            "not yet",
            r#"NotBefore="2026-11-23T03:59:00.000Z""#,
            r#"NotBefore="2026-11-23T04:01:01Z""#,
            "saml_clock",
        ),
        (
            "signed in tomorrow",
            r#"AuthnInstant="2026-11-23T03:59:00.000Z""#,
            r#"AuthnInstant="2026-11-24T03:59:00Z""#,
            "saml_clock",
        ),
        ("offset", soon, "2026-11-23T04:05:00+00:00", "saml_time"),
        ("version", r#"ID="_assertion" Version="2.0""#, r#"ID="_assertion" Version="1.1""#, "saml_version"),
        (
            "two statements",
            "<saml:AttributeStatement>",
            r#"<saml:AuthnStatement AuthnInstant="2026-11-23T03:59:00Z"/><saml:AttributeStatement>"#,
            "saml_repeated",
        ),
        (
            "decision",
            "<saml:AttributeStatement>",
            "<saml:AuthzDecisionStatement/><saml:AttributeStatement>",
            "saml_unknown_part",
        ),
        ("encrypted name", "<saml:NameID ", "<saml:EncryptedID/><saml:NameID ", "saml_encrypted"),
        ("extensions", "<samlp:Status>", "<samlp:Extensions/><samlp:Status>", "saml_unknown_part"),
        ("text between", "<saml:Subject>", "alice<saml:Subject>", "saml_mixed"),
        ("empty name", ">alice-1<", "> <", "saml_absent"),
        ("long name", ">alice-1<", &format!(">{}<", "a".repeat(257)), "saml_name_id"),
        ("two lines", ">alice-1<", ">alice\n1<", "saml_name_id"),
    ] {
        assert_eq!(refused(&with(from, to)), code, "{name}");
    }
    let twice = |xml: &str| sign(xml, "Response", &Manner::plain());
    assert_eq!(
        refused(&twice(&with(&destination, r#"Destination="https://mcp.example/""#))),
        "saml_destination"
    );
}

#[test]
fn an_answer_nobody_asked_for_is_refused_with_the_fix() {
    let xml = with(&format!(r#" InResponseTo="_{}"><saml:Issuer"#, world::REQUEST), "><saml:Issuer");
    let fault = finish(&xml).unwrap_err();
    assert_eq!((fault.code, fault.act), ("saml_unsolicited", Act::Provider));
    assert!(fault.fix.contains("sign-in page"), "{}", fault.fix);
    let other = Kept { request_id: "another-0123456789".to_owned(), again_since: None };
    let fault = at_once(provider().finish(&STANDARD.encode(good()), &other, NOW)).unwrap_err();
    assert_eq!((fault.code, fault.act), ("saml_in_response_to", Act::Person));
}

#[test]
fn saml_core_3_2_2_2_what_the_provider_says_instead_of_a_person_is_told() {
    let prefix = "urn:oasis:names:tc:SAML:2.0:status:";
    for (below, act, part) in [
        ("AuthnFailed", Act::Person, "AuthnFailed"),
        ("NoPassive", Act::Person, "NoPassive"),
        ("RequestDenied", Act::Provider, "RequestDenied"),
        ("InvalidNameIDPolicy", Act::Provider, "InvalidNameIDPolicy"),
        ("<script>", Act::Provider, "an unknown status"),
    ] {
        let below = below.replace('<', "&lt;");
        let xml = format!(
            concat!(
                r#"<p:Response xmlns:p="{}" ID="r" Version="2.0"><p:Status><p:StatusCode Value="{}Responder">"#,
                r#"<p:StatusCode Value="{}{}"/></p:StatusCode></p:Status></p:Response>"#
            ),
            name::SAMLP,
            prefix,
            prefix,
            below
        );
        let fault = finish(&xml).unwrap_err();
        assert_eq!((fault.code, fault.act), ("saml_status", act), "{below}");
        assert!(fault.what.contains(part) && fault.what.contains("Responder"), "{}", fault.what);
    }
    let nested = with(
        r#"status:Success"/>"#,
        r#"status:Success"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Requester"/></samlp:StatusCode>"#,
    );
    assert_eq!(refused(&nested), "saml_status");
}

#[test]
fn an_answer_counts_for_a_moment_only() {
    for (seconds, expected) in [
        (-61, Some("saml_clock")),
        (-60, None),
        (0, None),
        (359, None),
        (360, Some("saml_clock")),
        (86_400, Some("saml_clock")),
        (i64::from(u32::MAX), Some("saml_clock")),
    ] {
        let now = UnixTime::from_seconds(NOW.seconds() + seconds);
        let outcome = finish_at(&provider(), &good_twice(), now);
        assert_eq!(outcome.err().map(|fault| fault.code), expected, "{seconds} s later");
    }
    for at in [UnixTime::from_millis(i64::MAX), UnixTime::from_millis(i64::MIN)] {
        assert!(finish_at(&provider(), &good(), at).is_err());
    }
}

#[test]
fn a_fresh_proof_is_asked_for_and_an_old_session_is_none() {
    // The person signed in a minute before now, and a minute of leeway is granted.
    for (before, expected) in [
        (119, None),
        (1, None),
        (0, Some("saml_not_again")),
        (-1, Some("saml_not_again")),
        (-600, Some("saml_not_again")),
    ] {
        let since = UnixTime::from_seconds(NOW.seconds() - before);
        let kept = Kept { again_since: Some(since), ..kept() };
        let outcome = at_once(provider().finish(&STANDARD.encode(good()), &kept, NOW));
        assert_eq!(outcome.err().map(|fault| fault.code), expected, "since {before} s ago");
    }
}

#[test]
fn names_that_may_be_given_away_count_only_where_the_administrator_says_so() {
    let mut settings = settings(&metadata(&[rsa()]));
    settings.names = Names::AlsoReassignable;
    let provider = provider_with(settings);
    for format in [name::EMAIL_ADDRESS, name::UNSPECIFIED] {
        let xml = with(name::PERSISTENT, format);
        assert_eq!(finish_at(&provider, &xml, NOW).unwrap().claims["NameIDFormat"], json!([format]));
    }
    let xml = with(name::PERSISTENT, name::TRANSIENT);
    assert_eq!(finish_at(&provider, &xml, NOW).unwrap_err().code, "saml_transient");
}

#[test]
fn every_value_may_declare_its_own_namespaces() {
    let value = |n: usize| {
        format!(
            r#"<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">g{n}</saml:AttributeValue>"#
        )
    };
    let xml = with(
        r#"<saml:AttributeValue xsi:type="xs:string">a</saml:AttributeValue>"#,
        &(0..200).map(value).collect::<String>(),
    );
    assert_eq!(finish(&xml).unwrap().claims["groups"].as_array().unwrap().len(), 201);
}

#[test]
fn values_that_are_no_text_make_no_claim() {
    let xml = with(
        r#"<saml:AttributeValue xsi:type="xs:string">a</saml:AttributeValue>"#,
        concat!(
            r#"<saml:AttributeValue><saml:NameID>eve</saml:NameID></saml:AttributeValue>"#,
            r#"<saml:AttributeValue xsi:nil="true"/><saml:AttributeValue/>"#
        ),
    );
    assert_eq!(finish(&xml).unwrap().claims["groups"], json!(["", "b"]));
    let xml = with(r#"Name="mail""#, r#"Name="NameID""#);
    assert_eq!(
        finish(&xml).unwrap().claims["NameID"],
        json!(["alice-1"]),
        "an attribute cannot pose as the name"
    );
}

#[test]
fn the_form_field_is_base64_of_text_and_nothing_longer_than_its_limit() {
    let lines: String = STANDARD
        .encode(good())
        .as_bytes()
        .chunks(76)
        .map(|it| format!("{}\r\n", String::from_utf8_lossy(it)))
        .collect();
    assert!(at_once(provider().finish(&lines, &kept(), NOW)).is_ok());
    let encoded = STANDARD.encode(good());
    for (name, field, code) in [
        ("empty", String::new(), "saml_xml"),
        ("not base64", format!("{encoded}*"), "saml_encoding"),
        ("url alphabet", encoded.replace(['+', '/'], "-"), "saml_encoding"),
        ("not text", STANDARD.encode([0xff, 0xfe, 0x00]), "saml_encoding"),
        ("a page", STANDARD.encode("<html></html>"), "saml_not_a_response"),
        (
            "a request",
            STANDARD.encode(format!(r#"<a:AuthnRequest xmlns:a="{}"/>"#, name::SAMLP)),
            "saml_not_a_response",
        ),
        ("too long", STANDARD.encode(format!("{}{}", good(), " ".repeat(300 * 1024))), "saml_too_large"),
        ("far too long", "A".repeat(2 << 20), "saml_too_large"),
    ] {
        assert_eq!(at_once(provider().finish(&field, &kept(), NOW)).unwrap_err().code, code, "{name}");
    }
}
