//! The refusals of this room: who must act, and how it is mended. The codes are stable.

use crate::{Act, Fault};

/// The answer is malformed or not of the form that is accepted; whoever sent it has to change it.
pub(crate) fn shape(code: &'static str, what: impl Into<String>) -> Fault {
    Fault::new(
        code,
        Act::Provider,
        what,
        "what is not of the one accepted form could be read in two ways, and somebody else could be signed in",
        "send a plain SAML 2.0 response: one Assertion with a signature of its own, exclusive canonicalization, no \
         comments, no DTD; begin again, and if it stays, compare with `portcullis sso test`",
    )
}

/// Something at the provider has to be set otherwise.
pub(crate) fn provider(
    code: &'static str,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Fault {
    Fault::new(code, Act::Provider, what, why, fix)
}

/// Something here has to be set otherwise.
pub(crate) fn administrator(
    code: &'static str,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Fault {
    Fault::new(code, Act::Administrator, what, why, fix)
}

/// The person begins again.
pub(crate) fn person(code: &'static str, what: impl Into<String>, why: impl Into<String>) -> Fault {
    Fault::new(code, Act::Person, what, why, "begin again at the sign-in page")
}

/// A required part is absent.
pub(crate) fn absent(what: &str) -> Fault {
    shape("saml_absent", format!("the SAML response has no usable {what}"))
}

/// A moment that cannot be read.
pub(crate) fn time(what: &str) -> Fault {
    provider(
        "saml_time",
        format!("{what} is not a moment in UTC"),
        "without a moment that can be compared nothing says how long the answer counts",
        "write times as SAML Core §1.3.3 wants them: `2026-01-31T09:30:00Z`",
    )
}
