//! The signature profile: whatever else a signature may be by its specification is refused, even where it verifies.

use super::shapes::plain;
use super::signer::{Manner, foreign, p256, rsa, sign};
use super::world::{good, refused};
use crate::saml::name;

/// Signs the plain answer with `SignedInfo` changed before it is signed, so that the signature itself is right.
#[track_caller]
fn changed(from: &str, to: &str) -> &'static str {
    refused(&sign(&plain(), "Assertion", &Manner::changed(from, to)))
}

#[test]
fn t_saml_xsw_only_one_reference_to_its_own_element_counts() {
    let transforms = "<ds:Transforms>";
    for (name, from, to, code) in [
        ("whole document", r##"URI="#_assertion""##, r#"URI="""#, "saml_absent"),
        ("no address", r##" URI="#_assertion""##, "", "saml_absent"),
        ("another element", r##"URI="#_assertion""##, r##"URI="#_response""##, "saml_reference"),
        ("xpointer", r##"URI="#_assertion""##, r##"URI="#xpointer(id('_assertion'))""##, "saml_reference"),
        ("root", r##"URI="#_assertion""##, r##"URI="#xpointer(/)""##, "saml_reference"),
        ("elsewhere", r##"URI="#_assertion""##, r#"URI="http://other.example/a""#, "saml_reference"),
        ("a file", r##"URI="#_assertion""##, r#"URI="file:///etc/passwd""#, "saml_reference"),
        ("quoted", r##"URI="#_assertion""##, r##"URI="#%5Fassertion""##, "saml_reference"),
        ("no transforms", "<ds:Transforms>", "<ds:Nothing/><ds:Transforms>", "saml_unknown_part"),
        ("two lists", transforms, "<ds:Transforms/><ds:Transforms>", "saml_repeated"),
        ("an object", "<ds:Reference ", "<ds:Object/><ds:Reference ", "saml_unknown_part"),
    ] {
        assert_eq!(changed(from, to), code, "{name}");
    }
    let twice = Manner::changed("</ds:Reference>", r##"</ds:Reference><ds:Reference URI="#_assertion"/>"##);
    assert_eq!(refused(&sign(&plain(), "Assertion", &twice)), "saml_repeated");
}

#[test]
fn t_saml_xsw_only_two_transforms_in_their_order_count() {
    let exclusive = format!(r#"Algorithm="{}"></ds:Transform>"#, name::EXCLUSIVE_C14N);
    let enveloped = format!(r#"<ds:Transform Algorithm="{}"/>"#, name::ENVELOPED);
    for algorithm in [
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "",
    ] {
        let other = format!(r#"Algorithm="{algorithm}"></ds:Transform>"#);
        let code = changed(&exclusive, &other);
        assert!(matches!(code, "saml_transform" | "saml_absent"), "{algorithm}: {code}");
        let instead = format!(r#"<ds:Transform Algorithm="{algorithm}"/>"#);
        let code = changed(&enveloped, &instead);
        assert!(matches!(code, "saml_transform" | "saml_absent"), "{algorithm}: {code}");
        let third = format!(r#"{enveloped}<ds:Transform Algorithm="{algorithm}"/>"#);
        assert_eq!(changed(&enveloped, &third), "saml_transform", "{algorithm}");
        let method = format!(r#"<ds:CanonicalizationMethod Algorithm="{}"/>"#, name::EXCLUSIVE_C14N);
        let code = changed(&method, &format!(r#"<ds:CanonicalizationMethod Algorithm="{algorithm}"/>"#));
        assert!(matches!(code, "saml_transform" | "saml_absent"), "{algorithm}: {code}");
    }
    assert_eq!(changed(&enveloped, ""), "saml_transform");
    assert_eq!(changed(&enveloped, &format!("{enveloped}{enveloped}")), "saml_transform");
    let parameter =
        format!(r#"<ds:Transform Algorithm="{}"><ds:XPath>1</ds:XPath></ds:Transform>"#, name::ENVELOPED);
    assert_eq!(changed(&enveloped, &parameter), "saml_transform");
}

#[test]
fn t_saml_xsw_weak_and_foreign_algorithms_are_refused_by_name() {
    for (algorithm, code) in [
        (name::RSA_SHA1, "saml_sha1"),
        ("http://www.w3.org/2000/09/xmldsig#dsa-sha1", "saml_signature_algorithm"),
        ("http://www.w3.org/2000/09/xmldsig#hmac-sha1", "saml_signature_algorithm"),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "saml_signature_algorithm"),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-md5", "saml_signature_algorithm"),
        ("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", "saml_signature_algorithm"),
        ("none", "saml_signature_algorithm"),
    ] {
        assert_eq!(changed(name::RSA_SHA256, algorithm), code, "{algorithm}");
    }
    let sha1 = Manner { digest: name::SHA1, ..Manner::plain() };
    assert_eq!(refused(&sign(&plain(), "Assertion", &sha1)), "saml_sha1");
    for digest in ["http://www.w3.org/2001/04/xmldsig-more#md5", "http://www.w3.org/2001/04/xmlenc#ripemd160"]
    {
        assert_eq!(
            changed(&format!(r#""{}""#, name::SHA256), &format!(r#""{digest}""#)),
            "saml_digest_algorithm"
        );
    }
    // A signature by one key, said to be of another kind.
    let mismatched = Manner::changed(name::RSA_SHA256, name::ECDSA_SHA256);
    assert_eq!(refused(&sign(&plain(), "Assertion", &mismatched)), "saml_signature");
    let parameter = Manner::changed(
        &format!(r#"<ds:SignatureMethod Algorithm="{}"/>"#, name::RSA_SHA256),
        &format!(
            r#"<ds:SignatureMethod Algorithm="{}"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>"#,
            name::RSA_SHA256
        ),
    );
    assert_eq!(refused(&sign(&plain(), "Assertion", &parameter)), "saml_signature_algorithm");
}

#[test]
fn t_saml_xsw_a_key_that_came_along_is_not_looked_at() {
    let certificate = |base64: &str| {
        Some(format!("<ds:X509Data><ds:X509Certificate>{base64}</ds:X509Certificate></ds:X509Data>"))
    };
    let theirs = Manner { key: foreign(), key_info: certificate(&foreign().base64()), ..Manner::plain() };
    assert_eq!(refused(&sign(&plain(), "Assertion", &theirs)), "saml_signature");
    let posing = Manner { key: foreign(), key_info: certificate(&rsa().base64()), ..Manner::plain() };
    assert_eq!(refused(&sign(&plain(), "Assertion", &posing)), "saml_signature");
    let elsewhere = Some(r#"<ds:RetrievalMethod URI="https://evil.example/key"/>"#.to_owned());
    let fetched = Manner { key: foreign(), key_info: elsewhere, ..Manner::plain() };
    assert_eq!(refused(&sign(&plain(), "Assertion", &fetched)), "saml_signature");
    // The response signed by the provider, the assertion by somebody else; and the other way round.
    let inside = sign(&plain(), "Assertion", &theirs);
    assert_eq!(refused(&sign(&inside, "Response", &Manner::plain())), "saml_signature");
    assert_eq!(refused(&sign(&good(), "Response", &theirs)), "saml_signature");
    assert_eq!(refused(&sign(&plain(), "Response", &Manner::plain())), "saml_no_signature");
    assert_eq!(refused(&plain()), "saml_no_signature");
}

/// The text between `from` and `to`, and where it begins.
fn between<'a>(xml: &'a str, from: &str, to: &str) -> (usize, &'a str) {
    let begin = xml.find(from).unwrap() + from.len();
    (begin, xml[begin..].split(to).next().unwrap())
}

#[test]
fn t_saml_xsw_truncated_and_re_encoded_signatures_are_refused() {
    for (xml, ecdsa) in [
        (good(), false),
        (
            sign(
                &plain(),
                "Assertion",
                &Manner { key: p256(), method: name::ECDSA_SHA256, ..Manner::plain() },
            ),
            true,
        ),
    ] {
        let (at, value) = between(&xml, "<ds:SignatureValue>", "<");
        let flipped: String = value
            .chars()
            .enumerate()
            .map(|(i, c)| if i == 10 { if c == 'A' { 'B' } else { 'A' } } else { c })
            .collect();
        for (name, other) in [
            ("empty", String::new()),
            ("blank", "  \n ".to_owned()),
            ("cut", value[..value.len() - 4].to_owned()),
            ("longer", format!("AAAA{value}")),
            ("flipped", flipped),
            ("twice", format!("{value}{value}")),
            ("url alphabet", value.replace('+', "-").replace('/', "_").replace('=', "") + "-_"),
            (
                "unpadded",
                value.trim_end_matches('=').to_owned() + if value.ends_with('=') { "" } else { "=" },
            ),
            ("zero", "A".repeat(if ecdsa { 86 } else { 342 }) + "=="),
            ("markup", format!("<x/>{value}")),
            ("comment", format!("{}<!-- -->{}", &value[..8], &value[8..])),
        ] {
            let forged = format!("{}{other}{}", &xml[..at], &xml[at + value.len()..]);
            assert!(!refused(&forged).is_empty(), "{name}");
        }
        let (at, value) = between(&xml, "<ds:DigestValue>", "<");
        for other in ["", "AAAA", &value[4..], &"A".repeat(43)] {
            let forged = format!("{}{other}{}", &xml[..at], &xml[at + value.len()..]);
            assert!(!refused(&forged).is_empty(), "{other}");
        }
    }
}

#[test]
fn t_saml_xsw_every_character_of_what_is_signed_counts() {
    // With the prefix that only a value uses among those that are declared in any case; a declaration that nothing uses
    // is not signed (Exclusive C14N §1.1), and says nothing.
    let xml = sign(&plain(), "Assertion", &Manner { inclusive: "xs", ..Manner::plain() });
    let begin = xml.find("<saml:Assertion").unwrap();
    let end = xml.find("</saml:Assertion>").unwrap();
    let mut tried = 0;
    for at in (begin..end).step_by(3) {
        let Some(old) = xml[at..].chars().next().filter(char::is_ascii_alphanumeric) else { continue };
        let new = if old == 'x' { 'y' } else { 'x' };
        let changed = format!("{}{new}{}", &xml[..at], &xml[at + 1..]);
        refused(&changed);
        tried += 1;
    }
    assert!(tried > 300, "{tried}");
}
