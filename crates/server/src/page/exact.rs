//! JSON shown letter by letter: what cannot be seen is spelt out, and the value stays the same.

use std::fmt::{self, Write as _};

use super::claim::is_unseen;

/// JSON text in which every character that cannot be seen, or turns its neighbours around, stands as the escape that JSON
/// has for it (RFC 8259 §7). Such characters occur only within strings, so the value does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact(String);

impl Exact {
    /// Takes JSON as it was written out, indented or not.
    #[must_use]
    pub fn json(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            let spelt = c != '\n' && (is_unseen(c) || (c.is_whitespace() && c != ' '));
            if spelt {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _infallible = write!(out, "\\u{unit:04x}");
                }
            } else {
                out.push(c);
            }
        }
        Self(out)
    }

    /// The same on one line, cut at `most` characters; a cut is marked.
    #[must_use]
    pub fn cut(text: &str, most: usize) -> Self {
        let Self(mut whole) = Self::json(&text.replace('\n', " "));
        if let Some((at, _)) = whole.char_indices().nth(most) {
            whole.truncate(at);
            whole.push('…');
        }
        Self(whole)
    }

    /// The text as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Exact {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        // Unlike a claim it may hold quotes: it is escaped where it is printed, never marked as safe.
        Ok(dest.write_str(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_client_text_json_is_shown_letter_by_letter_and_stays_the_same_value() {
        for (name, given, expected) in [
            ("plain", r#"{"a":1}"#, r#"{"a":1}"#),
            ("indented", "{\n  \"a\": 1\n}", "{\n  \"a\": 1\n}"),
            ("override", "\"a\u{202e}b\"", "\"a\\u202eb\""),
            ("no width", "\"\u{200b}\"", "\"\\u200b\""),
            ("no-break space", "\"\u{a0}\"", "\"\\u00a0\""),
            ("a tag beyond the first plane", "\"\u{e0041}\"", "\"\\udb40\\udc41\""),
            ("right to left is kept", "\"مساعد\"", "\"مساعد\""),
        ] {
            let shown = Exact::json(given);
            assert_eq!(shown.as_str(), expected, "{name}");
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(shown.as_str()), value(given), "{name}");
        }
        assert_eq!(Exact::cut("[\n1,\n2]", 4).as_str(), "[ 1,…");
    }
}
