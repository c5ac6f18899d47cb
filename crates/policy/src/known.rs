//! Which tools of a server its owner has accepted, and whether they still are what was accepted.

use std::collections::{HashMap, HashSet};

use portcullis_mcp::fold;
use portcullis_wire::digest::Digest;
use portcullis_wire::limit;

/// What becomes of a tool that is new, or whose definition changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewTools {
    /// It is hidden until its owner accepts it.
    #[default]
    Hold,
    /// It is taken as it comes.
    Allow,
}

/// The tools of one server that are known: each one's accepted definition, and whether the server has changed it since.
#[derive(Clone, Debug, Default)]
pub struct KnownTools {
    new: NewTools,
    complete: bool,
    tools: HashMap<String, Tool>,
    /// Spellings without case, so that none passes for a new tool.
    folded: HashSet<String>,
}

#[derive(Clone, Debug, Default)]
struct Tool {
    accepted: Option<Digest>,
    listed: Option<Digest>,
}

impl KnownTools {
    /// Nothing is known yet.
    pub fn new(new: NewTools) -> Self {
        Self { new, ..Self::default() }
    }

    /// Says that the owner accepted the tool `name` with this definition ([`definition_digest`](crate::definition_digest)).
    #[must_use]
    pub fn accepted(mut self, name: &str, definition: Digest) -> Self {
        self.entry(name).accepted = Some(definition);
        self
    }

    /// Says with which definition the server listed the tool last. While it is not the accepted one, the tool is held.
    #[must_use]
    pub fn listed(mut self, name: &str, definition: Digest) -> Self {
        self.entry(name).listed = Some(definition);
        self
    }

    /// Says whether a whole list of the server has been seen.
    #[must_use]
    pub const fn complete(mut self, complete: bool) -> Self {
        self.complete = complete;
        self
    }

    /// Whether a whole list of the server has been seen.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the server has listed a tool of this very name, or its owner has accepted one.
    pub fn knows(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    /// What becomes of a tool that is new or changed.
    pub const fn new_tools(&self) -> NewTools {
        self.new
    }

    /// Why the tool is hidden, if it is. `definition` is the one that stands in a list; in a call, what was listed last
    /// counts.
    pub(crate) fn hides(&self, name: &str, definition: Option<&Digest>) -> Option<&'static str> {
        if name.len() > limit::TOOL_NAME {
            return Some("tool name too long");
        }
        let Some(tool) = self.tools.get(name) else {
            return match self.new {
                NewTools::Hold => Some("tool not accepted"),
                // A server that minds no case would run a known tool that no rule and no table knows by this spelling.
                NewTools::Allow if self.folded.contains(&fold(name)) => Some("tool spelled otherwise"),
                NewTools::Allow => None,
            };
        };
        if self.new == NewTools::Allow {
            return None;
        }
        let Some(accepted) = &tool.accepted else { return Some("tool not accepted") };
        let now = definition.or(tool.listed.as_ref());
        now.is_some_and(|now| now != accepted).then_some("tool definition changed")
    }

    fn entry(&mut self, name: &str) -> &mut Tool {
        self.folded.insert(fold(name));
        self.tools.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    #[test]
    fn t_tool_drift_a_new_or_changed_tool_is_hidden_until_accepted() {
        let hold = KnownTools::new(NewTools::Hold)
            .accepted("same", digest("1"))
            .accepted("drifted", digest("1"))
            .listed("drifted", digest("2"))
            .accepted("back", digest("1"))
            .listed("back", digest("1"))
            .listed("seen", digest("1"))
            .complete(true);
        for (name, definition, expected) in [
            ("same", None, None),
            ("same", Some("1"), None),
            ("same", Some("2"), Some("tool definition changed")),
            ("drifted", None, Some("tool definition changed")),
            ("drifted", Some("1"), None),
            ("back", None, None),
            ("seen", None, Some("tool not accepted")),
            ("seen", Some("1"), Some("tool not accepted")),
            ("new", None, Some("tool not accepted")),
            ("Same", None, Some("tool not accepted")),
        ] {
            let given = definition.map(digest);
            assert_eq!(hold.hides(name, given.as_ref()), expected, "{name} {definition:?}");
        }
        assert!(hold.is_complete());
        assert_eq!(KnownTools::new(NewTools::Hold).hides("any", None), Some("tool not accepted"));
    }

    #[test]
    fn t_tool_drift_who_chose_allow_takes_tools_as_they_come_but_no_second_spelling() {
        let allow = KnownTools::new(NewTools::Allow).accepted("delete_note", digest("1"));
        for (name, expected) in [
            ("delete_note", None),
            ("new", None),
            ("Delete_Note", Some("tool spelled otherwise")),
            ("delete_note\0", Some("tool spelled otherwise")),
        ] {
            assert_eq!(allow.hides(name, Some(&digest("2"))), expected, "{name:?}");
        }
        let long = "x".repeat(limit::TOOL_NAME + 1);
        assert_eq!(allow.hides(&long, None), Some("tool name too long"));
    }
}
