//! What of a message goes into the trail.

use std::borrow::Cow;

use http::HeaderMap;
use portcullis_mcp::{Kind, Message};
use portcullis_policy::canonical;
use portcullis_wire::digest::Digest;

use super::core::Core;
use super::who::Who;
use crate::ports::{Call, Decision};

/// Names the trace of a request (W3C Trace Context).
const TRACE_PARENT: &str = "traceparent";
/// Longest name that is written down, in bytes. A resource's URI is the longest kind.
const NAME: usize = 2048;

/// The trace a request belongs to, if it says so in the one form there is.
pub(crate) fn trace(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(TRACE_PARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    trace_of(value.to_str().ok()?)
}

/// W3C Trace Context §3.2: version, trace id, parent id and flags, in lower case; neither id is all zeros.
fn trace_of(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |part: &str| part.bytes().any(|b| b != b'0');
    // Later versions may append; this one may not.
    let ends = parts.next().is_none() || version != "00";
    let holds = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(parent, 16)
        && is_set(parent)
        && is_hex(flags, 2);
    (holds && ends).then(|| trace.to_owned())
}

/// What stands for a call's arguments: SHA-256 over their canonical text.
pub(crate) fn digest(message: &Message) -> Option<Digest> {
    message.param("arguments").map(|arguments| Digest::of(canonical(arguments).as_bytes()))
}

/// The row of a message; a ping and what waits for no answer have none.
pub(crate) fn row(
    core: &Core,
    who: &Who,
    message: &Message,
    arguments: Option<Digest>,
    request: &str,
    trace: Option<&str>,
) -> Option<Call> {
    let method = message.method()?;
    if message.kind() != Kind::Request || method == "ping" {
        return None;
    }
    let is_kept = |tool: &str| core.settings.keep_values.iter().any(|kept| kept.matches(tool));
    let values = match message.tool() {
        Some(tool) if is_kept(tool) => message.param("arguments").map(canonical),
        _ => None,
    };
    Some(Call {
        agent: who.agent.clone(),
        method: Cow::Owned(cut(method).to_owned()),
        name: message.name().map(|name| cut(name).to_owned()),
        request: request.to_owned(),
        trace: trace.map(str::to_owned),
        decision: Decision::Allowed,
        rule: Cow::Borrowed(""),
        scopes: core.policy.table().needs(message),
        arguments,
        values,
    })
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(NAME)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w19_a_trace_is_believed_in_its_one_form_only() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (given, holds) in [
            (format!("00-{trace}-{parent}-01"), true),
            (format!("cc-{trace}-{parent}-01-more"), true),
            (format!("00-{trace}-{parent}-01-more"), false),
            (format!("ff-{trace}-{parent}-01"), false),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), false),
            (format!("00-{}-{parent}-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{trace}-{parent}"), false),
            (format!("00-{trace}-{parent}-1"), false),
            (format!(" 00-{trace}-{parent}-01"), false),
            (String::new(), false),
        ] {
            assert_eq!(trace_of(&given).as_deref(), holds.then_some(trace), "{given}");
        }
    }
}
