//! One strict reading of JSON: duplicate members are refused, depth and breadth are bounded, nothing may follow.
//!
//! Two readers that disagree on which of two equal members counts have let one tool be judged and another be
//! run; here such a document has no reading at all.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limit::JSON_MEMBERS;

/// Why a document has no strict reading. The text says what, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all, or not UTF-8.
    #[error("this is not well-formed JSON")]
    Malformed,
    /// Two members of one object have the same name.
    #[error("an object has two members of the same name")]
    DuplicateMember,
    /// Nested deeper than allowed.
    #[error("the document is nested too deeply")]
    TooDeep,
    /// An object has more members than allowed.
    #[error("an object has too many members")]
    TooManyMembers,
}

const DUPLICATE: &str = "\u{1}duplicate";
const DEEP: &str = "\u{1}deep";
const MANY: &str = "\u{1}many";

/// Reads `bytes` as one JSON value nested at most `depth` deep.
///
/// # Errors
/// [`JsonError`], by cause.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth }.deserialize(&mut reader).map_err(|error| cause(&error))?;
    reader.end().map_err(|_| JsonError::Malformed)?;
    Ok(value)
}

/// Reads `bytes` as one JSON object, as [`parse`] does.
///
/// # Errors
/// [`JsonError`]; a value that is no object is [`JsonError::Malformed`].
pub fn parse_object(bytes: &[u8], depth: usize) -> Result<Map<String, Value>, JsonError> {
    match parse(bytes, depth)? {
        Value::Object(map) => Ok(map),
        _ => Err(JsonError::Malformed),
    }
}

fn cause(error: &serde_json::Error) -> JsonError {
    let text = error.to_string();
    if text.contains(DUPLICATE) {
        JsonError::DuplicateMember
    } else if text.contains(DEEP) || text.contains("recursion limit") {
        JsonError::TooDeep
    } else if text.contains(MANY) {
        JsonError::TooManyMembers
    } else {
        JsonError::Malformed
    }
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn below<E: serde::de::Error>(&self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom(DEEP)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = items.next_element_seed(self.below()?)? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if out.contains_key(&name) {
                return Err(A::Error::custom(DUPLICATE));
            }
            if out.len() >= JSON_MEMBERS {
                return Err(A::Error::custom(MANY));
            }
            let value = members.next_value_seed(self.below()?)?;
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_json_diff_one_reading_or_none() {
        for (name, given, expected) in [
            ("object", r#"{"a":1}"#, None),
            ("same member twice", r#"{"a":1,"a":2}"#, Some(JsonError::DuplicateMember)),
            ("same member, escaped", r#"{"a":1,"\u0061":2}"#, Some(JsonError::DuplicateMember)),
            ("deep duplicate", r#"{"a":[{"b":1,"b":1}]}"#, Some(JsonError::DuplicateMember)),
            ("something follows", r#"{} {}"#, Some(JsonError::Malformed)),
            ("not JSON", "{a:1}", Some(JsonError::Malformed)),
            ("too deep", "[[[[1]]]]", Some(JsonError::TooDeep)),
            ("just deep enough", "[[[1]]]", None),
            ("empty", "", Some(JsonError::Malformed)),
        ] {
            assert_eq!(parse(given.as_bytes(), 3).err(), expected, "{name}");
        }
        assert_eq!(parse(b"\"\xff\"", 3), Err(JsonError::Malformed));
        assert_eq!(parse("[".repeat(100_000).as_bytes(), 500_000).err(), Some(JsonError::TooDeep));
    }
}
