//! Groups of people, and which of them may use a resource.
//!
//! Who may use a resource is decided with the person's groups of that moment: when consent is asked and given, when
//! a code is redeemed, at every refresh, and whenever a personal token is shown. Machines have no groups; what an
//! administrator entered for them is their admission.
//!
//! A person who loses a group loses access at the next use: what they hold is cut off, so that every access token
//! made before is refused, and what follows is decided anew. Their grants at resources that no longer admit them do
//! not end, they sleep, as those of a person who was switched off: refreshing is refused without a trace on the
//! grant (`invalid_grant`), and given back the group, what still holds its refresh token goes on.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_wire::limit;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::event::{Event, EventKind};
use crate::model::{CutTarget, User};
use crate::refusal::Refusal;
use crate::verdict::{Expect, Verdict, Write};

/// The name of a group: lower-case letters, digits, `-`, `_`, `.` and `@`, in ASCII, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(String);

impl Group {
    /// Reads a name; capital letters are made small.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        let fits = name.len() <= limit::GROUP_NAME
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@'));
        fits.then_some(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which people may use a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// Everyone with an account.
    #[default]
    Everyone,
    /// Those in at least one of these groups.
    Groups(BTreeSet<Group>),
}

/// What an admission relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// On nothing: everyone is admitted.
    Everyone,
    /// On the person being in this group.
    ByGroup(Group),
}

impl People {
    /// Whether a person may use the resource, and what that relies on.
    pub fn admit(&self, user: &User) -> Option<Admission> {
        match self {
            Self::Everyone => Some(Admission::Everyone),
            Self::Groups(named) => named.intersection(&user.groups).next().cloned().map(Admission::ByGroup),
        }
    }
}

/// What a person may have at a resource today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The most any agent of theirs may get there.
    pub scopes: Scopes,
    /// The groups that relied on, each once.
    pub relies_on: Vec<Group>,
}

impl<T> Verdict<T> {
    /// Relies on the admission.
    pub fn admitted(mut self, user: &User, by: &Admitted) -> Self {
        let relied = by.relies_on.iter().map(|group| Expect::UserInGroup(user.id, group.clone()));
        self.expects.extend(relied);
        self
    }
}

/// Puts a person into exactly these groups. Who leaves one is cut off: what they hold is refused at its next use, and
/// refreshed if they may still have it.
pub fn set(user: Option<&User>, groups: BTreeSet<Group>, now: UnixTime) -> Verdict<()> {
    let Some(user) = user else { return Verdict::refuse(Refusal::UserUnknown) };
    if groups.len() > limit::GROUPS {
        return Verdict::refuse(Refusal::GroupsTooMany);
    }
    let mut verdict = Verdict::yes(());
    verdict.writes = change(user, groups, now);
    verdict
}

/// What puts a person into exactly these groups: nothing, if they are in them.
pub(crate) fn change(user: &User, groups: BTreeSet<Group>, now: UnixTime) -> Vec<Write> {
    if user.groups == groups {
        return Vec::new();
    }
    let leaves = !user.groups.is_subset(&groups);
    let cut = leaves.then_some(Write::Cut(CutTarget::Person(user.id), now));
    let set = Write::SetGroups { user: user.id, from: user.groups.clone(), to: groups };
    let event = Event::new(EventKind::GroupsChanged, now).user(user.id);
    std::iter::once(set).chain(cut).chain([Write::Audit(event)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    pub(crate) fn groups(names: &[&str]) -> BTreeSet<Group> {
        names.iter().map(|name| Group::parse(name).unwrap()).collect()
    }

    #[test]
    fn names_of_groups_are_small_and_plain() {
        for (given, expected) in [
            ("staff", Some("staff")),
            ("Staff", Some("staff")),
            ("a.b-c_d@e1", Some("a.b-c_d@e1")),
            ("", None),
            ("*", None),
            ("-x", None),
            ("two words", None),
            ("ä", None),
        ] {
            assert_eq!(Group::parse(given).as_ref().map(Group::as_str), expected, "{given:?}");
        }
        assert!(Group::parse(&"a".repeat(limit::GROUP_NAME)).is_some());
        assert!(Group::parse(&"a".repeat(limit::GROUP_NAME + 1)).is_none());
    }

    #[test]
    fn t_disable_who_is_in_none_of_the_groups_is_not_admitted() {
        let staff = User { groups: groups(&["staff", "x"]), ..samples::user() };
        let by_staff = Some(Admission::ByGroup(Group::parse("staff").unwrap()));
        for (name, people, expected) in [
            ("everyone", People::Everyone, Some(Admission::Everyone)),
            ("one of them", People::Groups(groups(&["ops", "staff"])), by_staff),
            ("none of them", People::Groups(groups(&["ops"])), None),
            ("nobody", People::Groups(groups(&[])), None),
        ] {
            assert_eq!(people.admit(&staff), expected, "{name}");
        }
        assert_eq!(People::Groups(groups(&["staff"])).admit(&samples::user()), None);
    }

    #[test]
    fn t_disable_leaving_a_group_cuts_off_joining_one_does_not() {
        let user = User { groups: groups(&["a", "b"]), ..samples::user() };
        for (name, to, writes, cuts) in [
            ("joins", &["a", "b", "c"][..], true, false),
            ("leaves", &["a"], true, true),
            ("swaps", &["a", "c"], true, true),
            ("stays", &["b", "a"], false, false),
        ] {
            let verdict = set(Some(&user), groups(to), samples::NOW);
            assert!(verdict.outcome.is_ok(), "{name}");
            assert_eq!(!verdict.is_silent(), writes, "{name}");
            assert_eq!(
                verdict.writes.contains(&Write::Cut(CutTarget::Person(user.id), samples::NOW)),
                cuts,
                "{name}"
            );
        }
        assert_eq!(set(None, groups(&["a"]), samples::NOW).outcome, Err(Refusal::UserUnknown));
        let many = (0..=limit::GROUPS).map(|n| Group::parse(&format!("g{n}")).unwrap()).collect();
        assert_eq!(set(Some(&user), many, samples::NOW).outcome, Err(Refusal::GroupsTooMany));
    }
}
