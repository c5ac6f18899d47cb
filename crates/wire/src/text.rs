//! Text that a stranger chose, made fit to be shown: no control characters, no bidirectional tricks, bounded.

/// Cleans a name for display: control, format and bidirectional characters go, runs of white space become one
/// space, and what is longer than `most` characters ends in an ellipsis.
pub fn displayable(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        let word: String = word.chars().filter(|&c| !is_invisible(c)).collect();
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            if count + 1 >= most {
                out.push('…');
                return out;
            }
            out.push(' ');
            count += 1;
        }
        for c in word.chars() {
            if count + 1 >= most {
                out.push('…');
                return out;
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

/// Characters that print nothing or change how others print.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_client_text_hides_nothing_and_turns_nothing_round() {
        for (name, given, expected) in [
            ("plain", "Claude", "Claude"),
            ("bidi override", "evil\u{202e}edualC", "eviledualC"),
            ("zero width", "Cl\u{200b}au\u{feff}de", "Claude"),
            ("lines", "a\r\n\tb", "a b"),
            ("nul", "a\0b", "a b"),
            ("tags", "x\u{e0041}", "x"),
            ("too long", "abcdefghijklm", "abcdefghijk…"),
            ("too long by a word", "abcdefghijk lm", "abcdefghijk…"),
            ("only invisible", "\u{200b}", ""),
        ] {
            assert_eq!(displayable(given, 12), expected, "{name}");
        }
    }
}
