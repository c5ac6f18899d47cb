//! Exclusive XML Canonicalization 1.0 without comments, of one element and what stands below it.
//!
//! Two documents that say the same get the same bytes, whatever stood around them: a namespace is declared where its
//! prefix is first seen at work, and nowhere else (§3). Prefixes named by `InclusiveNamespaces` are declared wherever
//! they are in scope (§2.1). There is no recursion on data deeper than [`limit::DEPTH`](super::limit::DEPTH): the
//! parser has refused it.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::limit;
use super::xml::{Without, attribute_prefix, prefix};

/// What is declared in the output so far, by prefix; the empty prefix is the default namespace.
type Declared<'a> = BTreeMap<&'a str, &'a str>;

/// The canonical bytes of `element`, without the node `without`. `inclusive` are the prefixes of
/// `InclusiveNamespaces`, the default namespace as `#default`.
///
/// A namespace declared once around many elements is written anew at each of them, so that a short document may have
/// an endless form: what is longer than [`limit::RESPONSE`] breaks off behind it, and its caller must refuse it.
pub(crate) fn exclusive(element: Node<'_, '_>, without: Without, inclusive: &[&str]) -> String {
    let mut form = Form { out: String::new(), without, inclusive };
    form.element(element, &Declared::new());
    form.out
}

struct Form<'f> {
    out: String,
    without: Without,
    inclusive: &'f [&'f str],
}

impl Form<'_> {
    fn element<'a, 'i: 'a>(&mut self, node: Node<'a, 'i>, above: &Declared<'a>) {
        if self.out.len() > limit::RESPONSE {
            return;
        }
        let own = prefix(node);
        let mut used: Declared<'a> = BTreeMap::new();
        for named in self.inclusive {
            let named = if *named == "#default" { "" } else { *named };
            let scope = node.lookup_namespace_uri((!named.is_empty()).then_some(named));
            // The name is taken from the document, not from the list: it has to outlive this element.
            let of_document = node.namespaces().find_map(|it| it.name().filter(|name| *name == named));
            match (scope, of_document) {
                (scope, _) if named.is_empty() => drop(used.insert("", scope.unwrap_or_default())),
                (Some(uri), Some(name)) if name != "xml" => drop(used.insert(name, uri)),
                _ => {}
            }
        }
        if own != "xml" {
            used.insert(own, node.tag_name().namespace().unwrap_or_default());
        }
        for attribute in node.attributes() {
            let prefix = attribute_prefix(node, &attribute);
            if !prefix.is_empty() && prefix != "xml" {
                used.insert(prefix, attribute.namespace().unwrap_or_default());
            }
        }
        let mut declared = above.clone();
        self.out.push('<');
        self.name(own, node.tag_name().name());
        for (prefix, uri) in used {
            if above.get(prefix).copied().unwrap_or_default() == uri {
                continue;
            }
            self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.value(uri);
            declared.insert(prefix, uri);
        }
        let mut attributes: Vec<_> = node.attributes().collect();
        attributes.sort_by_key(|it| (it.namespace().unwrap_or_default(), it.name()));
        for attribute in attributes {
            self.out.push(' ');
            self.name(attribute_prefix(node, &attribute), attribute.name());
            self.value(attribute.value());
        }
        self.out.push('>');
        for child in node.children() {
            if Some(child.id()) == self.without {
            } else if child.is_element() {
                self.element(child, &declared);
            } else if child.is_text() {
                self.text(child.text().unwrap_or_default());
            }
        }
        self.out.push_str("</");
        self.name(own, node.tag_name().name());
        self.out.push('>');
    }

    fn name(&mut self, prefix: &str, local: &str) {
        if !prefix.is_empty() {
            self.out.push_str(prefix);
            self.out.push(':');
        }
        self.out.push_str(local);
    }

    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                other => self.out.push(other),
            }
        }
    }

    fn value(&mut self, value: &str) {
        self.out.push_str("=\"");
        for character in value.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#x9;"),
                '\n' => self.out.push_str("&#xA;"),
                '\r' => self.out.push_str("&#xD;"),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }
}
