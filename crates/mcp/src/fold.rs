//! How a careless reader might see a name: letters without case, with the two signs outside ASCII that fold into it.

/// `text` as a reader that ignores case would compare it. Some fold the long s and the Kelvin sign, too.
pub fn fold(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control())
        .chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn t_json_diff_names_that_a_careless_reader_takes_for_one() {
        for (name, given, expected) in [
            ("as it is", "name", "name"),
            ("capitals", "NAME", "name"),
            ("long s", "param\u{17f}", "params"),
            ("kelvin sign", "tas\u{212a}Id", "taskid"),
            ("nul at the end", "name\0", "name"),
            ("space around", " name\t", "name"),
        ] {
            assert_eq!(fold(given), expected, "{name}");
        }
    }
}
