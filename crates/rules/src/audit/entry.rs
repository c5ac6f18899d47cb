//! One entry: an event in the words of a row, and the bytes that are hashed.

use std::borrow::Cow;

use portcullis_wire::id::{GrantId, UserId};
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{METHOD, NAME, PERSON, REQUEST_ID, RULE, TRACE_ID, VALUES, WORD};
use crate::event::{Event, Personal};

/// The length that stands for an absent field.
const ABSENT: u32 = u32::MAX;

/// An event as it stands in the chain: the very words of its row, not what they mean, so that a change that means the
/// same is still a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was over.
    pub at: UnixTime,
    /// What happened: a word of [`EventKind`](crate::event::EventKind).
    pub kind: String,
    /// Whose account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Which client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Which agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<GrantId>,
    /// Which resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Which scopes, between single spaces; of a call those it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many times, where one entry stands for many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// What stands for the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The trace it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The JSON-RPC method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The tool, prompt or resource URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The rule behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How long it took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<i64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<String>,
}

impl Entry {
    /// The words of an event. What is too long is cut, and control characters are replaced.
    pub fn of(event: &Event) -> Self {
        let call = event.call.as_deref();
        let text = |text: Option<&str>, most| text.map(|text| bounded(text, most).into_owned());
        Self {
            at: event.at,
            kind: event.kind.as_str().to_owned(),
            user: event.user,
            client: event.client.as_ref().map(ToString::to_string),
            agent: event.grant,
            resource: event.resource.as_ref().map(|resource| resource.as_str().to_owned()),
            scopes: event.scopes.as_ref().map(ToString::to_string),
            reason: event.reason.map(str::to_owned),
            count: event.count.map(i64::from),
            request: text(call.and_then(|call| call.request.as_deref()), REQUEST_ID),
            trace: text(call.and_then(|call| call.trace.as_deref()), TRACE_ID),
            method: text(call.map(|call| call.method.as_str()), METHOD),
            name: text(call.and_then(|call| call.name.as_deref()), NAME),
            decision: text(call.map(|call| call.decision.as_ref()), WORD),
            rule: text(call.and_then(|call| call.rule.as_deref()), RULE),
            latency: call
                .and_then(|call| call.latency)
                .map(|latency| i64::try_from(latency.as_micros()).unwrap_or(i64::MAX)),
            ending: text(call.and_then(|call| call.ending.as_deref()), WORD),
        }
    }

    /// Appends the bytes that are hashed.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let text = |to: &mut Vec<u8>, text: &Option<String>| field(to, text.as_ref().map(String::as_bytes));
        let number = |to: &mut Vec<u8>, number: Option<i64>| {
            field(to, number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        };
        number(to, Some(self.at.millis()));
        field(to, Some(self.kind.as_bytes()));
        text(to, &self.user.map(|user| user.to_string()));
        text(to, &self.client);
        text(to, &self.agent.map(|agent| agent.to_string()));
        text(to, &self.resource);
        text(to, &self.scopes);
        text(to, &self.reason);
        number(to, self.count);
        text(to, &self.request);
        text(to, &self.trace);
        text(to, &self.method);
        text(to, &self.name);
        text(to, &self.decision);
        text(to, &self.rule);
        number(to, self.latency);
        text(to, &self.ending);
    }
}

impl Personal {
    /// The same, within its limits.
    pub(super) fn bounded(&self) -> Self {
        let text = |text: &Option<String>, most| text.as_ref().map(|text| bounded(text, most).into_owned());
        Self { name: text(&self.name, PERSON), arguments: self.arguments, values: text(&self.values, VALUES) }
    }

    /// Appends the bytes that are sealed.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        field(to, self.name.as_ref().map(String::as_bytes));
        field(to, self.arguments.as_ref().map(|digest| digest.as_bytes().as_slice()));
        field(to, self.values.as_ref().map(String::as_bytes));
    }
}

/// Appends one field.
pub(super) fn field(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    // A text of a row is never so long that its length does not fit; if it were, its bytes would still all be hashed.
    let length = bytes.map_or(ABSENT, |bytes| u32::try_from(bytes.len()).unwrap_or(ABSENT - 1));
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes.unwrap_or_default());
}

/// A stranger's text as it is kept: cut to `most` bytes, the cut marked with `…` where there is room for it, control
/// characters and those that turn the direction of writing replaced by `U+FFFD`.
pub fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    const CUT: &str = "…";
    let unruly = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.len() <= most && !text.contains(unruly) {
        return Cow::Borrowed(text);
    }
    let mut kept: String = text
        .chars()
        .take(most.saturating_add(1))
        .map(|c| if unruly(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if kept.len() > most {
        let mark = if most >= CUT.len() { CUT } else { "" };
        kept.truncate(kept.floor_char_boundary(most - mark.len()));
        kept.push_str(mark);
    }
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_audit_strangers_texts_are_cut_and_hold_no_control_character() {
        for (name, given, most, kept) in [
            ("as it is", "delete_note", 11, "delete_note"),
            ("too long", "delete_note", 9, "delete…"),
            ("a character is not split", "ääää", 6, "ä…"),
            ("no room for the mark", "abc", 2, "ab"),
            ("a terminal's own words", "a\u{1b}[2J\nb", 99, "a\u{fffd}[2J\u{fffd}b"),
            ("written backwards", "a\u{202e}b", 99, "a\u{fffd}b"),
            ("what replaces is longer", "\n\n\n", 3, "…"),
            ("nothing", "", 0, ""),
        ] {
            assert_eq!(bounded(given, most), kept, "{name}");
            assert!(bounded(given, most).len() <= most, "{name}");
        }
    }

    #[test]
    fn w19_no_two_entries_share_their_bytes() {
        let bytes = |entry: &Entry| {
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            bytes
        };
        let mut entry = Entry::of(&Event::new(crate::event::EventKind::SignedIn, UnixTime::from_millis(7)));
        let mut seen = vec![bytes(&entry)];
        for (client, reason) in
            [(Some("ab"), None), (Some(""), Some("ab")), (None, Some("ab")), (Some("a"), Some("b"))]
        {
            (entry.client, entry.reason) = (client.map(str::to_owned), reason.map(str::to_owned));
            seen.push(bytes(&entry));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }

    /// The form is published: a change of it would make every chain in the field unreadable.
    #[test]
    fn w19_the_form_is_the_one_that_is_written_down() {
        let entry = Entry::of(&Event::new(crate::event::EventKind::SignedIn, UnixTime::from_millis(258)));
        let mut bytes = Vec::new();
        entry.write(&mut bytes);
        let mut expected = vec![0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9];
        expected.extend_from_slice(b"signed_in");
        expected.extend_from_slice(&[0xff; 4 * 15]);
        assert_eq!(bytes, expected);
    }
}
