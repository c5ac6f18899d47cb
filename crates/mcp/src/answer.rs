//! Messages on their way down, looked at member by member: what is not changed keeps its very text, numbers of any
//! length included.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Most members of one object that are looked at.
const MEMBERS: usize = 4096;

/// The members of one JSON object, each as the text that stands there. Only what is set is written anew.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    is_changed: bool,
}

impl<'a> Object<'a> {
    /// Reads an object. None if the text is none, or a member occurs twice.
    pub fn parse(text: &'a str) -> Option<Self> {
        let Members(members) = serde_json::from_str(text).ok()?;
        Some(Self { members, is_changed: false })
    }

    /// The text of a member.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_ref())
    }

    /// The text of a member as it came; none for one that was set.
    pub fn source(&self, name: &str) -> Option<&'a str> {
        match &self.members.iter().find(|(own, _)| own == name)?.1 {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    /// A member that is an object.
    pub fn object(&self, name: &str) -> Option<Object<'a>> {
        self.source(name).filter(|text| text.starts_with('{')).and_then(Object::parse)
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).filter(|text| text.starts_with('"')).and_then(|text| serde_json::from_str(text).ok())
    }

    /// The members' names and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Whether it has members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether anything was set or removed.
    pub const fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Sets a member to a JSON text, at its place or at the end.
    pub fn set(&mut self, name: &str, json: String) {
        self.is_changed = true;
        match self.members.iter_mut().find(|(own, _)| own == name) {
            Some((_, value)) => *value = Cow::Owned(json),
            None => self.members.push((Cow::Owned(name.to_owned()), Cow::Owned(json))),
        }
    }

    /// Sets a member to a string.
    pub fn set_text(&mut self, name: &str, text: &str) {
        self.set(name, quoted(text));
    }

    /// Keeps only the members that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let before = self.members.len();
        self.members.retain(|(name, _)| keep(name));
        self.is_changed |= self.members.len() != before;
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.members.iter().enumerate() {
            write!(f, "{}{}:{value}", if at == 0 { "" } else { "," }, quoted(name))?;
        }
        f.write_str("}")
    }
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The elements of a JSON array, each as the text that stands there. None if the text is none.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::with_capacity(4);
        while let Some(Name(name)) = map.next_key()? {
            if members.len() >= MEMBERS || members.iter().any(|(own, _)| *own == name) {
                return Err(A::Error::custom("a member occurs twice, or there are too many"));
            }
            let value: &'de RawValue = map.next_value()?;
            members.push((name, Cow::Borrowed(value.get())));
        }
        Ok(Members(members))
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }
    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

/// How a server answered, as far as anybody outside needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Result,
    /// With a result that says that the tool failed (`isError`).
    ToolError,
    /// With a JSON-RPC error of this code.
    Error(i64),
}

/// One message from a server.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// All of it.
    pub top: Object<'a>,
}

impl<'a> Answer<'a> {
    /// Reads a message. None if it is no JSON-RPC 2.0 message, or has two readings.
    pub fn parse(text: &'a str) -> Option<Self> {
        let top = Object::parse(text)?;
        (top.raw("jsonrpc") == Some("\"2.0\"")).then_some(Self { top })
    }

    /// How it answers a request; none if it is a request or a notification, or a result with two readings.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.top.raw("method").is_some() {
            return None;
        }
        if let Some(error) = self.top.object("error") {
            return Some(Outcome::Error(
                error.raw("code").and_then(|code| code.parse().ok()).unwrap_or_default(),
            ));
        }
        // A result of another shape has no members to read; it is one all the same.
        if !self.top.raw("result")?.starts_with('{') {
            return Some(Outcome::Result);
        }
        let is_error = self.top.object("result")?.raw("isError") == Some("true");
        Some(if is_error { Outcome::ToolError } else { Outcome::Result })
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<String> {
        self.top.text("method")
    }

    /// The id, if it is a string.
    pub fn text_id(&self) -> Option<String> {
        self.top.text("id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_keeps_its_text() {
        let text = r#"{ "a" : 1.50, "b\u0062":[ 1e400 ,12345678901234567890123], "c":{"x":"\u00e9"} }"#;
        let mut object = Object::parse(text).unwrap();
        assert!(!object.is_changed());
        assert_eq!(object.raw("bb"), Some("[ 1e400 ,12345678901234567890123]"));
        object.set_text("a", "new\n");
        object.retain(|name| name != "c");
        object.set("d", "true".to_owned());
        assert!(object.is_changed());
        assert_eq!(object.to_string(), r#"{"a":"new\n","bb":[ 1e400 ,12345678901234567890123],"d":true}"#);
    }

    #[test]
    fn t_json_diff_an_object_with_two_readings_has_none() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, "[]", "1", "", r#"{"a":1} {}"#, r#"{"a"}"#]
        {
            assert!(Object::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_answer_tells_how_it_ended() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Some(Outcome::Result)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#, Some(Outcome::ToolError)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"isError":false}}"#, Some(Outcome::Result)),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":""}}"#,
                Some(Outcome::Error(-32602)),
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#, None),
            (r#"{"jsonrpc":"2.0","method":"x"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, Some(Outcome::Result)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#, None),
            (r#"{"jsonrpc":"2.0","id":1}"#, None),
        ] {
            assert_eq!(Answer::parse(text).unwrap().outcome(), expected, "{text}");
        }
        assert!(Answer::parse(r#"{"id":1,"result":{}}"#).is_none());
        assert!(Answer::parse("[]").is_none());
    }

    #[test]
    fn deep_answers_cost_no_stack() {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(Object::parse(&deep).unwrap().raw("a").unwrap().len(), 400_001);
        assert_eq!(elements("[1, {\"a\":2} ,[]]").unwrap(), ["1", "{\"a\":2}", "[]"]);
    }
}
