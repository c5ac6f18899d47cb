//! The `WWW-Authenticate` challenge of a resource server (RFC 6750 §3, RFC 9728 §5.1).
//!
//! One scheme, `Bearer`, every value quoted: clients in wide use read the first scheme alone, with a pattern.

use crate::error::ErrorCode;
use crate::scope::Scopes;

/// A `Bearer` challenge under construction.
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    parts: Vec<(&'static str, String)>,
}

impl Challenge {
    /// A bare challenge: no credentials were sent, so there is no error to name (RFC 6750 §3.1).
    pub fn bearer() -> Self {
        Self::default()
    }

    /// Names the error.
    #[must_use]
    pub fn error(mut self, code: ErrorCode) -> Self {
        self.parts.push(("error", code.as_str().to_owned()));
        self
    }

    /// Says what happened. The text must be ours: it is not made safe, only kept well-formed.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        self.parts.push(("error_description", text.to_owned()));
        self
    }

    /// Names all scopes the operation needs; none is not said.
    #[must_use]
    pub fn scope(mut self, scopes: &Scopes) -> Self {
        if !scopes.is_empty() {
            self.parts.push(("scope", scopes.to_string()));
        }
        self
    }

    /// Names the protected-resource metadata, as an absolute URL (RFC 9728 §5.1).
    #[must_use]
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.parts.push(("resource_metadata", url.to_owned()));
        self
    }

    /// The header's value.
    pub fn to_header(&self) -> String {
        let mut out = String::from("Bearer");
        for (index, (name, value)) in self.parts.iter().enumerate() {
            out.push_str(if index == 0 { " " } else { ", " });
            out.push_str(name);
            out.push_str("=\"");
            out.extend(value.chars().filter(|c| matches!(c, ' '..='~')).flat_map(|c| {
                let escape = matches!(c, '"' | '\\').then_some('\\');
                escape.into_iter().chain([c])
            }));
            out.push('"');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_every_value_is_quoted_and_cannot_break_out() {
        assert_eq!(Challenge::bearer().to_header(), "Bearer");
        let header = Challenge::bearer()
            .error(ErrorCode::InvalidToken)
            .description("a \"quoted\\ word\r\nSet-Cookie: x")
            .scope(&Scopes::parse("b a").unwrap())
            .resource_metadata("https://h.example/.well-known/oauth-protected-resource/mcp")
            .to_header();
        assert_eq!(
            header,
            "Bearer error=\"invalid_token\", error_description=\"a \\\"quoted\\\\ wordSet-Cookie: x\", scope=\"a b\", \
             resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\""
        );
    }
}
