//! Words in rows that are fixed words in the program.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use portcullis_rules::event::EventKind;
use portcullis_rules::groups::Group;
use portcullis_rules::model::{CutTarget, EndReason, Origin};
use portcullis_rules::want::Wanted;
use portcullis_wire::id::ClientId;
use portcullis_wire::scope::Scope;
use portcullis_wire::time::UnixTime;

/// The most words, beyond the known ones, that are remembered as reasons of events.
const REASONS: usize = 256;

/// Stands for a reason that is no longer told apart.
const OTHER: &str = "other";

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

/// The kind after this one, so that all can be walked through. A new kind does not compile until it is placed.
const fn after(kind: EventKind) -> Option<EventKind> {
    use EventKind as K;
    Some(match kind {
        K::SignedIn => K::SignedOut,
        K::SignedOut => K::SignInRefused,
        K::SignInRefused => K::ConsentGiven,
        K::ConsentGiven => K::ConsentDenied,
        K::ConsentDenied => K::ClientRegistered,
        K::ClientRegistered => K::ClientAdded,
        K::ClientAdded => K::ClientRemoved,
        K::ClientRemoved => K::ClientChanged,
        K::ClientChanged => K::ClientCutOff,
        K::ClientCutOff => K::ClientDisabled,
        K::ClientDisabled => K::ClientEnabled,
        K::ClientEnabled => K::TokenIssued,
        K::TokenIssued => K::TokenRefreshed,
        K::TokenRefreshed => K::RefreshRetried,
        K::RefreshRetried => K::MachineTokenIssued,
        K::MachineTokenIssued => K::GrantEnded,
        K::GrantEnded => K::AgentSuspended,
        K::AgentSuspended => K::AgentRestored,
        K::AgentRestored => K::UserAdded,
        K::UserAdded => K::UserDisabled,
        K::UserDisabled => K::UserEnabled,
        K::UserEnabled => K::UserRemoved,
        K::UserRemoved => K::PasswordChanged,
        K::PasswordChanged => K::SetupLinkMade,
        K::SetupLinkMade => K::KeyRotated,
        K::KeyRotated => K::KeyRevoked,
        K::KeyRevoked => K::AgentRenamed,
        K::AgentRenamed => K::GroupsChanged,
        K::GroupsChanged => K::ClientUpdated,
        K::ClientUpdated => K::PersonalTokenMade,
        K::PersonalTokenMade => K::ScopeWanted,
        K::ScopeWanted => K::ScopeAllowed,
        K::ScopeAllowed => K::ScopeDenied,
        K::ScopeDenied => K::ApprovalAsked,
        K::ApprovalAsked => K::ApprovalGiven,
        K::ApprovalGiven => K::ApprovalDenied,
        K::ApprovalDenied => K::ApprovalSpent,
        K::ApprovalSpent => K::ToolHeld,
        K::ToolHeld => K::ToolAccepted,
        K::ToolAccepted => return None,
    })
}

fn kinds() -> impl Iterator<Item = EventKind> {
    std::iter::successors(Some(EventKind::SignedIn), |kind| after(*kind))
}

/// Reads an event's kind.
pub(super) fn read_kind(word: &str) -> Option<EventKind> {
    kinds().find(|kind| kind.as_str() == word)
}

/// Gives back the fixed word that a reason was written from. Only words of the program are ever written, so few
/// need remembering; beyond [`REASONS`] a word reads as "other".
pub(super) fn read_reason(word: &str) -> &'static str {
    static SEEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if let Some(reason) = EndReason::parse(word) {
        return reason.as_str();
    }
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = seen.get(word) {
        return known;
    }
    if seen.len() >= REASONS {
        return OTHER;
    }
    let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
    seen.insert(kept);
    kept
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
        for kind in kinds() {
            assert_eq!(read_kind(kind.as_str()), Some(kind));
        }
        assert_eq!(kinds().count(), 40);
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
        for reason in ["code_replayed", "a reason no list knows"] {
            assert_eq!(read_reason(reason), reason);
            assert_eq!(read_reason(reason).as_ptr(), read_reason(reason).as_ptr());
        }
    }
}
