//! Names and patterns of names: `delete_note`, `get_*`, `*_delete`, `*`. A star stands for any run of characters,
//! none included; nothing else is special. There is no backtracking: matching takes time linear in the name.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::fold::fold;

/// What stands for any run of characters.
const STAR: char = '*';

/// A name with stars in it. It is compared without regard to case, so that a server that minds no case is not
/// reached by a spelling that no pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The texts between the stars, folded; one more than there are stars.
    parts: Vec<String>,
    literals: usize,
}

impl Pattern {
    /// Reads a pattern; any text is one.
    pub fn parse(text: &str) -> Self {
        let folded = fold(text);
        let parts: Vec<String> = folded.split(STAR).map(str::to_owned).collect();
        let literals = parts.iter().map(|part| part.chars().count()).sum();
        Self { parts, literals }
    }

    /// Whether `text` is a pattern, and not one exact name.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(STAR)
    }

    /// How many characters it names; the more, the more specific it is.
    pub const fn literals(&self) -> usize {
        self.literals
    }

    /// Whether `name` fits, in whatever case.
    pub fn matches(&self, name: &str) -> bool {
        self.matches_folded(&fold(name))
    }

    fn matches_folded(&self, name: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return name.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return name == first };
        let inner = name.strip_prefix(first.as_str()).and_then(|name| name.strip_suffix(last.as_str()));
        // Each part at its first occurrence leaves the most for those that follow.
        let left = middle.iter().try_fold(inner, |left, part| {
            let left = left?;
            let at = left.find(part.as_str())?;
            Some(left.get(at + part.len()..))
        });
        matches!(left, Some(Some(_)))
    }
}

/// Two things said of one name become one.
pub trait Unite {
    /// What both say together.
    fn unite(&mut self, other: &Self);
}

/// What is said of names and of patterns of names, and which of it counts for one name: an exact name before all
/// patterns, then the pattern that names the most characters; what is equally specific is united. `*` is thus what
/// is said of all others.
#[derive(Clone, Debug)]
pub struct ByName<T> {
    exact: BTreeMap<String, T>,
    folded: BTreeMap<String, T>,
    /// The most specific first.
    patterns: Vec<(Pattern, T)>,
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self { exact: BTreeMap::new(), folded: BTreeMap::new(), patterns: Vec::new() }
    }
}

impl<T: Unite + Clone> ByName<T> {
    /// Says `what` of a name or a pattern, beside what was said of it before.
    pub fn insert(&mut self, name: &str, what: &T) {
        if Pattern::is_pattern(name) {
            let pattern = Pattern::parse(name);
            if let Some((_, said)) = self.patterns.iter_mut().find(|(known, _)| *known == pattern) {
                said.unite(what);
            } else {
                self.patterns.push((pattern, what.clone()));
                self.patterns.sort_by_key(|(pattern, _)| Reverse(pattern.literals()));
            }
            return;
        }
        for (map, key) in [(&mut self.exact, name.to_owned()), (&mut self.folded, fold(name))] {
            map.entry(key).and_modify(|said| said.unite(what)).or_insert_with(|| what.clone());
        }
    }

    /// What counts for `name`: its exact spelling first, then a spelling that differs in case alone, then patterns.
    pub fn find(&self, name: &str) -> Option<Cow<'_, T>> {
        if let Some(what) = self.exact.get(name) {
            return Some(Cow::Borrowed(what));
        }
        if self.folded.is_empty() && self.patterns.is_empty() {
            return None;
        }
        let folded = fold(name);
        if let Some(what) = self.folded.get(&folded) {
            return Some(Cow::Borrowed(what));
        }
        let mut fitting = self.patterns.iter().filter(|(pattern, _)| pattern.matches_folded(&folded));
        let (best, what) = fitting.next()?;
        let mut found = Cow::Borrowed(what);
        for (_, more) in fitting.take_while(|(pattern, _)| pattern.literals() == best.literals()) {
            found.to_mut().unite(more);
        }
        Some(found)
    }

    /// Whether nothing is said of any name.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Everything that is said, of whatever name.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.patterns.iter().map(|(_, what)| what))
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
