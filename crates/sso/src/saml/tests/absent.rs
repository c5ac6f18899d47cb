//! Every element and attribute of a good answer dropped, emptied or made something else, one by one, and signed as if
//! the provider had meant it: refused, unless it is listed here, with the reason.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::shapes::plain;
use super::signer::{Manner, sign};
use super::world::{finish, good};

/// What may be otherwise.
const MAY: &[(&str, &str)] = &[
    ("drop Response/Issuer", "optional (Core §3.2.2); the assertion names its issuer"),
    ("retype Response@ID", "an ID is any name; nothing refers to it where the response is not signed"),
    ("retype Assertion@ID", "an ID is any name; the signature refers to this one"),
    ("drop Assertion/Issuer@Format", "absent means an entity (Core §2.2.5)"),
    ("retype NameID", "another person, and the provider has signed it"),
    ("drop NameID@NameQualifier", "absent means the issuer (Core §8.3.7)"),
    ("drop NameID@SPNameQualifier", "absent means the audience (Core §8.3.7)"),
    ("drop AuthnStatement@SessionIndex", "there is no single logout here"),
    ("empty AuthnStatement@SessionIndex", "there is no single logout here"),
    ("retype AuthnStatement@SessionIndex", "there is no single logout here"),
    ("drop AuthnStatement@SessionNotOnOrAfter", "optional (Core §2.7.2)"),
    ("retype AuthnContextClassRef", "handed on as a claim; the provider has signed it"),
    ("drop AttributeStatement", "optional; then there are no claims to map"),
    ("empty AttributeStatement", "then there are no claims to map"),
    ("empty AttributeStatement/Attribute", "an attribute may have no value"),
    ("drop AttributeStatement/Attribute", "each attribute is optional"),
    ("retype Attribute@Name", "another claim"),
    ("drop Attribute@NameFormat", "claims go by their name"),
    ("empty Attribute@NameFormat", "claims go by their name"),
    ("retype Attribute@NameFormat", "claims go by their name"),
    ("drop Attribute/AttributeValue", "an attribute may have no value"),
    ("empty AttributeValue", "a value may be empty"),
    ("retype AttributeValue", "another value"),
    ("drop AttributeValue@type", "values are text"),
    ("empty AttributeValue@type", "values are text"),
    ("retype AttributeValue@type", "values are text"),
];

fn called(node: Node<'_, '_>) -> String {
    let own = node.tag_name().name();
    match (own, node.parent_element()) {
        ("Issuer" | "Attribute", Some(parent)) => format!("{}/{own}", parent.tag_name().name()),
        ("AttributeValue", _) => own.to_owned(),
        _ => own.to_owned(),
    }
}

/// Every document with one thing otherwise, and what that is.
pub(super) fn mutations(xml: &str, below: &str) -> Vec<(String, String)> {
    let document = Document::parse(xml).unwrap();
    let start = document.descendants().find(|it| it.tag_name().name() == below).unwrap();
    let mut all = Vec::new();
    let replaced = |range: std::ops::Range<usize>, text: &str| {
        format!("{}{text}{}", &xml[..range.start], &xml[range.end..])
    };
    for node in start.descendants().filter(Node::is_element) {
        let name = called(node);
        if node.parent_element().is_some() {
            let label =
                if node.tag_name().name() == "AttributeValue" { "Attribute/AttributeValue" } else { &name };
            all.push((format!("drop {label}"), replaced(node.range(), "")));
            let tag = xml[node.range()].split([' ', '>', '/']).next().unwrap().trim_start_matches('<');
            if node.has_children() {
                let close = format!("</{tag}>");
                let open = xml[node.range()].find('>').unwrap() + node.range().start + 1;
                let inside = open..node.range().end - close.len();
                all.push((format!("empty {name}"), replaced(inside.clone(), "")));
                all.push((format!("retype {name}"), replaced(inside, "x")));
            }
            let twice = format!("{}{}", &xml[node.range()], &xml[node.range()]);
            if !["Attribute", "AttributeValue", "AttributeStatement", "AudienceRestriction", "Audience"]
                .contains(&node.tag_name().name())
            {
                all.push((format!("repeat {name}"), replaced(node.range(), &twice)));
            }
        }
        for attribute in node.attributes() {
            let label = format!("{name}@{}", attribute.name());
            let label =
                if name.ends_with("/Attribute") { label.replace("AttributeStatement/", "") } else { label };
            all.push((format!("drop {label}"), replaced(attribute.range(), "")));
            all.push((format!("empty {label}"), replaced(attribute.range_value(), "")));
            all.push((format!("retype {label}"), replaced(attribute.range_value(), "x")));
        }
    }
    all
}

#[test]
fn t_saml_absent_every_part_of_an_answer_counts() {
    let mut accepted = BTreeSet::new();
    let all = mutations(&plain(), "Response");
    assert!(all.len() > 120, "{}", all.len());
    for (name, xml) in all {
        if finish(&sign(&xml, "Assertion", &Manner::plain())).is_ok() {
            accepted.insert(name);
        }
    }
    let may: BTreeSet<String> = MAY.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(accepted, may);
}

#[test]
fn t_saml_absent_every_part_of_a_signature_counts() {
    let manner = Manner {
        key_info: Some("<ds:KeyName>k</ds:KeyName>".to_owned()),
        inclusive: "xs",
        ..Manner::plain()
    };
    let signed = sign(&plain(), "Assertion", &manner);
    let mut accepted = BTreeSet::new();
    for (name, xml) in mutations(&signed, "Signature") {
        if finish(&xml).is_ok() {
            accepted.insert(name);
        }
    }
    // What stands in KeyInfo is not looked at.
    let may = [
        "drop KeyInfo",
        "empty KeyInfo",
        "retype KeyInfo",
        "drop KeyName",
        "empty KeyName",
        "retype KeyName",
        "repeat KeyName",
    ];
    assert_eq!(accepted, may.map(str::to_owned).into());
}

#[test]
fn t_saml_absent_without_a_key_there_is_no_provider() {
    use super::world::{fetcher, metadata, settings};
    use crate::saml::ServiceProvider;
    let code =
        |metadata: &str| ServiceProvider::new(settings(metadata), fetcher()).map(|_| ()).unwrap_err().code;
    let whole = metadata(&[super::signer::rsa()]);
    assert_eq!(code(&metadata(&[])), "saml_metadata_key");
    assert_eq!(code(&whole.replace("signing", "encryption")), "saml_metadata_key");
    assert_eq!(code(&whole.replace("X509Certificate", "KeyName")), "saml_metadata_key");
    assert_eq!(code(""), "saml_metadata");
    assert!(finish(&good()).is_ok());
    for (name, xml) in mutations(&whole, "EntityDescriptor") {
        let outcome = ServiceProvider::new(settings(&xml), fetcher());
        let other =
            ["retype EntityDescriptor@entityID", "drop KeyDescriptor@use", "drop SingleSignOnService"];
        let binding_of_post =
            name.ends_with("SingleSignOnService@Binding") || name.ends_with("SingleSignOnService@Location");
        if let Ok(provider) = outcome {
            assert!(
                other.contains(&name.as_str()) || binding_of_post || name.starts_with("repeat"),
                "{name}"
            );
            if name.ends_with("entityID") {
                assert_eq!(
                    super::world::finish_at(&provider, &good(), super::world::NOW).unwrap_err().code,
                    "saml_issuer"
                );
            }
        }
    }
}
