//! What is asked of a host beyond a document, and what it answers.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;

/// A request: a `GET`, or a form that is posted, and who asks. Both hold secrets; `Debug` shows neither.
#[derive(Clone, Default)]
pub struct Ask {
    pub(crate) form: Option<Bytes>,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Ask {
    /// A `GET`.
    #[must_use]
    pub fn get() -> Self {
        Self::default()
    }

    /// A `POST` of a form that is encoded already (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn form(encoded: String) -> Self {
        Self { form: Some(Bytes::from(encoded)), authorization: None }
    }

    /// With a whole `Authorization` header: `Basic …` or `Bearer …`. None for a text no header can carry.
    #[must_use]
    pub fn authorized(mut self, credentials: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(credentials).ok()?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Some(self)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("method", if self.form.is_some() { &"POST" } else { &"GET" })
            .field("authorized", &self.authorization.is_some())
            .finish_non_exhaustive()
    }
}

/// An answer of any status but a redirect, within its limits. It may hold tokens: `Debug` keeps the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The media type, in lower case, without parameters.
    pub media_type: String,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}
