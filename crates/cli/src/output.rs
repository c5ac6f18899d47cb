//! Data to standard output, talk to standard error. With `--json`, data is one object a line.

use std::io::{self, Write as _};

use serde_json::Value;

/// How data is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// A list: its columns by name for people, whole objects for programs.
    pub(crate) fn list(self, rows: &[Value], columns: &[&str], none: &str) {
        if self.json {
            rows.iter().for_each(|row| print(&row.to_string()));
        } else if rows.is_empty() {
            say(none);
        } else {
            table(rows, columns).iter().for_each(|line| print(line));
        }
    }

    /// Objects of which people want every member, a line each.
    pub(crate) fn facts(self, rows: &[Value]) {
        for row in rows {
            match row {
                Value::Object(members) if !self.json => {
                    members.iter().for_each(|(name, value)| print(&format!("{name}: {}", plain(value))));
                }
                other => print(&other.to_string()),
            }
        }
    }

    /// One object for programs; nothing for people, who are talked to otherwise.
    pub(crate) fn object(self, row: &Value) {
        if self.json {
            print(&row.to_string());
        }
    }
}

/// One line of data. A reader that went away is no fault of ours, and there is nobody left to tell.
pub(crate) fn print(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// One line of talk.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A value as people read it; nothing is a dash.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Columns wide enough for what they hold. Control characters, which a client's name may carry, are not printed.
fn table(rows: &[Value], columns: &[&str]) -> Vec<String> {
    let cell = |row: &Value, name: &str| -> String {
        plain(row.get(name).unwrap_or(&Value::Null)).chars().filter(|c| !c.is_control()).collect()
    };
    let mut lines =
        vec![columns.iter().map(|name| name.to_uppercase().replace('_', " ")).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|name| cell(row, name)).collect()));
    let width = |index: usize| lines.iter().map(|line| line[index].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let print = |line: &Vec<String>| {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(print).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_line_up_and_hide_control_characters() {
        let rows = [json!({"id": "a", "scopes": ["x", "y"]}), json!({"id": "long\u{1b}[2J", "scopes": null})];
        assert_eq!(table(&rows, &["id", "scopes"]), ["ID       SCOPES", "a        x y", "long[2J  -"]);
    }
}
