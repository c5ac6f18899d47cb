//! Words in rows that are fixed words in the program.

use std::collections::BTreeSet;

use portcullis_rules::groups::Group;
use portcullis_rules::model::{CutTarget, Origin};
use portcullis_rules::want::Wanted;
use portcullis_wire::id::ClientId;
use portcullis_wire::scope::Scope;
use portcullis_wire::time::UnixTime;

/// The word for an origin.
pub(super) const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Registered => "registered",
        Origin::Preregistered => "preregistered",
        Origin::Document => "document",
    }
}

/// Reads an origin.
pub(super) fn read_origin(word: &str) -> Option<Origin> {
    [Origin::Registered, Origin::Preregistered, Origin::Document].into_iter().find(|o| origin(*o) == word)
}

/// Groups as a row spells them.
pub(super) fn groups(groups: &BTreeSet<Group>) -> String {
    groups.iter().map(Group::as_str).collect::<Vec<_>>().join(" ")
}

/// Reads groups.
pub(super) fn read_groups(text: &str) -> Option<BTreeSet<Group>> {
    text.split_terminator(' ').map(Group::parse).collect()
}

/// Wanted scopes as a row spells them.
pub(super) fn wanted(wanted: &[Wanted]) -> String {
    let one = |wanted: &Wanted| {
        format!("{}{}{}", wanted.at.millis(), if wanted.denied { '!' } else { ':' }, wanted.scope)
    };
    wanted.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Reads wanted scopes.
pub(super) fn read_wanted(text: &str) -> Option<Vec<Wanted>> {
    text.split_terminator(' ')
        .map(|word| {
            let (at, scope) = word.split_at_checked(word.find([':', '!'])?)?;
            let denied = scope.starts_with('!');
            let scope = Scope::parse(scope.get(1..)?).ok()?;
            Some(Wanted { scope, at: UnixTime::from_millis(at.parse().ok()?), denied })
        })
        .collect()
}

/// The words for what a cut cuts off: its kind, and which.
pub(super) fn target(target: &CutTarget) -> (&'static str, String) {
    match target {
        CutTarget::Grant(id) => ("grant", id.to_string()),
        CutTarget::Client(id) => ("client", id.to_string()),
        CutTarget::Domain(host) => ("domain", host.clone()),
        CutTarget::Person(id) => ("person", id.to_string()),
        CutTarget::Key(kid) => ("key", kid.clone()),
    }
}

/// Reads what a cut cuts off.
pub(super) fn read_target(kind: &str, which: &str) -> Option<CutTarget> {
    Some(match kind {
        "grant" => CutTarget::Grant(which.parse().ok()?),
        "client" => CutTarget::Client(ClientId::parse(which)?),
        "domain" => CutTarget::Domain(which.to_owned()),
        "person" => CutTarget::Person(which.parse().ok()?),
        "key" => CutTarget::Key(which.to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        let wanted = |scope: &str, at, denied| Wanted {
            scope: Scope::parse(scope).unwrap(),
            at: UnixTime::from_millis(at),
            denied,
        };
        for list in
            [vec![], vec![wanted("!", -1, false)], vec![wanted("a:b", 0, true), wanted("c!d", 9, false)]]
        {
            assert_eq!(read_wanted(&super::wanted(&list)), Some(list));
        }
        for text in ["", "a", "a b.c"] {
            assert_eq!(groups(&read_groups(text).unwrap()), text);
        }
    }
}
