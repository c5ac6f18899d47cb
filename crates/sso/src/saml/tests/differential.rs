//! Second and third opinions: bergshamra, and the xmlsec1 of the C library. Whatever we accept, both accept, and the
//! bytes that were hashed are the same.
//!
//! `xmlsec1` must be installed; without it these tests fail.

use std::path::Path;
use std::process::Command;

use bergshamra::c14n::{C14nMode, canonicalize_doc};
use bergshamra::keys::loader::load_x509_cert_pem;
use bergshamra::xml::nodeset::NodeSet;
use bergshamra::xml::uppsala;
use bergshamra::{DsigContext, KeysManager};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::tempdir;

use super::signer::{Manner, foreign, rsa, sign};
use super::world::{finish, good, good_twice, signed};
use super::{absent, canonical, real, shapes, wrapping};
use crate::saml::c14n;

/// Whether bergshamra finds every signature in the document good, with this key alone.
fn bergshamra_accepts(xml: &str, certificate: &str) -> bool {
    let mut keys = KeysManager::new();
    keys.add_key(load_x509_cert_pem(certificate.as_bytes()).unwrap());
    let context = DsigContext::new(keys).with_insecure(true);
    match bergshamra::verify_all(&context, xml) {
        Ok(all) => {
            !all.is_empty() && all.iter().all(|it| it.is_valid() && it.all_reference_digests_verified())
        }
        Err(_) => false,
    }
}

/// Whether xmlsec1 finds the signature of the assertion good, with this key alone; and the bytes it hashed.
fn xmlsec1(folder: &Path, xml: &str, certificate: &str) -> (bool, String) {
    let (document, key) = (folder.join("answer.xml"), folder.join("key.pem"));
    std::fs::write(&document, xml).unwrap();
    std::fs::write(&key, certificate).unwrap();
    let output = Command::new("xmlsec1")
        .args(["--verify", "--store-references", "--print-debug", "--enabled-key-data", "key-name"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response"])
        .args(["--node-xpath", "//*[local-name()='Assertion']/*[local-name()='Signature']"])
        .arg("--pubkey-cert-pem")
        .arg(&key)
        .arg(&document)
        .output()
        .expect("xmlsec1 must be installed (Debian package `xmlsec1`)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let bytes = said
        .split_once("== PreDigest data - start buffer:\n")
        .and_then(|(_, rest)| rest.split_once("\n== PreDigest data - end buffer"))
        .map(|(bytes, _)| bytes.to_owned())
        .unwrap_or_default();
    (output.status.success(), bytes)
}

/// The bytes we hash for the assertion.
fn ours(xml: &str) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let assertion = document.descendants().find(|it| it.tag_name().name() == "Assertion").unwrap();
    let signature = assertion.children().find(|it| it.tag_name().name() == "Signature").unwrap();
    let listed = signature
        .descendants()
        .find(|it| it.tag_name().name() == "InclusiveNamespaces")
        .and_then(|it| it.attribute("PrefixList"))
        .unwrap_or_default();
    c14n::exclusive(assertion, Some(signature.id()), &listed.split_whitespace().collect::<Vec<_>>())
}

#[test]
fn t_saml_xsw_bergshamra_and_xmlsec1_accept_what_we_accept_and_hash_the_same_bytes() {
    let folder = tempdir().unwrap();
    let mut documents: Vec<(String, String, String)> =
        shapes::all().iter().map(|it| (it.name.to_owned(), signed(it), it.assertion.key.pem())).collect();
    for name in ["pysaml2", "simplesamlphp"] {
        let recorded = real::recorded(name);
        assert!(recorded.judge(&recorded.response).is_ok(), "{name}");
        let (_, rest) = recorded.metadata.split_once("X509Certificate>").unwrap();
        let body = rest.split('<').next().unwrap();
        let lines: Vec<String> =
            body.trim().as_bytes().chunks(64).map(|it| String::from_utf8_lossy(it).into_owned()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        documents.push((format!("real {name}"), recorded.response, pem));
    }
    for (name, xml, certificate) in documents {
        assert!(bergshamra_accepts(&xml, &certificate), "bergshamra refuses {name}");
        let (accepts, bytes) = xmlsec1(folder.path(), &xml, &certificate);
        assert!(accepts, "xmlsec1 refuses {name}");
        assert_eq!(bytes, ours(&xml), "{name}");
        let other = foreign().pem();
        assert!(!bergshamra_accepts(&xml, &other) && !xmlsec1(folder.path(), &xml, &other).0, "{name}");
    }
}

#[test]
fn t_saml_xsw_whatever_is_done_to_an_answer_we_are_never_alone_in_accepting_it() {
    let folder = tempdir().unwrap();
    let certificate = rsa().pem();
    let mut corpus = wrapping::corpus();
    corpus.extend(absent::mutations(&good(), "Signature"));
    corpus.extend(absent::mutations(&good_twice(), "Response"));
    let (mut accepted, mut refused) = (0, 0);
    for (name, xml) in corpus {
        if finish(&xml).is_err() {
            refused += 1;
            continue;
        }
        accepted += 1;
        assert!(bergshamra_accepts(&xml, &certificate), "bergshamra refuses {name}");
        assert!(xmlsec1(folder.path(), &xml, &certificate).0, "xmlsec1 refuses {name}");
    }
    assert!(accepted >= 1 && refused > 300, "{accepted} accepted, {refused} refused");
}

#[test]
fn t_saml_xsw_a_signature_they_refuse_we_refuse() {
    for (name, xml, certificate) in [
        ("altered", good().replace(">alice-1<", ">mallory<"), rsa().pem()),
        (
            "foreign key",
            sign(&shapes::plain(), "Assertion", &Manner { key: foreign(), ..Manner::plain() }),
            rsa().pem(),
        ),
    ] {
        assert!(!bergshamra_accepts(&xml, &certificate), "{name}");
        assert!(!xmlsec1(tempdir().unwrap().path(), &xml, &certificate).0, "{name}");
        assert!(finish(&xml).is_err(), "{name}");
    }
}

#[test]
fn exclusive_c14n_bergshamra_writes_the_same_bytes() {
    let mut runner = TestRunner::new(Config { cases: 512, failure_persistence: None, ..Config::default() });
    runner
        .run(&(canonical::document(), any::<bool>()), |(xml, listed)| {
            let inclusive: &[&str] = if listed { &["p", "#default"] } else { &[] };
            let document = roxmltree::Document::parse(&xml).unwrap();
            let node = document.root_element().first_element_child().unwrap();
            let own = c14n::exclusive(node, None, inclusive);

            let theirs = uppsala::parse(&xml).unwrap();
            let root = theirs.document_element().unwrap();
            let inside = theirs.children(root)[0];
            let subtree = NodeSet::tree_without_comments(inside, &theirs);
            let bytes = canonicalize_doc(&theirs, C14nMode::Exclusive, Some(&subtree), inclusive).unwrap();
            prop_assert_eq!(own, String::from_utf8(bytes).unwrap());
            Ok(())
        })
        .unwrap();
}
