use proptest::prelude::*;

use super::*;

impl Unite for Vec<u8> {
    fn unite(&mut self, other: &Self) {
        self.extend(other);
    }
}

#[test]
fn stars_stand_for_any_run_of_characters() {
    for (pattern, name, fits) in [
        ("*", "", true),
        ("*", "anything at all", true),
        ("get_*", "get_note", true),
        ("get_*", "get_", true),
        ("get_*", "GET_note", true),
        ("get_*", "forget_note", false),
        ("get_*", "get", false),
        ("*_delete", "note_delete", true),
        ("*_delete", "note_delete_not", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
        ("a*b*c", "abcbc", true),
        ("*ab*ab*", "ab", false),
        ("*ab*ab*", "aab-abb", true),
        ("**", "x", true),
        ("a**b", "ab", true),
        ("*.*", "axb", false),
        ("get_*", "get_\0", true),
        ("get_*", "\0get_x", true),
        ("Ä*", "Äpfel", true),
        ("plain", "plain", true),
        ("plain", "plainer", false),
    ] {
        assert_eq!(Pattern::parse(pattern).matches(name), fits, "{pattern} {name:?}");
    }
}

#[test]
fn the_most_specific_counts_and_equals_are_united() {
    let mut names = ByName::default();
    for (name, what) in [
        ("*", 0),
        ("get_*", 1),
        ("*_note", 2),
        ("get_secret_*", 3),
        ("get_note", 4),
        ("Get_Note", 5),
        ("*_pen", 6),
    ] {
        names.insert(name, &vec![what]);
    }
    for (name, expected) in [
        ("get_note", vec![4]),
        ("Get_Note", vec![5]),
        ("GET_NOTE", vec![4, 5]),
        ("get_pen", vec![1, 6]),
        ("get_secret_note", vec![3]),
        ("put_note", vec![2]),
        ("put_it", vec![0]),
        ("", vec![0]),
    ] {
        assert_eq!(names.find(name).map(Cow::into_owned), Some(expected), "{name}");
    }
    assert_eq!(ByName::<Vec<u8>>::default().find("x"), None);
}

#[test]
fn a_long_name_costs_no_more_than_its_length() {
    let pattern = Pattern::parse(&"a*".repeat(64));
    assert!(!pattern.matches(&format!("{}b", "b".repeat(1 << 20))));
    assert!(pattern.matches(&"a".repeat(1 << 20)));
}

/// The definition itself, by recursion.
fn by_definition(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => by_definition(rest, name),
        (Some(('*', rest)), Some((_, shorter))) => {
            by_definition(rest, name) || by_definition(pattern, shorter)
        }
        (Some((one, rest)), Some((other, shorter))) => one == other && by_definition(rest, shorter),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_is_as_defined(pattern in "[ab*]{0,8}", name in "[ab]{0,12}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = by_definition(&chars(&pattern), &chars(&name));
        prop_assert_eq!(Pattern::parse(&pattern).matches(&name), expected);
    }

    #[test]
    fn any_pattern_and_any_name_have_an_answer(pattern in any::<String>(), name in any::<String>()) {
        let mut names = ByName::default();
        names.insert(&pattern, &vec![1]);
        names.insert("*", &vec![0]);
        prop_assert!(names.find(&name).is_some());
        prop_assert!(names.find(&pattern).is_some());
    }
}
