//! Which scopes a tool needs: one table, asked when a list is filtered and when a call is checked alike
//! (protocol R09, R10, W15), and the same for every revision of the protocol.

use std::collections::BTreeMap;

use portcullis_wire::scope::{Scope, Scopes};

use crate::message::Message;
use crate::pattern::{ByName, Unite};

/// What every request needs, what single tools and methods need beyond that, and which scopes hold others within.
#[derive(Clone, Debug, Default)]
pub struct ToolTable {
    base: Scopes,
    tools: ByName<Scopes>,
    unlisted: Scopes,
    methods: ByName<Scopes>,
    implied: BTreeMap<Scope, Scopes>,
}

impl Unite for Scopes {
    fn unite(&mut self, other: &Self) {
        *self = self.union(other);
    }
}

impl ToolTable {
    /// A table in which every request needs `base`, and no tool needs more.
    pub fn new(base: Scopes) -> Self {
        Self { base, ..Self::default() }
    }

    /// Says that every request needs `more`, too.
    #[must_use]
    pub fn require(mut self, more: &Scopes) -> Self {
        self.base.unite(more);
        self
    }

    /// Says what `tool` needs beside the base: a name, or a pattern such as `get_*`, `*_delete` or `*`. An exact name
    /// counts before patterns; a call by a name that differs in case alone needs the same, in case the server does not
    /// mind. Among patterns the one that names the most characters counts; what is equally specific is united.
    #[must_use]
    pub fn tool(mut self, tool: &str, needs: &Scopes) -> Self {
        self.tools.insert(tool, needs);
        self
    }

    /// Says what a tool that nothing in the table fits needs beside the base; nothing, unless this is said.
    #[must_use]
    pub fn unlisted(mut self, needs: &Scopes) -> Self {
        self.unlisted.unite(needs);
        self
    }

    /// Says what a method, such as `resources/read` or `resources/*`, needs beside the base.
    #[must_use]
    pub fn method(mut self, method: &str, needs: &Scopes) -> Self {
        self.methods.insert(method, needs);
        self
    }

    /// Says that who holds `broad` holds `narrow` too. Nothing follows from how scopes are spelled.
    #[must_use]
    pub fn implies(mut self, broad: &Scope, narrow: &Scopes) -> Self {
        self.implied.entry(broad.clone()).or_default().unite(narrow);
        self
    }

    /// What every request needs.
    pub const fn base(&self) -> &Scopes {
        &self.base
    }

    /// Whether the scopes alone, without the body, decide every request.
    pub fn is_flat(&self) -> bool {
        self.tools.is_empty() && self.methods.is_empty() && self.unlisted.is_empty()
    }

    /// Everything a message needs.
    pub fn needs(&self, message: &Message) -> Scopes {
        match (message.method(), message.tool()) {
            (_, Some(tool)) => self.tool_needs(tool),
            (Some(method), None) => self.method_needs(method),
            (None, None) => self.base.clone(),
        }
    }

    /// Everything a call of `tool` needs.
    pub fn tool_needs(&self, tool: &str) -> Scopes {
        let beyond = self.tools.find(tool);
        self.method_needs("tools/call").union(beyond.as_deref().unwrap_or(&self.unlisted))
    }

    fn method_needs(&self, method: &str) -> Scopes {
        match self.methods.find(method) {
            Some(more) => self.base.union(&more),
            None => self.base.clone(),
        }
    }

    /// Whether `held` suffices for `needed`, with all that the held scopes imply.
    pub fn covers(&self, held: &Scopes, needed: &Scopes) -> bool {
        held.covers(needed) || self.expand(held).covers(needed)
    }

    /// What to ask for when `held` does not suffice: all of `needed`; and for a need that a broader scope already
    /// meets, that scope, so that a client that asks for exactly this loses nothing by it (protocol R09, R10).
    pub fn lacking(&self, held: &Scopes, needed: &Scopes) -> Option<Scopes> {
        if self.covers(held, needed) {
            return None;
        }
        let broader =
            |need: &Scope| held.iter().find(|one| self.expand(&only(one)).contains(need.as_str())).cloned();
        let named = needed.iter().map(|need| match held.contains(need.as_str()) {
            true => need.clone(),
            false => broader(need).unwrap_or_else(|| need.clone()),
        });
        Some(named.collect())
    }

    /// Whether someone who holds `held` may call `tool`.
    pub fn may(&self, held: &Scopes, tool: &str) -> bool {
        self.covers(held, &self.tool_needs(tool))
    }

    /// `held` and all that it implies, directly or by way of others.
    #[must_use]
    pub fn expand(&self, held: &Scopes) -> Scopes {
        let mut all = held.clone();
        loop {
            let more = all
                .iter()
                .filter_map(|scope| self.implied.get(scope))
                .fold(all.clone(), |sum, next| sum.union(next));
            if more.len() == all.len() {
                return all;
            }
            all = more;
        }
    }

    /// Every scope the table speaks of, for a metadata document's `scopes_supported`.
    pub fn scopes(&self) -> Scopes {
        let tools = self.tools.values().chain(self.methods.values()).chain(std::iter::once(&self.unlisted));
        tools.fold(self.base.clone(), |sum, next| sum.union(next))
    }
}

fn only(scope: &Scope) -> Scopes {
    std::iter::once(scope.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }

    fn table() -> ToolTable {
        ToolTable::new(scopes("mcp:tools"))
            .tool("delete_note", &scopes("notes:delete"))
            .tool("share_note", &scopes("notes:read notes:share"))
            .method("resources/read", &scopes("mcp:resources"))
            .implies(&Scope::parse("mcp:admin").unwrap(), &scopes("mcp:tools notes:all"))
            .implies(&Scope::parse("notes:all").unwrap(), &scopes("notes:delete notes:read"))
    }

    fn message(method: &str, params: &str) -> Message {
        Message::parse(
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#).as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn r09_an_operation_names_everything_it_needs() {
        for (method, params, expected) in [
            ("tools/list", "{}", "mcp:tools"),
            ("tools/call", r#"{"name":"read_note"}"#, "mcp:tools"),
            ("tools/call", r#"{"name":"delete_note"}"#, "mcp:tools notes:delete"),
            ("tools/call", r#"{"name":"share_note"}"#, "mcp:tools notes:read notes:share"),
            ("prompts/get", r#"{"name":"delete_note"}"#, "mcp:tools"),
            ("resources/read", r#"{"uri":"a:b"}"#, "mcp:resources mcp:tools"),
        ] {
            assert_eq!(table().needs(&message(method, params)), scopes(expected), "{method} {params}");
        }
    }

    #[test]
    fn r10_a_broader_scope_satisfies_a_narrower_demand() {
        for (held, tool, may) in [
            ("mcp:tools", "read_note", true),
            ("mcp:tools", "delete_note", false),
            ("mcp:tools notes:delete", "delete_note", true),
            ("notes:delete", "delete_note", false),
            ("mcp:admin", "delete_note", true),
            ("mcp:admin", "share_note", false),
            ("mcp:admin notes:share", "share_note", true),
            ("mcp:tools notes", "delete_note", false),
            ("mcp", "read_note", false),
            ("MCP:TOOLS", "read_note", false),
            ("", "read_note", false),
        ] {
            assert_eq!(table().may(&scopes(held), tool), may, "{held} {tool}");
        }
    }

    #[test]
    fn r10_circles_of_implication_end() {
        let [a, b] = ["a", "b"].map(|s| Scope::parse(s).unwrap());
        let table = ToolTable::default().implies(&a, &scopes("b")).implies(&b, &scopes("a c"));
        assert_eq!(table.expand(&scopes("a")), scopes("a b c"));
    }

    #[test]
    fn t_hidden_tool_other_spellings_need_the_same() {
        for spelling in ["Delete_Note", "DELETE_NOTE", " delete_note", "delete_note\0"] {
            assert!(!table().may(&scopes("mcp:tools"), spelling), "{spelling:?}");
        }
    }

    #[test]
    fn w15_tools_nobody_listed_can_be_closed() {
        let table = table().unlisted(&scopes("mcp:other"));
        assert!(!table.may(&scopes("mcp:tools"), "new_tool"));
        assert!(table.may(&scopes("mcp:tools mcp:other"), "new_tool"));
        assert!(table.may(&scopes("mcp:tools notes:delete"), "delete_note"));
        assert_eq!(
            table.needs(&message("tools/call", r#"{"name":"new_tool"}"#)),
            table.tool_needs("new_tool")
        );
    }

    #[test]
    fn t_hidden_tool_listing_and_calling_ask_the_same_question() {
        let table = table().method("tools/call", &scopes("mcp:call"));
        for tool in ["read_note", "delete_note", "share_note", "Delete_Note", "other"] {
            let call = message("tools/call", &format!(r#"{{"name":"{tool}"}}"#));
            assert_eq!(table.needs(&call), table.tool_needs(tool), "{tool}");
        }
    }

    #[test]
    fn w15_patterns_say_what_many_tools_need() {
        let table = ToolTable::new(scopes("mcp"))
            .tool("*", &scopes("other"))
            .tool("get_*", &scopes("read"))
            .tool("*_note", &scopes("n"))
            .tool("get_secret_*", &scopes("secret"))
            .tool("get_public", &Scopes::none())
            .method("resources/*", &scopes("res"));
        for (tool, expected) in [
            ("get_pen", "mcp read"),
            ("GET_pen", "mcp read"),
            ("put_note", "mcp n"),
            ("get_public", "mcp"),
            ("get_secret_note", "mcp secret"),
            ("get_a_note", "mcp n"),
            ("drop", "mcp other"),
            ("\0", "mcp other"),
            ("get_\0\u{202e}", "mcp read"),
        ] {
            assert_eq!(table.tool_needs(tool), scopes(expected), "{tool:?}");
        }
        for (method, expected) in [
            ("resources/list", "mcp res"),
            ("Resources/List", "mcp res"),
            ("prompts/list", "mcp"),
            ("ping", "mcp"),
        ] {
            assert_eq!(table.needs(&message(method, "{}")), scopes(expected), "{method}");
        }
        assert_eq!(table.scopes(), scopes("mcp n other read res secret"));
        assert!(!table.is_flat());
    }

    #[test]
    fn r09_what_is_lacking_names_all_that_is_needed_and_the_broader_scope_that_is_held() {
        for (held, needed, expected) in [
            ("mcp:tools", "mcp:tools", None),
            ("mcp:tools", "mcp:tools notes:delete", Some("mcp:tools notes:delete")),
            ("mcp:admin", "mcp:tools notes:delete", None),
            ("mcp:admin", "mcp:tools notes:share", Some("mcp:admin notes:share")),
            ("", "mcp:tools", Some("mcp:tools")),
        ] {
            let lacking = table().lacking(&scopes(held), &scopes(needed));
            assert_eq!(lacking, expected.map(scopes), "{held} {needed}");
        }
    }
}
