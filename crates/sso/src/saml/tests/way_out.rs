//! The way out: requests, and what we say of ourselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Document;
use url::Url;

use super::signer::rsa;
use super::world::{ACS, ENTITY, NOW, at_once, metadata, provider, provider_with, settings};
use crate::saml::{Begin, Names, name};

fn begin(again: bool) -> Begin {
    Begin { request_id: "request-0123456789".to_owned(), relay_state: "handle+/=&".to_owned(), again }
}

/// The document in an address that carries it.
fn carried(url: &Url) -> String {
    let message = url.query_pairs().find(|(key, _)| key == "SAMLRequest").unwrap().1.into_owned();
    let stream = STANDARD.decode(message).unwrap();
    let mut document = Vec::new();
    let mut rest = stream.as_slice();
    loop {
        let [last, low, high, not_low, not_high, more @ ..] = rest else { panic!("the stream breaks off") };
        let length = u16::from_le_bytes([*low, *high]);
        assert_eq!(u16::from_le_bytes([*not_low, *not_high]), !length);
        document.extend(&more[..usize::from(length)]);
        rest = &more[usize::from(length)..];
        if *last == 1 {
            assert!(rest.is_empty());
            return String::from_utf8(document).unwrap();
        }
    }
}

#[test]
fn saml_bindings_3_4_a_request_says_who_asks_what_and_where_the_answer_goes() {
    let url = Url::parse(&at_once(provider().begin(&begin(false), NOW)).unwrap()).unwrap();
    assert_eq!(url.host_str(), Some("idp.example"));
    let pairs: Vec<_> = url.query_pairs().collect();
    assert_eq!(
        pairs.iter().map(|(key, _)| key.as_ref()).collect::<Vec<_>>(),
        ["tenant", "SAMLRequest", "RelayState"]
    );
    assert_eq!(pairs[2].1, "handle+/=&");
    let text = carried(&url);
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert!(root.has_tag_name((name::SAMLP, "AuthnRequest")));
    for (attribute, expected) in [
        ("ID", Some("_request-0123456789")),
        ("Version", Some("2.0")),
        ("IssueInstant", Some("2026-11-23T04:00:00Z")),
        ("Destination", Some("https://idp.example/sso?tenant=1")),
        ("AssertionConsumerServiceURL", Some(ACS)),
        ("ProtocolBinding", Some(name::POST)),
        ("ForceAuthn", None),
    ] {
        assert_eq!(root.attribute(attribute), expected, "{attribute}");
    }
    let issuer = root.first_element_child().unwrap();
    assert_eq!((issuer.tag_name().name(), issuer.text()), ("Issuer", Some(ENTITY)));
    let policy = root.last_element_child().unwrap();
    assert_eq!(
        (policy.attribute("Format"), policy.attribute("AllowCreate")),
        (Some(name::PERSISTENT), Some("true"))
    );
}

#[test]
fn a_fresh_proof_is_asked_for_by_force_authn() {
    let url = Url::parse(&at_once(provider().begin(&begin(true), NOW)).unwrap()).unwrap();
    assert!(carried(&url).contains(r#" ForceAuthn="true""#));
    let mut settings = settings(&metadata(&[rsa()]));
    settings.names = Names::AlsoReassignable;
    let url = Url::parse(&at_once(provider_with(settings).begin(&begin(false), NOW)).unwrap()).unwrap();
    assert!(carried(&url).contains(name::UNSPECIFIED));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    for (id, relay) in [
        ("short", "handle"),
        ("with space 0123456789", "handle"),
        ("quote\"0123456789abc", "handle"),
        (&"a".repeat(201), "handle"),
        ("request-0123456789", ""),
        ("request-0123456789", &"a".repeat(81)),
    ] {
        let begin = Begin { request_id: id.to_owned(), relay_state: relay.to_owned(), again: false };
        assert_eq!(
            at_once(provider().begin(&begin, NOW)).unwrap_err().code,
            "saml_request_id",
            "{id} {relay}"
        );
    }
}

#[test]
fn saml_metadata_2_4_4_ours_says_what_is_wanted() {
    let text = provider().metadata();
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("entityID"), Some(ENTITY));
    let role = root.first_element_child().unwrap();
    assert!(role.has_tag_name((name::METADATA, "SPSSODescriptor")));
    assert_eq!(role.attribute("WantAssertionsSigned"), Some("true"));
    assert_eq!(role.attribute("AuthnRequestsSigned"), Some("false"));
    let service = role.last_element_child().unwrap();
    assert_eq!((service.attribute("Location"), service.attribute("Binding")), (Some(ACS), Some(name::POST)));
    let mut odd = settings(&metadata(&[rsa()]));
    odd.entity_id = "https://a/?b=1&c=\"<d>'".to_owned();
    let text = provider_with(odd).metadata();
    assert_eq!(
        Document::parse(&text).unwrap().root_element().attribute("entityID"),
        Some("https://a/?b=1&c=\"<d>'")
    );
}
