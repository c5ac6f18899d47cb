//! Where things stand in a file of policies.

use std::ops::Range;

/// A policy's text, without what stands before and behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Where it stands, in bytes.
    pub(super) at: Range<usize>,
    /// How many signs outside strings and comments are no letters, digits or white space: a bound of its depth.
    pub(super) signs: usize,
}

/// Takes a text apart at the semicolons that stand in neither a string nor a comment.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut start = None;
    let mut signs = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '/' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
                continue;
            }
            '"' => {
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            c if c.is_whitespace() => continue,
            c if !c.is_alphanumeric() => signs += 1,
            _ => {}
        }
        let from = *start.get_or_insert(at);
        if c == ';' {
            found.push(Statement { at: from..at + 1, signs });
            (start, signs) = (None, 0);
        }
    }
    if let Some(from) = start {
        found.push(Statement { at: from..text.len(), signs });
    }
    found
}

/// Line and column of a place in a text, both from 1, the column in characters.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(at)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_strings_and_comments() {
        let text = "// a; b\n@id(\"x;\\\"y\")\nforbid(a);  forbid(b) // c;\n;\n// end;\n";
        let found: Vec<_> = statements(text).into_iter().map(|one| &text[one.at]).collect();
        assert_eq!(found, ["@id(\"x;\\\"y\")\nforbid(a);", "forbid(b) // c;\n;"]);
        assert_eq!(statements(" // only\n"), []);
        assert_eq!(statements("forbid(").len(), 1);
        assert_eq!(statements("a(\"(((\"); b").first().map(|one| one.signs), Some(3));
    }

    #[test]
    fn places_are_told_as_line_and_column() {
        for (at, expected) in [(0, (1, 1)), (2, (1, 3)), (4, (2, 1)), (6, (2, 2)), (99, (2, 3))] {
            assert_eq!(position("abc\nöx", at), expected, "{at}");
        }
    }
}
