//! The ledgers in `spec/`: a table per specification, a row per requirement, and the test that holds it.

mod row;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use crate::place::{files, from_root, root};
use row::{Held, Row};
use tree::Tree;

/// What a reading of the ledgers found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows read.
    pub(crate) rows: usize,
    /// What does not hold.
    pub(crate) faults: Vec<String>,
    /// What is worth knowing and no fault.
    pub(crate) notes: Vec<String>,
}

/// Reads every ledger, the list of required ids, and the tests of the tree, and compares them.
pub(crate) fn check() -> Report {
    let mut report = Report::default();
    let tree = Tree::read();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut named = BTreeSet::new();
    let mut untested = Vec::new();
    for path in files(&root().join("spec"), "md") {
        let file = from_root(&path);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for (line, read) in row::rows(&text) {
            report.rows += 1;
            let row = match read {
                Ok(row) => row,
                Err(why) => {
                    report.faults.push(format!("{file}:{line}: {why}"));
                    continue;
                }
            };
            if let Some(before) = seen.insert(row.id.to_owned(), file.clone()) {
                report.faults.push(format!("{file}:{line}: `{}` stands in {before} too", row.id));
            }
            judge(&row, &tree, &mut named, &mut untested)
                .into_iter()
                .for_each(|why| report.faults.push(format!("{file}:{line}: `{}`: {why}", row.id)));
        }
    }
    let required = std::fs::read_to_string(root().join("spec/required.txt")).unwrap_or_default();
    let required: Vec<&str> =
        required.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    if required.is_empty() {
        report.faults.push("spec/required.txt names nothing".to_owned());
    }
    let missing = required.iter().filter(|id| !seen.contains_key(**id));
    report.faults.extend(missing.map(|id| format!("`{id}` is required and has no row")));
    for name in tree.requirement_tests() {
        if !named.contains(name) {
            report.notes.push(format!("no ledger names the test `{name}`"));
        }
    }
    if !untested.is_empty() {
        report.notes.push(format!("{} rows without a test: {}", untested.len(), untested.join(" ")));
    }
    report
}

/// What is wrong with a row: a test that is not there.
fn judge(
    row: &Row<'_>,
    tree: &Tree,
    named: &mut BTreeSet<String>,
    untested: &mut Vec<String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for held in &row.held {
        match held {
            Held::Test(path) => {
                let name = path.rsplit("::").next().unwrap_or(path);
                named.insert(name.to_owned());
                if !tree.has_test(path) {
                    faults.push(format!("there is no test `{path}`"));
                }
            }
            Held::Client(step) if !tree.has_step(step) => {
                faults.push(format!("no program under tests/ says `{step}`"));
            }
            Held::Client(_) => {}
            Held::None => untested.push(row.id.to_owned()),
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_requirement_names_a_test_that_exists() {
        let report = super::check();
        assert!(report.faults.is_empty(), "{}", report.faults.join("\n"));
    }
}
