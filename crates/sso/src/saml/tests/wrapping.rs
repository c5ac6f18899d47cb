//! The eight ways of XML signature wrapping (Somorovsky and others, 2012), and some since: a signed element is moved
//! aside, and a forged one stands where the reader looks.

use super::shapes::plain;
use super::signer::{Manner, sign};
use super::world::{finish, good, good_twice, refused};

/// The text of the first element `tag`, and the document around it.
fn cut<'a>(xml: &'a str, tag: &str) -> (&'a str, &'a str, &'a str) {
    let begin = xml.find(&format!("<{tag}")).unwrap();
    let close = format!("</{tag}>");
    let end = xml.rfind(&close).unwrap() + close.len();
    (&xml[..begin], &xml[begin..end], &xml[end..])
}

fn forged(assertion: &str, id: &str) -> String {
    assertion.replace(">alice-1<", ">mallory<").replace(r#"ID="_assertion""#, &format!(r#"ID="{id}""#))
}

fn without_signature(xml: &str) -> String {
    xml.replacen(signature(xml), "", 1)
}

fn into_signature(xml: &str, text: &str) -> String {
    xml.replacen("</ds:Signature>", &format!("{text}</ds:Signature>"), 1)
}

fn into_end(xml: &str, tag: &str, text: &str) -> String {
    let at = xml.rfind(&format!("</{tag}>")).unwrap();
    format!("{}{text}{}", &xml[..at], &xml[at..])
}

/// The signature of an element, whole.
fn signature(xml: &str) -> &str {
    let begin = xml.find("<ds:Signature ").unwrap();
    let end = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    &xml[begin..end]
}

/// Every wrapped document, by its name.
pub(super) fn corpus() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let response = sign(&plain(), "Response", &Manner::plain());
    for (which, source) in [("response signed", response), ("both signed", good_twice())] {
        let whole = without_signature(&source);
        for id in ["_evil", "_response"] {
            let evil = source
                .replace(">alice-1<", ">mallory<")
                .replace(r#"ID="_response""#, &format!(r#"ID="{id}""#));
            all.push((format!("xsw1 {which} {id}"), into_signature(&evil, &whole)));
            let beside = without_signature(&evil);
            let at = beside.find("<samlp:Status>").unwrap();
            let beside = format!("{}{whole}{}{}", &beside[..at], signature(&source), &beside[at..]);
            all.push((format!("xsw2 {which} {id}"), beside));
        }
    }
    for (which, source) in [("assertion signed", good()), ("both signed", good_twice())] {
        let (before, assertion, after) = cut(&source, "saml:Assertion");
        let bare = without_signature(assertion);
        for id in ["_evil", "_assertion"] {
            let evil = forged(&bare, id);
            let with_signature = forged(assertion, id);
            for (number, document) in [
                ("xsw3", format!("{before}{evil}{assertion}{after}")),
                ("xsw3 behind", format!("{before}{assertion}{evil}{after}")),
                ("xsw4", format!("{before}{}{after}", into_end(&evil, "saml:Assertion", assertion))),
                ("xsw5", format!("{before}{with_signature}{bare}{after}")),
                ("xsw6", format!("{before}{}{after}", into_signature(&with_signature, &bare))),
                ("xsw7", format!("{before}<samlp:Extensions>{evil}</samlp:Extensions>{assertion}{after}")),
                (
                    "xsw8",
                    format!(
                        "{before}{}{after}",
                        into_signature(&with_signature, &format!("<ds:Object>{bare}</ds:Object>"))
                    ),
                ),
                ("in the subject", format!("{before}{}{after}", evil.replace("<saml:Subject>", &format!("<saml:Subject>{assertion}")))),
                ("in an attribute", format!("{before}{}{after}", into_end(&evil, "saml:AttributeValue", assertion))),
                ("in advice", format!("{before}{}{after}", evil.replace("<saml:Subject>", &format!("<saml:Advice>{assertion}</saml:Advice><saml:Subject>")))),
                ("signature moved up", format!("{before}{}{bare}{after}", signature(assertion))),
                ("signature moved down", format!("{before}{}{after}", bare.replace("<saml:Subject>", &format!("<saml:Subject>{}", signature(assertion))))),
                ("another namespace", format!("{before}{}{assertion}{after}", evil.replace("saml:Assertion", "saml:Assertion xmlns:saml=\"urn:other\"").replacen("</saml:Assertion xmlns:saml=\"urn:other\"", "</saml:Assertion", 1))),
                ("in a signature value", format!("{before}{}{after}", evil.replace("<saml:Subject>", &format!("<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:KeyInfo>{assertion}</ds:KeyInfo></ds:Signature><saml:Subject>")))),
                ("altered", format!("{before}{with_signature}{after}")),
                ("unsigned", format!("{before}{evil}{after}")),
                ("two signatures", format!("{before}{}{after}", assertion.replacen("<ds:Signature ", &format!("{}<ds:Signature ", signature(assertion)), 1))),
            ] {
                all.push((format!("{number} {which} {id}"), document));
            }
        }
    }
    all
}

#[test]
fn t_saml_xsw_every_wrapping_is_refused() {
    assert_eq!(finish(&good()).unwrap().subject, "alice-1");
    assert_eq!(finish(&good_twice()).unwrap().subject, "alice-1");
    let corpus = corpus();
    assert!(corpus.len() > 70, "{}", corpus.len());
    for (name, xml) in corpus {
        assert!(roxmltree::Document::parse(&xml).is_ok(), "{name} is no document");
        let code = refused(&xml);
        assert!(
            [
                "saml_wrapped",
                "saml_unknown_part",
                "saml_duplicate_id",
                "saml_no_signature",
                "saml_digest",
                "saml_reference",
                "saml_not_a_response",
                "saml_mixed",
            ]
            .contains(&code),
            "{name}: {code}"
        );
    }
}
