//! Puts the answers into a template: `{{key}}` becomes its value.

/// Names in templates, and what takes their place.
pub(super) type Values = Vec<(&'static str, String)>;

/// The text with every known name replaced. One that stands alone on its line takes the line with it when its value is
/// empty.
pub(super) fn fill(text: &str, values: &Values) -> String {
    let mut filled = text.to_owned();
    for (key, value) in values {
        let name = format!("{{{{{key}}}}}");
        if value.is_empty() {
            filled = filled.replace(&format!("{name}\n"), "");
        }
        filled = filled.replace(&name, value);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn names_become_values_and_braces_stay() {
        let values = vec![("a", "1".to_owned()), ("none", String::new())];
        for (given, expected) in [
            ("x = {{a}}, {{a}}", "x = 1, 1"),
            ("one\n{{none}}\ntwo {{none}}.\n", "one\ntwo .\n"),
            ("format!(\"{{}} {a}\")", "format!(\"{{}} {a}\")"),
        ] {
            assert_eq!(fill(given, &values), expected);
        }
    }
}
