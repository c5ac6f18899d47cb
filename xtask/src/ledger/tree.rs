//! The tests that are there.

use std::collections::BTreeMap;

use crate::place::{files, from_root, root};

/// How the names of tests begin that hold a requirement: ids of the checklist, controls, sections of RFCs.
const REQUIREMENT_LETTERS: &str = "dcgatxrsw";

/// Every test function under `crates/`, and every text under `tests/`.
pub(super) struct Tree {
    tests: BTreeMap<String, Vec<String>>,
    programs: String,
}

impl Tree {
    /// Reads the tree.
    pub(super) fn read() -> Self {
        let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for folder in ["crates", "examples", "fuzz", "bench", "xtask"] {
            for path in files(&root().join(folder), "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for name in test_functions(&text) {
                    tests.entry(name.to_owned()).or_default().push(from_root(&path));
                }
            }
        }
        let programs = ["mjs", "py"].iter().flat_map(|ending| files(&root().join("tests"), ending));
        let programs = programs.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        Self { tests, programs }
    }

    /// Whether a test of this name is there; parts of a path before it must stand in its file's path.
    pub(super) fn has_test(&self, path: &str) -> bool {
        let mut parts = path.rsplit("::");
        let name = parts.next().unwrap_or(path);
        let rooms: Vec<&str> = parts.collect();
        self.tests.get(name).is_some_and(|found| {
            found.iter().any(|file| {
                rooms.iter().all(|room| file.contains(room.strip_prefix("portcullis_").unwrap_or(room)))
            })
        })
    }

    /// Whether a program under `tests/` has this text.
    pub(super) fn has_step(&self, step: &str) -> bool {
        !step.is_empty() && self.programs.contains(step)
    }

    /// Names of tests that say they hold a requirement.
    pub(super) fn requirement_tests(&self) -> impl Iterator<Item = &str> {
        self.tests.keys().map(String::as_str).filter(|name| holds_requirement(name))
    }
}

/// Whether a test's name begins with an id (`a05_`, `t_`, `rfc7636_`).
fn holds_requirement(name: &str) -> bool {
    let Some((id, _)) = name.split_once('_') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let lettered = id.len() == 3 && REQUIREMENT_LETTERS.contains(&id[..1]) && digits(&id[1..]);
    lettered || id == "t" || id.strip_prefix("rfc").is_some_and(digits)
}

/// The macro that makes a test of each function it is given, for every store: `room::name,` a line.
const SUITE: &str = "every_store! {";

/// Names of the functions that an attribute ending in `test` stands before, on its own line or the same, and of
/// those given to the suite of the stores.
fn test_functions(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut marked, mut suite) = (false, false);
    for line in text.lines() {
        let mut rest = line.trim();
        suite = (suite && rest != "}") || rest == SUITE;
        if let (true, Some((_, name))) = (suite, rest.trim_end_matches(',').split_once("::")) {
            found.push(name);
        }
        while let Some(inner) = rest.strip_prefix("#[") {
            let name = inner.split(['(', ']', ' ']).next().unwrap_or(inner);
            marked = marked || name == "test" || name.ends_with("::test");
            rest = inner.split_once("] ").map_or("", |(_, after)| after);
        }
        if let Some(name) = function(rest) {
            if marked {
                found.push(name);
            }
            marked = false;
        }
    }
    found
}

/// The name of the function a line begins, if it begins one.
fn function(line: &str) -> Option<&str> {
    let words = ["pub ", "pub(crate) ", "async ", "fn "];
    let mut rest = line;
    for word in words {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let begins = rest.len() < line.len() && line.contains("fn ");
    let name = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
    (begins && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_marked_as_tests_are_tests() {
        let text = "#[test]\nfn a05_exact() {}\nfn t_no_test() {}\n#[tokio::test(start_paused = true)]\n\
                    async fn t21_race() {}\n#[test] fn rfc7636_4_6_wrong() {}\n#[derive(Debug)]\nfn plain() {}\n\
                    #[test]\n#[should_panic]\nfn two_marks() {}\nevery_store! {\n    race::t21_once,\n}\na::b,\n";
        assert_eq!(
            test_functions(text),
            ["a05_exact", "t21_race", "rfc7636_4_6_wrong", "two_marks", "t21_once"]
        );
    }

    #[test]
    fn names_that_hold_a_requirement_are_known() {
        for (name, expected) in [
            ("a05_exact", true),
            ("t21_race", true),
            ("t_iss", true),
            ("rfc9068_4_other", true),
            ("table_of_things", false),
            ("a5_short", false),
            ("rfcs_are_fine", false),
        ] {
            assert_eq!(holds_requirement(name), expected, "{name}");
        }
    }
}
