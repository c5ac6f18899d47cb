//! One spelling for one JSON value, so that digests of it can be compared.

use portcullis_wire::digest::Digest;
use serde_json::Value;

/// JSON without white space and with the members of every object in the order of their names (by code point).
/// Numbers keep the spelling they were read with: `1` and `1.0` are two.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, value) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// Shortens a text to at most `most` bytes, between two characters.
pub(crate) fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// The digest of some texts, for one purpose: each with its length before it, so that no two lists read alike.
pub(crate) fn digest(purpose: &str, texts: &[&str]) -> Digest {
    let mut all = Vec::new();
    for text in std::iter::once(&purpose).chain(texts) {
        all.extend_from_slice(&(text.len() as u64).to_be_bytes());
        all.extend_from_slice(text.as_bytes());
    }
    Digest::of(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        let read = |text: &str| super::text(&serde_json::from_str(text).unwrap());
        assert_eq!(
            read(r#"{ "b": [1, {"y":null,"x":"ä\n"}], "a": true }"#),
            r#"{"a":true,"b":[1,{"x":"ä\n","y":null}]}"#
        );
        assert_ne!(read("1"), read("1.0"));
        assert_ne!(read(r#""1""#), read("1"));
        assert_ne!(digest("p", &["ab", "c"]), digest("p", &["a", "bc"]));
        assert_ne!(digest("p", &["ab"]), digest("q", &["ab"]));
        let mut long = "aä".to_owned();
        cut(&mut long, 2);
        assert_eq!(long, "a");
    }
}
