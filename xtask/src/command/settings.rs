//! `cargo xtask settings`: the table of docs/configuration.md is what the binary itself explains.

use std::fmt::Write as _;

use super::build_binary;
use crate::place::root;
use crate::step::{Steps, program};
use crate::tally::Tally;

const PAGE: &str = "docs/configuration.md";
const BEGIN: &str = "<!-- from `portcullis config explain`; `cargo xtask settings --write` -->\n";
const END: &str = "<!-- end -->\n";

/// Builds the binary and compares; with `--write` brings the page up to date first.
pub(crate) fn add(steps: &mut Steps, words: &[&str]) {
    build_binary(steps);
    compare(steps, words.contains(&"--write"));
}

/// Compares the page with the binary that is there.
pub(crate) fn compare(steps: &mut Steps, write: bool) {
    steps.step("settings page", || match check(write) {
        Ok(()) => Tally::one(true),
        Err(why) => {
            println!("{why}");
            Tally::one(false)
        }
    });
}

fn check(write: bool) -> Result<(), String> {
    let said = program("target/debug/portcullis", ["config", "explain"]).output();
    let said = said.map_err(|why| format!("the binary cannot be run: {why}"))?;
    let table = table(&String::from_utf8_lossy(&said.stdout)).ok_or("the binary explains nothing")?;
    let path = root().join(PAGE);
    let page = std::fs::read_to_string(&path).map_err(|why| format!("{PAGE}: {why}"))?;
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (old, tail)) = parts.ok_or(format!("{PAGE} has no place for the table"))?;
    if old == table {
        return Ok(());
    }
    if write {
        let page = format!("{head}{BEGIN}{table}{END}{tail}");
        return std::fs::write(&path, page).map_err(|why| format!("{PAGE}: {why}"));
    }
    Err(format!("{PAGE} says otherwise than the binary: `cargo xtask settings --write`"))
}

/// `key (unit; default: value)` and the meaning on the next line, as rows of a table.
fn table(said: &str) -> Option<String> {
    let mut out = String::from("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    let mut lines = said.lines();
    while let Some(line) = lines.next() {
        let (key, rest) = line.split_once(" (")?;
        let (unit, default) = rest.strip_suffix(')')?.split_once("; default: ")?;
        let meaning = lines.next()?.trim();
        writeln!(out, "| `{key}` | {unit} | {default} | {meaning} |").ok()?;
    }
    (out.lines().count() > 2).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn what_is_explained_becomes_a_table() {
        let said = "tls.cert (path; default: none: plain http)\n  The certificates.\n";
        assert!(
            table(said).unwrap().ends_with("| `tls.cert` | path | none: plain http | The certificates. |\n")
        );
        assert_eq!(table(""), None);
        assert_eq!(table("error: no such key\n"), None);
    }
}
