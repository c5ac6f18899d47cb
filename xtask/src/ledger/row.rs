//! A row of a ledger: `| id | level | requirement | test |`.

/// One requirement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The id: `A05`, `T-iss`, `rfc7636-4.6`.
    pub(super) id: &'a str,
    /// What holds it.
    pub(super) held: Vec<Held<'a>>,
}

/// What holds a requirement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// A Rust test: its function's name, perhaps with the end of its path before it.
    Test(&'a str),
    /// A step of a program under `tests/`: a text that stands in it.
    Client(&'a str),
    /// Nothing, with a reason.
    None,
}

/// The rows of every table in the text, each with its line number; headings and rules of tables left out.
pub(super) fn rows(text: &str) -> impl Iterator<Item = (usize, Result<Row<'_>, String>)> {
    text.lines().enumerate().filter_map(|(at, line)| {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let heading = cells.first().is_some_and(|id| *id == "id" || id.starts_with("--"));
        (!heading).then(|| (at + 1, read(&cells)))
    })
}

/// Reads one row's cells.
fn read<'a>(cells: &[&'a str]) -> Result<Row<'a>, String> {
    let [id, level, requirement, tests] = cells else {
        return Err(format!("{} cells, not 4", cells.len()));
    };
    if id.is_empty() || level.is_empty() || requirement.is_empty() {
        return Err("a cell is empty".to_owned());
    }
    if let Some(reason) = tests.strip_prefix("none:") {
        let reason = reason.trim();
        return if reason.is_empty() {
            Err(format!("`{id}` gives no reason for `none`"))
        } else {
            Ok(Row { id, held: vec![Held::None] })
        };
    }
    let held: Vec<Held<'a>> = tests.split('`').skip(1).step_by(2).map(held).collect();
    if held.is_empty() { Err(format!("`{id}` names no test and no reason")) } else { Ok(Row { id, held }) }
}

/// One name in backticks.
fn held(name: &str) -> Held<'_> {
    match name.strip_prefix("tests/").and_then(|rest| rest.split_once(": ")) {
        Some((_, step)) => Held::Client(step),
        None => Held::Test(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_tests_steps_or_reasons() {
        let text = "| id | level | requirement | test |\n| --- | --- | --- | --- |\n\
                    | A05 | MUST | exact | `a05_exact`, `tests/clients: sign in` |\n\
                    | X13 | MUST | later | none: not in this scope |\n\
                    | X14 | MUST | later | none: |\n| X15 | MUST | nothing |  |\n| X16 | MUST | three |\n";
        let read: Vec<_> = rows(text).map(|(line, row)| (line, row.ok())).collect();
        let a05 = Row { id: "A05", held: vec![Held::Test("a05_exact"), Held::Client("sign in")] };
        let x13 = Row { id: "X13", held: vec![Held::None] };
        assert_eq!(read, [(3, Some(a05)), (4, Some(x13)), (5, None), (6, None), (7, None)]);
    }
}
