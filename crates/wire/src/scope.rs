//! Scopes (RFC 6749 §3.3): a set of case-sensitive tokens, without order.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limit;

/// The scope that asks for a refresh token. We give one with or without it, and never ask a person about it.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Why a scope parameter was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`.
    #[error("a scope holds a character that RFC 6749 §3.3 does not allow")]
    Character,
    /// Two spaces, or one at an end.
    #[error("scopes are separated by exactly one space")]
    Gap,
    /// More or longer tokens than we look at.
    #[error("there are too many scopes, or one is too long")]
    TooLarge,
}

/// One scope token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

impl Scope {
    /// Reads one token.
    ///
    /// # Errors
    /// [`ScopeError`], by cause.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Err(ScopeError::Gap);
        }
        if text.len() > limit::SCOPE_TOKEN {
            return Err(ScopeError::TooLarge);
        }
        if !text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            return Err(ScopeError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}
impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scopes; printed in alphabetical order with one space between.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// No scope at all.
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Reads a `scope` parameter. An empty string is no scope.
    ///
    /// # Errors
    /// [`ScopeError`], by cause.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        let mut out = BTreeSet::new();
        for token in text.split(' ') {
            out.insert(Scope::parse(token)?);
            if out.len() > limit::SCOPES {
                return Err(ScopeError::TooLarge);
            }
        }
        Ok(Self(out))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `scope` is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s.as_str() == scope)
    }

    /// Whether all of `other` are among them.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Those in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Those in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Those that `other` lacks.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// All but the one spelled `scope`.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        Self(self.0.iter().filter(|s| s.as_str() != scope).cloned().collect())
    }

    /// Adds one.
    pub fn insert(&mut self, scope: Scope) {
        self.0.insert(scope);
    }

    /// Each, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}
impl TryFrom<String> for Scopes {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}
impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}
impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_3_scope_parameter() {
        for (name, given, expected) in [
            ("empty is none", "", Ok("")),
            ("one", "a", Ok("a")),
            ("order does not matter", "b a", Ok("a b")),
            ("twice is once", "a a", Ok("a")),
            ("two spaces", "a  b", Err(ScopeError::Gap)),
            ("leading space", " a", Err(ScopeError::Gap)),
            ("quote", "a\"b", Err(ScopeError::Character)),
            ("backslash", "a\\b", Err(ScopeError::Character)),
            ("not ASCII", "ä", Err(ScopeError::Character)),
            ("tab", "a\tb", Err(ScopeError::Character)),
        ] {
            assert_eq!(Scopes::parse(given).map(|s| s.to_string()), expected.map(str::to_owned), "{name}");
        }
        assert_eq!(Scope::parse(&"a".repeat(limit::SCOPE_TOKEN + 1)), Err(ScopeError::TooLarge));
        let many: Vec<String> = (0..=limit::SCOPES).map(|n| format!("s{n}")).collect();
        assert_eq!(Scopes::parse(&many.join(" ")), Err(ScopeError::TooLarge));
    }
}
