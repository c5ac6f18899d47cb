//! Rights in human words: one line a scope, in three groups by what they can do.

use super::{Claim, counted};

/// What a scope lets its holder do, at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RightKind {
    /// Looks only.
    Reads,
    /// Adds or edits.
    Changes,
    /// Deletes, spends, or otherwise cannot be taken back.
    Deletes,
}

impl RightKind {
    /// Every kind, mildest first, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Reads, Self::Changes, Self::Deletes];

    /// The heading of its group.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reads => "Reads",
            Self::Changes => "Changes",
            Self::Deletes => "Deletes or spends",
        }
    }

    /// Its style.
    #[must_use]
    pub fn tone(self) -> &'static str {
        match self {
            Self::Reads => "",
            Self::Changes => "is-careful",
            Self::Deletes => "is-danger",
        }
    }
}

/// One scope, as a person judges it.
#[derive(Clone, Debug)]
pub struct ScopeLine {
    /// The scope itself (RFC 6749 §3.3), posted back when ticked.
    pub scope: String,
    /// What it means, in words.
    pub title: Claim,
    /// The worst it can do.
    pub kind: RightKind,
    /// The tools it opens, by name.
    pub tools: Vec<Claim>,
    /// Whether its box is ticked when the page opens.
    pub ticked: bool,
    /// Whether the agent has it already.
    pub held: bool,
}

impl ScopeLine {
    /// Tools named in one line before the rest is only counted.
    pub const TOOLS_SHOWN: usize = 24;

    /// The tools that are named.
    #[must_use]
    pub fn tools_shown(&self) -> &[Claim] {
        &self.tools[..self.tools.len().min(Self::TOOLS_SHOWN)]
    }

    /// How many more there are.
    #[must_use]
    pub fn tools_more(&self) -> usize {
        self.tools.len().saturating_sub(Self::TOOLS_SHOWN)
    }
}

/// The lines of one kind.
#[derive(Debug)]
pub struct RightGroup<'a> {
    /// Their kind.
    pub kind: RightKind,
    /// The lines, in the order given.
    pub lines: Vec<&'a ScopeLine>,
}

impl RightGroup<'_> {
    /// How many, and whether they are off until ticked.
    #[must_use]
    pub fn count_text(&self) -> String {
        let count = counted(self.lines.len(), "right", "rights");
        match (self.lines.len(), self.lines.iter().any(|line| line.ticked)) {
            (_, true) => count,
            (1, false) => format!("{count}, off until you tick it"),
            (_, false) => format!("{count}, off until you tick them"),
        }
    }
}

/// Lines by kind, mildest first; kinds without a line are left out.
#[must_use]
pub fn groups<'a>(lines: impl IntoIterator<Item = &'a ScopeLine>) -> Vec<RightGroup<'a>> {
    let mut groups = Vec::from(RightKind::ALL.map(|kind| RightGroup { kind, lines: Vec::new() }));
    for line in lines {
        if let Some(group) = groups.iter_mut().find(|group| group.kind == line.kind) {
            group.lines.push(line);
        }
    }
    groups.retain(|group| !group.lines.is_empty());
    groups
}

impl ScopeLine {
    pub(crate) fn sample(scope: &str, title: &str, kind: RightKind, tools: &[&str]) -> Self {
        Self {
            scope: scope.into(),
            title: Claim::name(title),
            kind,
            tools: tools.iter().map(|tool| Claim::name(tool)).collect(),
            ticked: kind == RightKind::Reads,
            held: false,
        }
    }

    pub(crate) fn samples() -> Vec<Self> {
        vec![
            Self::sample(
                "notes:read",
                "Search and read your notes",
                RightKind::Reads,
                &["search_notes", "read_note", "list_tags"],
            ),
            Self::sample("reports:read", "See reports", RightKind::Reads, &["weekly_report"]),
            Self::sample("notes:write", "Add and edit notes", RightKind::Changes, &["add_note", "edit_note"]),
            Self::sample("notes:delete", "Delete notes", RightKind::Deletes, &["delete_note"]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_mildest_first_and_never_empty() {
        let lines = [
            ScopeLine::sample("d", "D", RightKind::Deletes, &[]),
            ScopeLine::sample("r", "R", RightKind::Reads, &[]),
            ScopeLine::sample("d2", "D2", RightKind::Deletes, &[]),
        ];
        let found = groups(&lines);
        let kinds: Vec<_> = found.iter().map(|group| group.kind).collect();
        assert_eq!(kinds, [RightKind::Reads, RightKind::Deletes]);
        assert_eq!(found[0].count_text(), "1 right");
        assert_eq!(found[1].count_text(), "2 rights, off until you tick them");
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn a_long_list_of_tools_is_counted() {
        let names: Vec<String> = (0..30).map(|i| format!("tool_{i}")).collect();
        let line = ScopeLine::sample(
            "x",
            "X",
            RightKind::Reads,
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        assert_eq!((line.tools_shown().len(), line.tools_more()), (24, 6));
        assert_eq!(ScopeLine::sample("x", "X", RightKind::Reads, &["a"]).tools_more(), 0);
    }
}
