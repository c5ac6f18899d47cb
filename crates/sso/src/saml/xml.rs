//! XML as strictly as this room reads it, in every place alike: one parser for what is verified and what is read.
//!
//! Before anything is parsed, one pass over the bytes refuses what SAML never needs and what made others read two
//! documents in one: a DTD, comments, CDATA, processing instructions, and every size beyond its limit.

use roxmltree::{Attribute, Document, Node, NodeId, ParsingOptions};

use super::fault::{absent, shape};
use super::limit;
use crate::Fault;

/// What a document is; metadata, given by an administrator, may hold comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message from the browser, or a part of one.
    Message,
    /// A provider's metadata.
    Metadata,
}

/// Parses `text`.
pub(crate) fn parse(text: &str, kind: Kind) -> Result<Document<'_>, Fault> {
    let most = if kind == Kind::Message { limit::RESPONSE } else { limit::METADATA };
    if text.len() > most {
        return Err(shape("saml_too_large", format!("the document is longer than {most} bytes")));
    }
    Scan { text, at: 0, kind, open: Vec::new(), in_scope: 0, elements: 0, namespaces: 0 }.run()?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 1 << 18, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        shape("saml_xml", format!("the document is not well-formed XML ({})", error.pos()))
    })?;
    let mut ids = Vec::new();
    for node in document.descendants().filter(Node::is_element) {
        for attribute in node.attributes().filter(|it| it.name().eq_ignore_ascii_case("id")) {
            ids.push(attribute.value());
        }
        if node.namespaces().any(|it| it.name().is_some() && it.uri().is_empty()) {
            return Err(shape("saml_xml", "the document takes the meaning from a namespace prefix"));
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    if kind == Kind::Message && ids.len() != all {
        return Err(shape("saml_duplicate_id", "two elements of the response have the same ID"));
    }
    Ok(document)
}

/// The pass before the parser: it knows tags and quotes, and nothing of names.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    kind: Kind,
    /// How many namespaces each open element declares.
    open: Vec<usize>,
    in_scope: usize,
    elements: usize,
    namespaces: usize,
}

impl Scan<'_> {
    fn run(mut self) -> Result<(), Fault> {
        self.declaration()?;
        while let Some(found) = self.rest().find('<') {
            self.at += found;
            let rest = self.rest();
            if rest.starts_with("<!--") && self.kind == Kind::Metadata {
                self.at += rest.find("-->").ok_or_else(|| shape("saml_xml", "a comment does not end"))? + 3;
            } else if rest.starts_with("<!") {
                let what = if rest.starts_with("<!--") { "a comment" } else { "a DTD or a CDATA section" };
                return Err(shape("saml_markup", format!("the document holds {what}")));
            } else if rest.starts_with("<?") {
                return Err(shape("saml_markup", "the document holds a processing instruction"));
            } else if rest.starts_with("</") {
                self.in_scope -= self.open.pop().unwrap_or_default();
                self.at += 2;
            } else {
                self.tag()?;
            }
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`, or nothing.
    fn declaration(&mut self) -> Result<(), Fault> {
        if self.text.contains("xml-stylesheet") || self.text.starts_with('\u{feff}') {
            return Err(shape(
                "saml_markup",
                "the document begins with a byte order mark or names a style sheet",
            ));
        }
        let Some(inside) = self.text.strip_prefix("<?xml") else { return Ok(()) };
        let end = inside.find("?>").ok_or_else(|| shape("saml_xml", "the XML declaration does not end"))?;
        let said: String = inside.get(..end).unwrap_or_default().replace('\'', "\"").to_ascii_lowercase();
        let known =
            said.contains("version=\"1.0\"") && (!said.contains("encoding") || said.contains("\"utf-8\""));
        if !known {
            return Err(shape("saml_encoding", "the document is not XML 1.0 in UTF-8"));
        }
        self.at = "<?xml".len() + end + "?>".len();
        Ok(())
    }

    fn tag(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let begin = self.at;
        let (mut quote, mut quotes) = (None, 0);
        loop {
            self.at += 1;
            match (bytes.get(self.at), quote) {
                (None, _) => return Err(shape("saml_xml", "the document breaks off within a tag")),
                (Some(byte), Some(open)) if *byte == open => quote = None,
                (Some(b'>'), None) => break,
                (Some(byte @ (b'"' | b'\'')), None) => {
                    quote = Some(*byte);
                    quotes += 1;
                }
                _ => {}
            }
        }
        self.elements += 1;
        let declared = self.text.get(begin..self.at).unwrap_or_default().matches("xmlns").count();
        self.namespaces += declared;
        let in_scope = self.in_scope + declared;
        if bytes.get(self.at - 1) != Some(&b'/') {
            self.open.push(declared);
            self.in_scope = in_scope;
        }
        let beyond = self.at - begin > limit::TAG
            || self.open.len() > limit::DEPTH
            || in_scope > limit::NAMESPACES_IN_SCOPE
            || self.elements > limit::ELEMENTS
            || quotes > limit::ATTRIBUTES
            || self.namespaces > limit::NAMESPACES;
        if beyond {
            return Err(shape("saml_too_complex", "the document is nested too deeply or has too many parts"));
        }
        Ok(())
    }
}

/// Whether `node` is the element `name` of the namespace `space`.
pub(crate) fn is(node: Node<'_, '_>, space: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().namespace() == Some(space) && node.tag_name().name() == name
}

/// The prefix under which an element was written; empty where there is none. It stands in the source, right behind
/// its `<`.
pub(crate) fn prefix<'i>(node: Node<'_, 'i>) -> &'i str {
    let tag = node.document().input_text().get(node.range().start + 1..).unwrap_or_default();
    let name = tag.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap_or_default();
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

/// The prefix under which an attribute was written; empty where there is none.
pub(crate) fn attribute_prefix<'i>(node: Node<'_, 'i>, attribute: &Attribute<'_, '_>) -> &'i str {
    let name = node.document().input_text().get(attribute.range_qname()).unwrap_or_default();
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

/// The child elements of `node`, where nothing but white space stands between them.
pub(crate) fn children<'a, 'i>(node: Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, Fault> {
    let mut found = Vec::new();
    for child in node.children() {
        if child.is_element() {
            found.push(child);
        } else if child.is_text() && !child.text().is_some_and(is_blank) {
            return Err(shape(
                "saml_mixed",
                format!("text stands between the parts of {}", node.tag_name().name()),
            ));
        }
    }
    Ok(found)
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The text of an element that holds text alone.
pub(crate) fn text(node: Node<'_, '_>) -> Result<String, Fault> {
    let mut whole = String::new();
    for child in node.children() {
        match child.text() {
            Some(part) if child.is_text() => whole.push_str(part),
            _ => {
                let name = node.tag_name().name();
                return Err(shape("saml_mixed", format!("{name} holds something beside text")));
            }
        }
    }
    Ok(whole)
}

/// The text of an element that holds some.
pub(crate) fn filled(node: Node<'_, '_>) -> Result<String, Fault> {
    let text = text(node)?;
    if is_blank(&text) { Err(absent(node.tag_name().name())) } else { Ok(text) }
}

/// An attribute without a namespace, if it is there.
pub(crate) fn optional<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|it| it.namespace().is_none() && it.name() == name).map(|it| it.value())
}

/// An attribute without a namespace that must be there and say something.
pub(crate) fn required<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, Fault> {
    optional(node, name)
        .filter(|value| !is_blank(value))
        .ok_or_else(|| absent(&format!("{name} on {}", node.tag_name().name())))
}

/// The one child element of that name among `children`, or none.
pub(crate) fn at_most_one<'a, 'i>(
    children: &[Node<'a, 'i>],
    space: &str,
    name: &str,
) -> Result<Option<Node<'a, 'i>>, Fault> {
    let mut found = children.iter().copied().filter(|it| is(*it, space, name));
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(shape("saml_repeated", format!("{name} stands there more than once"))),
        (one, None) => Ok(one),
    }
}

/// The one child element of that name among `children`.
pub(crate) fn one<'a, 'i>(children: &[Node<'a, 'i>], space: &str, name: &str) -> Result<Node<'a, 'i>, Fault> {
    at_most_one(children, space, name)?.ok_or_else(|| absent(name))
}

/// Refuses children that are not among `known`, each a namespace and a name.
pub(crate) fn only(children: &[Node<'_, '_>], known: &[(&str, &str)]) -> Result<(), Fault> {
    for child in children {
        if !known.iter().any(|(space, name)| is(*child, space, name)) {
            let name = child.tag_name().name();
            return Err(shape("saml_unknown_part", format!("{name} stands where it is not accepted")));
        }
    }
    Ok(())
}

/// Which node is left out of a canonical form.
pub(crate) type Without = Option<NodeId>;
