//! Exclusive canonicalization: examples, and that a canonical form is its own canonical form.

use proptest::prelude::*;
use roxmltree::Document;

use crate::saml::c14n;

/// The canonical form of the first element called `local`.
fn form(xml: &str, local: &str, inclusive: &[&str]) -> String {
    let document = Document::parse(xml).unwrap();
    let node = document.descendants().find(|it| it.tag_name().name() == local).unwrap();
    c14n::exclusive(node, None, inclusive)
}

#[test]
fn exclusive_c14n_3_each_rule_has_its_example() {
    for (name, xml, inclusive, expected) in [
        ("empty element", "<x/>", &[][..], "<x></x>"),
        ("order of attributes", "<x c='3' a='1' b='2'/>", &[], r#"<x a="1" b="2" c="3"></x>"#),
        (
            "attributes by namespace, then name",
            "<x xmlns:b='urn:a' xmlns:a='urn:b' a:z='1' b:z='2' z='3' b:a='4'/>",
            &[],
            r#"<x xmlns:a="urn:b" xmlns:b="urn:a" z="3" b:a="4" b:z="2" a:z="1"></x>"#,
        ),
        (
            "quotes",
            "<x a='\"&lt;&amp;&#9;&#10;&#13;>'/>",
            &[],
            r#"<x a="&quot;&lt;&amp;&#x9;&#xA;&#xD;>"></x>"#,
        ),
        ("text", "<x>&lt;&amp;&gt;&#13;\"'</x>", &[], "<x>&lt;&amp;&gt;&#xD;\"'</x>"),
        ("line ends", "<x>a\r\nb\rc</x>", &[], "<x>a\nb\nc</x>"),
        ("white space in a value", "<x a='a\r\nb\tc'/>", &[], r#"<x a="a b c"></x>"#),
        ("character references", "<x>&#x41;&#233;</x>", &[], "<x>Aé</x>"),
        (
            "unused declarations",
            "<x xmlns:u='urn:u' xmlns='urn:d'><y/></x>",
            &[],
            r#"<x xmlns="urn:d"><y></y></x>"#,
        ),
        (
            "declared at work",
            "<r xmlns:p='urn:p'><x><p:y/><p:z/></x></r>",
            &[],
            r#"<x><p:y xmlns:p="urn:p"></p:y><p:z xmlns:p="urn:p"></p:z></x>"#,
        ),
        (
            "used by an attribute",
            "<r xmlns:p='urn:p'><x p:a=''/></r>",
            &[],
            r#"<x xmlns:p="urn:p" p:a=""></x>"#,
        ),
        (
            "default taken back",
            "<r xmlns='urn:d'><x xmlns='urn:d'><y xmlns=''><z/></y></x></r>",
            &[],
            r#"<x xmlns="urn:d"><y xmlns=""><z></z></y></x>"#,
        ),
        ("no default to take back", "<x><y xmlns=''/></x>", &[], "<x><y></y></x>"),
        (
            "bound anew",
            "<p:x xmlns:p='urn:1'><p:y xmlns:p='urn:2'><p:z xmlns:p='urn:2'/></p:y></p:x>",
            &[],
            r#"<p:x xmlns:p="urn:1"><p:y xmlns:p="urn:2"><p:z></p:z></p:y></p:x>"#,
        ),
        (
            "bound back",
            "<p:x xmlns:p='urn:1'><y><p:z/></y></p:x>",
            &[],
            r#"<p:x xmlns:p="urn:1"><y><p:z></p:z></y></p:x>"#,
        ),
        (
            "listed prefix",
            "<r xmlns:p='urn:p' xmlns:q='urn:q'><x><y/></x></r>",
            &["p"],
            r#"<x xmlns:p="urn:p"><y></y></x>"#,
        ),
        (
            "listed and declared below",
            "<x><y xmlns:p='urn:p'><z/></y></x>",
            &["p"],
            r#"<x><y xmlns:p="urn:p"><z></z></y></x>"#,
        ),
        ("listed and unknown", "<x/>", &["p"], "<x></x>"),
        (
            "listed default",
            "<r xmlns='urn:d' xmlns:p='urn:p'><p:x/></r>",
            &["#default"],
            r#"<p:x xmlns="urn:d" xmlns:p="urn:p"></p:x>"#,
        ),
        (
            "xml attributes stay",
            "<r xml:lang='de'><x xml:space='preserve'/></r>",
            &[],
            r#"<x xml:space="preserve"></x>"#,
        ),
        ("listed xml", "<r xml:lang='de'><x/></r>", &["xml"], "<x></x>"),
    ] {
        assert_eq!(form(xml, "x", inclusive), expected, "{name}");
    }
}

#[test]
fn exclusive_c14n_what_stands_around_an_element_does_not_count() {
    let inside = "<p:x xmlns:p='urn:p' a='1'><p:y>t</p:y></p:x>";
    let alone = form(inside, "x", &[]);
    for around in [
        "<r>|</r>",
        "<r xmlns='urn:d' xmlns:q='urn:q' xml:lang='de'>|</r>",
        "<p:r xmlns:p='urn:other'>|</p:r>",
    ] {
        assert_eq!(form(&around.replace('|', inside), "x", &[]), alone, "{around}");
    }
}

/// An element with namespaces, attributes and children, as text.
fn element() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "p:b", "q:c", "d"]);
    let declarations = prop::sample::subsequence(
        vec!["xmlns='urn:1'", "xmlns=''", "xmlns:p='urn:2'", "xmlns:q='urn:1'"],
        0..3,
    )
    .prop_filter("one default", |all| all.iter().filter(|it| it.starts_with("xmlns=")).count() < 2);
    let attributes = prop::sample::subsequence(
        vec!["e='&quot;'", "p:e=' x&#10;'", "q:f='&amp;&lt;>'", "xml:lang='de'"],
        0..4,
    );
    let leaf = (name.clone(), declarations.clone(), attributes.clone(), "[a-z &+]{0,6}").prop_map(
        |(name, declarations, attributes, text)| {
            let text = text.replace('&', "&amp;").replace('+', "&#13;");
            format!("<{name} {} {}>{text}</{name}>", declarations.join(" "), attributes.join(" "))
        },
    );
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (name.clone(), declarations.clone(), attributes.clone(), prop::collection::vec(inner, 0..4)).prop_map(
            |(name, declarations, attributes, inner)| {
                format!(
                    "<{name} {} {}>\n{}</{name}>",
                    declarations.join(" "),
                    attributes.join(" "),
                    inner.concat()
                )
            },
        )
    })
}

/// The document around: the prefixes that elements use have to be bound.
pub(super) fn document() -> impl Strategy<Value = String> {
    element()
        .prop_map(|inside| format!("<root xmlns:p='urn:2' xmlns:q='urn:3'><x ID='x'>{inside}</x></root>"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn exclusive_c14n_a_canonical_form_is_a_fixed_point(xml in document(), listed in any::<bool>()) {
        let inclusive: &[&str] = if listed { &["p", "#default"] } else { &[] };
        let once = form(&xml, "x", inclusive);
        prop_assert_eq!(&form(&once, "x", inclusive), &once);
    }
}
