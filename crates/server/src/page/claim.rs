//! Text that somebody else chose, made safe to stand in a sentence of ours.

use std::fmt;

/// Text a client, a server or a stranger chose for itself. It is one line of bounded length, holds no control,
/// invisible or direction-changing characters, no towers of combining marks and no double quotes that could end
/// ours. It is still only a claim; escaping for HTML is the template's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim(String);

impl Claim {
    /// Longest name shown, in characters.
    pub const NAME: usize = 80;
    /// Longest address or sentence shown, in characters.
    pub const LONG: usize = 512;
    /// Combining marks kept on one letter.
    const MARKS: usize = 2;

    /// A name, cut at [`Claim::NAME`] characters.
    #[must_use]
    pub fn name(text: &str) -> Self {
        Self::cut(text, Self::NAME)
    }

    /// A longer text such as an address, cut at [`Claim::LONG`] characters.
    #[must_use]
    pub fn long(text: &str) -> Self {
        Self::cut(text, Self::LONG)
    }

    /// The text as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn cut(text: &str, max: usize) -> Self {
        let mut out = String::new();
        let (mut len, mut marks, mut gap) = (0, 0, false);
        for c in text.chars() {
            if c.is_whitespace() {
                gap = len > 0;
                continue;
            }
            if is_unseen(c) {
                continue;
            }
            marks = if is_mark(c) { marks + 1 } else { 0 };
            if marks > Self::MARKS {
                continue;
            }
            if len + usize::from(gap) >= max {
                out.push('…');
                break;
            }
            if gap {
                out.push(' ');
                len += 1;
                gap = false;
            }
            out.push(if is_double_quote(c) { '\'' } else { c });
            len += 1;
        }
        if out.is_empty() {
            out.push_str("no name");
        }
        Self(out)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Claim {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

/// Controls, and characters that show nothing or change the direction of others (UAX #9 §2, Unicode §23).
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

fn is_double_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '〝' | '〞' | '＂')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::hostile;

    #[test]
    fn t_client_text_is_one_short_line_that_changes_nothing_around_it() {
        let cases = [
            ("plain", "Claude", "Claude"),
            ("spaces and lines", "  Notes \r\n\t Helper ", "Notes Helper"),
            ("empty", "", "no name"),
            ("only invisible", "\u{200b}\u{2800}\u{3164}", "no name"),
            ("override", "a\u{202e}b\u{2066}c\u{2069}", "abc"),
            ("quotes", "x” “y\"", "x' 'y'"),
            ("nul and escape", "a\0b\u{1b}[31m", "ab[31m"),
            ("tags", "a\u{e0041}b", "ab"),
            ("right to left is kept", hostile::RTL, hostile::RTL),
            ("accents are kept", "e\u{301}a", "e\u{301}a"),
            ("towers are not", "e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}"),
        ];
        for (name, given, expected) in cases {
            assert_eq!(Claim::name(given).as_str(), expected, "{name}");
        }
    }

    #[test]
    fn t_client_text_is_cut() {
        let shown = Claim::name(&hostile::long());
        assert_eq!(shown.as_str().chars().count(), Claim::NAME + 1);
        assert!(shown.as_str().ends_with('…'));
        assert_eq!(Claim::name(&"a".repeat(Claim::NAME)).as_str().len(), Claim::NAME);
        assert_eq!(Claim::long(&"a ".repeat(1000)).as_str().chars().count(), Claim::LONG);
    }
}
