//! What the sources say.

use crate::place::{files, from_root, root};

/// No file of ours is longer than this, in lines.
const WALL: usize = 500;

/// Files that may name the system's clock or its entropy.
const CLOCK_AND_ENTROPY: [&str; 2] = ["crates/portcullis/src/clock.rs", "crates/portcullis/src/entropy.rs"];

/// A file that must name the provider's source because the provider's calls ask for it; it draws nothing itself.
const ASKED_BY_THE_PROVIDER: &str = "crates/jose/src/key/signing.rs";

/// How the clock and the entropy of the system are named.
const NAMES_OF_CLOCK_AND_ENTROPY: [&str; 5] =
    ["SystemTime::now", "Instant::now", "rand::fill", "SystemRandom::new", "getrandom::"];

/// Elapsed time. That of the runtime tells no time of day, and stands still where a test says so.
const INSTANT: &str = "Instant::now";

/// Whether a file's `Instant` is the runtime's and no other.
fn measures_by_the_runtime(text: &str) -> bool {
    let taken = text.lines().filter(|line| line.trim_start().starts_with("use ") && line.contains("Instant"));
    let (mut any, mut all) = (false, true);
    for line in taken {
        any = true;
        all &= line.contains("tokio::time::");
    }
    let bare = text.matches(INSTANT).count();
    let full = text.matches("tokio::time::Instant::now").count();
    all && (any || bare == full) && !text.contains("std::time::Instant::now")
}

/// Rust sources of the rooms, each with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    files(&root().join(folder), "rs")
        .into_iter()
        .map(|path| (from_root(&path), std::fs::read_to_string(&path).unwrap_or_default()))
        .collect()
}

/// No Rust file is longer than the wall, tests included.
pub(super) fn wall() -> Vec<String> {
    ["crates", "xtask", "examples", "fuzz", "bench"]
        .iter()
        .flat_map(|folder| sources(folder))
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            (lines > WALL).then(|| format!("`{path}` has {lines} lines of {WALL}"))
        })
        .collect()
}

/// Outside tests, the system's clock and entropy are named in two files only.
pub(super) fn clock_and_entropy() -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in sources("crates") {
        if is_test(&path) || CLOCK_AND_ENTROPY.contains(&path.as_str()) || path == ASKED_BY_THE_PROVIDER {
            continue;
        }
        for (line, name) in named(&text, &NAMES_OF_CLOCK_AND_ENTROPY) {
            if name == INSTANT && measures_by_the_runtime(&text) {
                continue;
            }
            faults.push(format!("`{path}` names `{name}` in line {line}"));
        }
    }
    faults
}

/// The room `rules` is plain functions: nothing in it is async.
pub(super) fn rules_are_plain() -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in sources("crates/rules/src") {
        for (line, name) in named(&text, &["async fn", "async move", ".await", "std::fs", "std::net"]) {
            faults.push(format!("`{path}` has `{name}` in line {line}"));
        }
    }
    faults
}

/// Every file that docs/threats.md names exists, and every control it names has a row in spec/threats.md.
pub(super) fn threats() -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let (page, ledger) = (read("docs/threats.md"), read("spec/threats.md"));
    let mut faults = Vec::new();
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.starts_with("crates/")) {
        if !root().join(name).exists() {
            faults.push(format!("there is no file `{name}`"));
        }
    }
    for control in page.split([' ', ',', '\n']).filter(|word| word.starts_with("T-")) {
        if !ledger.contains(&format!("| {control} |")) {
            faults.push(format!("spec/threats.md has no row `{control}`"));
        }
    }
    if page.is_empty() { vec!["it is not there".to_owned()] } else { faults }
}

/// Whether a file holds tests only.
fn is_test(path: &str) -> bool {
    path.starts_with("crates/testkit/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

/// Where any of `names` stands in the text, up to the file's unit tests and outside comments.
fn named<'a>(text: &'a str, names: &'a [&'a str]) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .flat_map(move |(at, line)| {
            names.iter().filter(move |name| line.contains(*name)).map(move |name| (at + 1, *name))
        })
}

#[cfg(test)]
mod tests {
    use super::{measures_by_the_runtime, named};

    #[test]
    fn elapsed_time_is_the_runtimes() {
        for (text, expected) in [
            ("use tokio::time::Instant;\nlet now = Instant::now();", true),
            ("use tokio::time::{Instant, sleep};\nInstant::now()", true),
            ("let now = tokio::time::Instant::now();", true),
            ("use std::time::Instant;\nInstant::now()", false),
            ("use std::time::{Duration, Instant};\nInstant::now()", false),
            ("std::time::Instant::now()", false),
            ("Instant::now()", false),
        ] {
            assert_eq!(measures_by_the_runtime(text), expected, "{text}");
        }
    }

    #[test]
    fn comments_and_unit_tests_may_name_anything() {
        let text = "// Instant::now\nlet at = Instant::now();\n#[cfg(test)]\nInstant::now()\n";
        assert_eq!(named(text, &["Instant::now"]).collect::<Vec<_>>(), [(2, "Instant::now")]);
    }
}
