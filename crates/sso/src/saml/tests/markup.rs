//! Markup that SAML never needs and that made others read two documents in one.

use super::shapes::plain;
use super::signer::{Manner, sign};
use super::world::{good, good_twice, refused, with};
use crate::saml::limit;

/// Puts `text` into the signed answer at the first place behind `mark`.
fn put(xml: &str, mark: &str, text: &str) -> String {
    let at = xml.find(mark).unwrap() + mark.len();
    format!("{}{text}{}", &xml[..at], &xml[at..])
}

#[test]
fn t_saml_xsw_comments_instructions_and_sections_are_refused_wherever_they_stand() {
    for xml in [good(), good_twice()] {
        for mark in [
            "persistent\" NameQualifier=\"https://idp.example/metadata\" SPNameQualifier=\"https://mcp.example/saml/acme/metadata\">ali",
            "<ds:SignedInfo>",
            "<samlp:Status>",
            "</samlp:Response>",
            "InResponseTo=\"_request-0123456789\">",
        ] {
            for text in
                ["<!---->", "<!-- x -->", "<?x y?>", "<![CDATA[x]]>", "<!DOCTYPE x>", "<!ENTITY x 'y'>"]
            {
                assert_eq!(refused(&put(&xml, mark, text)), "saml_markup", "{text} behind {mark}");
            }
        }
    }
    for head in [
        "<!DOCTYPE r [<!ENTITY x \"alice\">]>",
        "<?xml version=\"1.0\"?><!DOCTYPE r SYSTEM \"file:///etc/passwd\">",
        "<?xml version=\"1.0\"?><?xml-stylesheet href=\"x\"?>",
        "\u{feff}",
        "<!-- x -->",
    ] {
        assert_eq!(refused(&format!("{head}{}", good())), "saml_markup", "{head}");
    }
}

#[test]
fn t_saml_xsw_only_xml_1_0_in_utf_8_is_read() {
    for head in [
        r#"<?xml version="1.1"?>"#,
        r#"<?xml version="1.0" encoding="UTF-16"?>"#,
        r#"<?xml version="1.0" encoding="ISO-8859-1"?>"#,
        r#"<?xml version="1.0" encoding="utf-7"?>"#,
        r#"<?xml encoding="utf-8"?>"#,
    ] {
        assert_eq!(refused(&format!("{head}{}", good())), "saml_encoding", "{head}");
    }
    for (name, xml) in [
        ("unknown entity", with(">alice-1<", ">alice-1<").replace(">alice-1<", ">&alice;<")),
        ("two roots", format!("{}{}", good(), good())),
        ("text behind", format!("{}x", good())),
        ("broken off", good()[..good().len() - 9].to_owned()),
        ("broken off in a tag", good()[..good().len() - 3].to_owned()),
        ("control character", good().replace(">alice-1<", ">ali\u{1}ce-1<")),
        ("undeclared prefix", good().replace("<saml:Subject>", "<other:Subject>")),
        ("attribute twice", good().replace(r#"ID="_assertion""#, r#"ID="_assertion" ID="_b""#)),
        ("unbound prefix", good().replace("<saml:Subject>", r#"<saml:Subject xmlns:q="">"#)),
    ] {
        assert_eq!(refused(&xml), "saml_xml", "{name}");
    }
}

#[test]
fn t_saml_xsw_an_id_stands_once_however_it_is_spelled() {
    for attribute in ["ID", "Id", "id", "iD", "xml:id", "saml:ID"] {
        for value in ["_assertion", "_response"] {
            let repeated = format!(r#"<saml:Subject {attribute}="{value}">"#);
            assert_eq!(refused(&with("<saml:Subject>", &repeated)), "saml_duplicate_id", "{attribute}");
        }
    }
    let same = sign(&plain().replace("_response", "_assertion"), "Assertion", &Manner::plain());
    assert_eq!(refused(&same), "saml_duplicate_id");
}

#[test]
fn t_saml_xsw_size_depth_and_number_are_bounded_before_anything_is_parsed() {
    let deep = format!("{}{}", "<a>".repeat(limit::DEPTH + 1), "</a>".repeat(limit::DEPTH + 1));
    let bottomless = "<a>".repeat(80_000);
    let many = format!("<a>{}</a>", "<b/>".repeat(limit::ELEMENTS));
    let wide = format!("<a {}/>", (0..=limit::ATTRIBUTES).map(|n| format!("a{n}='' ")).collect::<String>());
    let long = format!("<a b='{}'/>", "x".repeat(limit::TAG));
    let spaces = format!(
        "<a>{}</a>",
        (0..=limit::NAMESPACES).map(|n| format!("<b xmlns:n{n}='u'/>")).collect::<String>()
    );
    let declaring =
        |of: usize| (0..limit::NAMESPACES_IN_SCOPE / 2 + 8).map(move |n| format!("xmlns:n{of}_{n}='u' "));
    let in_scope =
        format!("<a {}><b {}/></a>", declaring(1).collect::<String>(), declaring(2).collect::<String>());
    let unquoted = "<a b='".to_owned();
    for (name, xml, code) in [
        ("deep", deep, "saml_too_complex"),
        ("bottomless", bottomless, "saml_too_complex"),
        ("many", many, "saml_too_complex"),
        ("wide", wide, "saml_too_complex"),
        ("long", long, "saml_too_complex"),
        ("namespaces", spaces, "saml_too_complex"),
        ("namespaces in scope", in_scope, "saml_too_complex"),
        ("no end", unquoted, "saml_xml"),
    ] {
        assert_eq!(refused(&xml), code, "{name}");
    }
}

#[test]
fn t_saml_xsw_namespaces_bound_anew_name_other_elements() {
    // The prefix of the assertion's parts means something else below it: none of them is found.
    let rebound = with("<saml:Subject>", r#"<saml:Subject xmlns:saml="urn:other">"#);
    assert_eq!(refused(&rebound), "saml_unknown_part");
    let default = with("<saml:Conditions ", r#"<Conditions xmlns="urn:other"/><saml:Conditions "#);
    assert_eq!(refused(&default), "saml_unknown_part");
    let after = good().replace("<saml:Subject>", r#"<saml:Subject xmlns:saml="urn:other">"#);
    assert_eq!(refused(&after), "saml_digest");
    // Another namespace for the whole assertion, canonically the same length.
    let old = plain().replace("SAML:2.0:assertion", "SAML:1.0:assertion");
    assert_eq!(refused(&sign(&old, "Assertion", &Manner::plain())), "saml_wrapped");
    let foreign =
        good().replace("http://www.w3.org/2000/09/xmldsig#\">", "http://www.w3.org/2000/09/xmldsig\">");
    assert_eq!(refused(&foreign), "saml_wrapped");
}

/// One long namespace around thousands of elements, each of which would write it out anew: a form of a gigabyte made of
/// a document of 80 KB, by somebody who can sign nothing.
#[test]
fn t_caps_what_anybody_can_write_into_a_signature_is_refused_before_a_form_is_made_of_it() {
    let around = format!("<samlp:Response xmlns:p='u{}'", "\"".repeat(limit::TAG / 2));
    let many = "<p:a/>".repeat(limit::ELEMENTS / 4);
    let xml = put(&good(), "<ds:SignedInfo>", &many).replacen("<samlp:Response", &around, 1);
    assert_eq!(refused(&xml), "saml_unknown_part");
}

#[test]
fn t_caps_a_canonical_form_breaks_off_where_it_is_longer_than_a_response_may_be() {
    let xml = format!("<r xmlns:p='u{}'>{}</r>", "\"".repeat(8 * 1024), "<p:a/>".repeat(4 * 1024));
    let document = crate::saml::xml::parse(&xml, crate::saml::xml::Kind::Message).unwrap();
    let form = crate::saml::c14n::exclusive(document.root_element(), None, &[]);
    assert!(form.len() > limit::RESPONSE, "its caller can tell");
    assert!(form.len() < 2 * limit::RESPONSE, "{} bytes", form.len());
}
