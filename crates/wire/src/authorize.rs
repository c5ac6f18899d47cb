//! The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2) as it was sent, and the answer to it.

use crate::error::ErrorCode;
use crate::form::{Form, FormError};

/// The parameters, each at most once (`resource` aside). What they mean is decided later, in an order that
/// matters: until client and redirect URI are proven nothing is redirected (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizeRequest {
    /// `response_type`.
    pub response_type: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `state`, returned byte for byte.
    pub state: Option<String>,
    /// `code_challenge`.
    pub code_challenge: Option<String>,
    /// `code_challenge_method`.
    pub code_challenge_method: Option<String>,
    /// Every `resource`.
    pub resources: Vec<String>,
    /// `prompt`.
    pub prompt: Option<String>,
    /// `login_hint`.
    pub login_hint: Option<String>,
    /// Whether the request names an extension we do not have: `request`, `request_uri` (RFC 9101), `response_mode` other than query.
    pub unsupported: Option<&'static str>,
}

/// The two parameters that decide whether anything may be redirected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// `client_id`.
    pub client_id: Option<String>,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
}

impl Asker {
    /// Reads who asks.
    ///
    /// # Errors
    /// [`FormError::Repeated`].
    pub fn read(form: &Form) -> Result<Self, FormError> {
        Ok(Self {
            client_id: form.one("client_id")?.map(str::to_owned),
            redirect_uri: form.one("redirect_uri")?.map(str::to_owned),
        })
    }
}

impl AuthorizeRequest {
    /// Reads what is asked.
    ///
    /// # Errors
    /// [`FormError::Repeated`] for any parameter sent twice, known or not.
    pub fn read(form: &Form) -> Result<Self, FormError> {
        form.each_once(&["resource"])?;
        let one = |name| form.one(name).map(|v| v.map(str::to_owned));
        let mut unsupported = None;
        for name in ["request", "request_uri"] {
            if form.one(name)?.is_some() {
                unsupported = Some(name);
            }
        }
        if form.one("response_mode")?.is_some_and(|mode| mode != "query") {
            unsupported = Some("response_mode");
        }
        Ok(Self {
            response_type: one("response_type")?,
            scope: one("scope")?,
            state: one("state")?,
            code_challenge: one("code_challenge")?,
            code_challenge_method: one("code_challenge_method")?,
            resources: form.all("resource").map(str::to_owned).collect(),
            prompt: one("prompt")?,
            login_hint: one("login_hint")?,
            unsupported,
        })
    }
}

/// What goes back to the client in its redirect URI (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Clone, Debug)]
pub enum AuthorizeReply<'a> {
    /// A code.
    Code(&'a str),
    /// An error, with fixed text.
    Error(ErrorCode, &'static str),
}

impl AuthorizeReply<'_> {
    /// The URL to send the browser to: the redirect URI byte for byte, our parameters behind it, each once.
    pub fn location(&self, redirect_uri: &str, state: Option<&str>, issuer: &str) -> String {
        let mut out = String::from(redirect_uri);
        // A question mark or ampersand glues only as the end of the query; within it or before it each is a letter.
        let mut glue = match redirect_uri.split_once('?') {
            None => '?',
            Some((_, query)) if query.is_empty() || query.ends_with('&') => '\0',
            Some(_) => '&',
        };
        let mut put = |name: &str, value: &str| {
            if glue != '\0' {
                out.push(glue);
            }
            glue = '&';
            out.push_str(name);
            out.push('=');
            out.push_str(&crate::form::encode(value));
        };
        match self {
            Self::Code(code) => put("code", code),
            Self::Error(code, description) => {
                put("error", code.as_str());
                put("error_description", description);
            }
        }
        if let Some(state) = state {
            put("state", state);
        }
        put("iss", issuer);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a16_a17_code_state_and_iss_each_once_on_success_and_on_error() {
        let code = AuthorizeReply::Code("c").location(
            "https://a.example/cb?x=1",
            Some("s &=é"),
            "https://i.example",
        );
        assert_eq!(code, "https://a.example/cb?x=1&code=c&state=s+%26%3D%C3%A9&iss=https%3A%2F%2Fi.example");
        let error = AuthorizeReply::Error(ErrorCode::AccessDenied, "no").location(
            "http://127.0.0.1/",
            None,
            "https://i.example",
        );
        assert_eq!(
            error,
            "http://127.0.0.1/?error=access_denied&error_description=no&iss=https%3A%2F%2Fi.example"
        );
        for (redirect, expected) in [
            ("a://b?", "a://b?code=c&iss=i"),
            ("a://b?q&", "a://b?q&code=c&iss=i"),
            ("a://b?q?", "a://b?q?&code=c&iss=i"),
            ("a://b&", "a://b&?code=c&iss=i"),
        ] {
            assert_eq!(AuthorizeReply::Code("c").location(redirect, None, "i"), expected);
        }
    }
}
