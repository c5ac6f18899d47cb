//! `application/x-www-form-urlencoded` as OAuth reads it: bodies of the endpoints and the query of `/authorize`.
//!
//! A parameter without a value counts as absent, an unknown one is ignored, and one that is sent twice is a fault
//! (RFC 6749 §3.1, §3.2) — except `resource`, which may repeat (RFC 8707 §2).

use crate::limit;

/// Why a form could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Bad percent encoding, or not UTF-8.
    #[error("the parameters are not well-formed")]
    Malformed,
    /// More parameters than we look at.
    #[error("there are too many parameters")]
    TooMany,
    /// The named parameter was sent more than once.
    #[error("the parameter {0} was sent more than once")]
    Repeated(&'static str),
}

/// The parameters of one request. Never printed: they hold codes, tokens and passwords.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads an encoded form.
    ///
    /// # Errors
    /// [`FormError::Malformed`] or [`FormError::TooMany`]. Repetition is found when a parameter is asked for.
    pub fn parse(text: &[u8]) -> Result<Self, FormError> {
        let mut out = Vec::new();
        for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            if out.len() == limit::FORM_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let split = pair.iter().position(|&b| b == b'=');
            let (name, value) = split.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            out.push((decode(name)?, decode(value)?));
        }
        Ok(Self(out))
    }

    /// The one value of `name`; absent and empty are the same.
    ///
    /// # Errors
    /// [`FormError::Repeated`].
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, FormError> {
        let mut found = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(FormError::Repeated(name)),
            (value, None) => Ok(value.filter(|v| !v.is_empty())),
        }
    }

    /// The same parameters in the same order, as a query.
    pub fn to_query(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        pairs.join("&")
    }

    /// Every value of a parameter that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Fails if any parameter but those in `may_repeat` was sent twice.
    ///
    /// # Errors
    /// [`FormError::Repeated`]; the name is not echoed, since it is a stranger's text.
    pub fn each_once(&self, may_repeat: &[&str]) -> Result<(), FormError> {
        let mut names: Vec<&str> =
            self.0.iter().map(|(n, _)| n.as_str()).filter(|n| !may_repeat.contains(n)).collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(FormError::Repeated("it names")),
            false => Ok(()),
        }
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({} parameters)", self.0.len())
    }
}

fn decode(bytes: &[u8]) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|&b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(FormError::Malformed) };
                u8::try_from(high * 16 + low).map_err(|_| FormError::Malformed)?
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| FormError::Malformed)
}

/// Percent-encodes a form value or name.
pub fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a02_repeated_is_a_fault_empty_is_absent_unknown_is_ignored() {
        let form = Form::parse(b"a=1&b=&c=2&c=3&x%20y=%C3%A4+z&resource=p&resource=q").unwrap();
        assert_eq!(form.one("a"), Ok(Some("1")));
        assert_eq!(form.one("b"), Ok(None));
        assert_eq!(form.one("missing"), Ok(None));
        assert_eq!(form.one("c"), Err(FormError::Repeated("c")));
        assert_eq!(form.one("x y"), Ok(Some("ä z")));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["p", "q"]);
        assert!(form.each_once(&["resource"]).is_err());
        assert!(form.each_once(&["resource", "c"]).is_ok());
    }

    #[test]
    fn malformed_forms_are_refused() {
        for given in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"%ff=a"] {
            assert_eq!(Form::parse(given).err(), Some(FormError::Malformed));
        }
        assert_eq!(Form::parse("a=1&".repeat(65).as_bytes()).err(), Some(FormError::TooMany));
    }
}
