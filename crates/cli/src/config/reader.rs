//! Reads a TOML table key by key: each with its line, wrong kinds and unknown names noted and passed over, so that
//! one reading finds everything.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::span;

/// A value and the line it stands on; line 0 for what was not read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

impl<T> At<T> {
    /// A value that stands in no file.
    pub(crate) const fn nowhere(value: T) -> Self {
        Self { value, line: 0 }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), line: self.line }
    }
}

/// One table being read.
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// The name of the table, with a dot behind; empty for the root.
    prefix: String,
    line: usize,
    table: Option<&'a DeTable<'a>>,
    asked: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(crate) fn root(text: &'a str, table: &'a DeTable<'a>) -> Self {
        Self {
            text,
            prefix: String::new(),
            line: 1,
            table: Some(table),
            asked: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn inner(&self, prefix: String, line: usize, table: Option<&'a DeTable<'a>>) -> Self {
        Self { text: self.text, prefix, line, table, asked: Vec::new(), faults: Vec::new() }
    }

    /// The line the table begins on.
    pub(crate) const fn line(&self) -> usize {
        self.line
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn value(&mut self, name: &'static str) -> Option<(&'a DeValue<'a>, usize)> {
        self.asked.push(name);
        let value = self.table?.get(name)?;
        Some((value.get_ref(), line_of(self.text, value.span().start)))
    }

    fn wrong(&mut self, line: usize, name: &str, expected: &str) {
        let fault = Fault::new(line, &self.key(name), format!("expected {expected}"));
        self.faults.push(fault);
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let (value, line) = self.value(name)?;
        match read(value) {
            Some(value) => Some(At { value, line }),
            None => {
                self.wrong(line, name, expected);
                None
            }
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<At<String>> {
        self.read(name, "text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub(crate) fn path(&mut self, name: &'static str) -> Option<At<PathBuf>> {
        self.text(name).map(|text| text.map(PathBuf::from))
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<At<bool>> {
        self.read(name, "true or false", DeValue::as_bool)
    }

    pub(crate) fn count(&mut self, name: &'static str) -> Option<At<u32>> {
        self.read(name, "a whole number, 0 or more", |value| {
            let number = value.as_integer()?;
            u32::from_str_radix(number.as_str(), number.radix()).ok()
        })
    }

    pub(crate) fn span(&mut self, name: &'static str) -> Option<At<Duration>> {
        self.read(name, "a span of time such as \"90s\", \"10m\", \"8h\" or \"30d\"", |value| {
            span::parse(value.as_str()?)
        })
    }

    pub(crate) fn address(&mut self, name: &'static str) -> Option<At<SocketAddr>> {
        self.read(name, "an address with its port, such as \"127.0.0.1:8414\"", |value| {
            value.as_str()?.parse().ok()
        })
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<At<String>>> {
        let text = self.text;
        self.read(name, "a list of texts in quotes", |value| {
            let item = |item: &toml::Spanned<DeValue<'a>>| {
                let line = line_of(text, item.span().start);
                item.get_ref().as_str().map(|value| At { value: value.to_owned(), line })
            };
            value.as_array()?.iter().map(item).collect()
        })
        .map(|list| list.value)
    }

    /// A table of its own. One that is not there reads as empty.
    pub(crate) fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Reader<'a>) -> T) -> T {
        let found = self.read(name, "a table", DeValue::as_table);
        let line = found.as_ref().map_or(0, |found| found.line);
        let mut inner = self.inner(self.key(name) + ".", line, found.map(|found| found.value));
        let value = read(&mut inner);
        self.faults.extend(inner.finish());
        value
    }

    /// A table whose names are the owner's own, each with a text.
    pub(crate) fn map(&mut self, name: &'static str) -> Option<Vec<(String, At<String>)>> {
        let text = self.text;
        self.read(name, "a table of texts in quotes", |value| {
            let row =
                |(key, value): (&toml::Spanned<std::borrow::Cow<'a, str>>, &toml::Spanned<DeValue<'a>>)| {
                    let line = line_of(text, value.span().start);
                    let value = value.get_ref().as_str()?.to_owned();
                    Some((key.get_ref().to_string(), At { value, line }))
                };
            value.as_table()?.iter().map(row).collect()
        })
        .map(|rows| rows.value)
    }

    /// Several tables of one name.
    pub(crate) fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Reader<'a>) -> T,
    ) -> Vec<T> {
        let tables =
            self.read(name, &format!("tables, each beginning with [[{}]]", self.key(name)), |value| {
                value
                    .as_array()?
                    .iter()
                    .map(|item| Some((item.get_ref().as_table()?, item.span().start)))
                    .collect::<Option<Vec<_>>>()
            });
        let mut all = Vec::new();
        for (table, start) in tables.map(|tables| tables.value).unwrap_or_default() {
            let mut inner = self.inner(self.key(name) + ".", line_of(self.text, start), Some(table));
            all.push(read(&mut inner));
            self.faults.extend(inner.finish());
        }
        all
    }

    /// What is wrong, names that nobody asked for among it.
    pub(crate) fn finish(mut self) -> Vec<Fault> {
        for name in self.table.into_iter().flat_map(|table| table.keys()) {
            let known = name.get_ref().as_ref();
            if !self.asked.contains(&known) {
                let line = line_of(self.text, name.span().start);
                let fault = Fault::new(line, &self.key(known), "there is no such setting");
                self.faults.push(match nearest(known, self.asked.iter().copied()) {
                    Some(near) => fault.advise(format!("did you mean `{}`?", self.key(near))),
                    None => fault.advise(format!("here can stand: {}", self.asked.join(", "))),
                });
            }
        }
        self.faults
    }
}

/// The line of an offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&b| b == b'\n').count() + 1
}

/// The name most like `name`, if one is near enough to be meant.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = name.chars().count() / 3 + 1;
    known
        .into_iter()
        .map(|other| (distance(name, other), other))
        .filter(|(far, _)| *far <= near)
        .min()
        .map(|(_, other)| other)
}

/// How many letters must be changed, added or taken away (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["issuer", "listen", "data_dir", "registration"];
        for (given, expected) in [
            ("isuer", Some("issuer")),
            ("data-dir", Some("data_dir")),
            ("registrations", Some("registration")),
            ("colour", None),
        ] {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }
}
