//! Claims as types: what must be there is no `Option`, and what is there has its type or the token has no reading.
//!
//! A `NumericDate` (RFC 7519 §2) is a whole number here; every issuer we met writes one, and a fraction would buy
//! nothing. `null` is a wrong type, not a way to leave a claim out.

use std::fmt;

use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whom a token is for (RFC 7519 §4.1.3): one or more names, never none. One alone is written as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Vec<String>);

impl Audience {
    /// The audience of a token for `name` alone.
    pub fn one(name: impl Into<String>) -> Self {
        Self(vec![name.into()])
    }

    /// Whether `name` is among them, by exact spelling.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// The name, if there is only one.
    pub fn only(&self) -> Option<&str> {
        match self.0.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// Each name, as sent.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.only() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Vec<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Vec<String>, E> {
                Ok(vec![name.to_owned()])
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Vec<String>, A::Error> {
                let mut out = Vec::new();
                while let Some(name) = names.next_element()? {
                    out.push(name);
                }
                Ok(out)
            }
        }
        let names = deserializer.deserialize_any(Names)?;
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(de::Error::custom("an audience is empty"));
        }
        Ok(Self(names))
    }
}

/// Why the claims of a verified token do not hold here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// From another issuer than the one expected.
    #[error("the token is from another issuer")]
    Issuer,
    /// Not about the one expected.
    #[error("the token is about another subject")]
    Subject,
    /// Not for the one who was handed it.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come, or it says that it was made in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// It would be valid for longer than allowed.
    #[error("the token is valid for too long")]
    TooLongLived,
}

/// The claims of an access token (RFC 9068 §2.2). All but the last four are required there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who made it.
    #[serde(deserialize_with = "text")]
    pub iss: String,
    /// On whose behalf.
    #[serde(deserialize_with = "text")]
    pub sub: String,
    /// Where it is valid.
    pub aud: Audience,
    /// The client it was given to.
    #[serde(deserialize_with = "text")]
    pub client_id: String,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it was made, in seconds since the epoch.
    pub iat: i64,
    /// When it begins, in seconds since the epoch.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub jti: String,
    /// What it allows (RFC 9068 §2.2.3).
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Ours: the agent it was made for.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Ours: the revocation counter that the facts behind it had seen.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub rev: Option<u64>,
}

impl AccessClaims {
    /// Whether the token is from `iss`, for `aud` (both by exact spelling), and valid at `now`. `leeway` is how far
    /// the issuer's clock may be off, in seconds: 0 for our own, [`limit::CLOCK_LEEWAY`] for others'.
    ///
    /// # Errors
    /// [`ClaimsError`], by cause.
    pub fn check(&self, iss: &str, aud: &str, now: UnixTime, leeway: i64) -> Result<(), ClaimsError> {
        if self.iss != iss {
            return Err(ClaimsError::Issuer);
        }
        if !self.aud.contains(aud) {
            return Err(ClaimsError::Audience);
        }
        times(self.exp, Some(self.iat), self.nbf, now, leeway)
    }
}

/// The claims of a client's own assertion (`private_key_jwt`, RFC 7523 §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionClaims {
    /// The client.
    #[serde(deserialize_with = "text")]
    pub iss: String,
    /// The client again.
    #[serde(deserialize_with = "text")]
    pub sub: String,
    /// The authorization server.
    pub aud: Audience,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it was made, in seconds since the epoch.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// When it begins, in seconds since the epoch.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its name: used once.
    #[serde(deserialize_with = "text")]
    pub jti: String,
}

impl AssertionClaims {
    /// Whether the assertion is by and about `client_id`, for exactly one of `audiences` and no one else, and valid
    /// at `now` with [`limit::CLOCK_LEEWAY`], for no longer than [`limit::ASSERTION_LIFE`]. Single use is the
    /// caller's to hold, by `jti`, until `exp` plus the leeway.
    ///
    /// # Errors
    /// [`ClaimsError`], by cause.
    pub fn check(&self, client_id: &str, audiences: &[&str], now: UnixTime) -> Result<(), ClaimsError> {
        if self.iss != client_id {
            return Err(ClaimsError::Issuer);
        }
        if self.sub != client_id {
            return Err(ClaimsError::Subject);
        }
        if !self.aud.only().is_some_and(|aud| audiences.contains(&aud)) {
            return Err(ClaimsError::Audience);
        }
        times(self.exp, self.iat, self.nbf, now, limit::CLOCK_LEEWAY)?;
        let latest = now.seconds().saturating_add(limit::ASSERTION_LIFE + limit::CLOCK_LEEWAY);
        if self.exp > latest { Err(ClaimsError::TooLongLived) } else { Ok(()) }
    }
}

/// RFC 7519 §4.1.4 to §4.1.6: on or after `exp` is too late, before `nbf` too early.
fn times(
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    now: UnixTime,
    leeway: i64,
) -> Result<(), ClaimsError> {
    if UnixTime::from_seconds(exp.saturating_add(leeway)) <= now {
        return Err(ClaimsError::Expired);
    }
    let is_ahead = |moment: i64| UnixTime::from_seconds(moment.saturating_sub(leeway)) > now;
    if nbf.is_some_and(is_ahead) || iat.is_some_and(is_ahead) { Err(ClaimsError::NotYet) } else { Ok(()) }
}

/// A string that says something.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(de::Error::custom("a claim is empty")) } else { Ok(text) }
}

/// A claim that is there has its type.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
