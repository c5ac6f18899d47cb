//! Messages as lines: ids and tokens are changed where they stand, and all else keeps its text.

use bytes::Bytes;
use portcullis_mcp::answer::Object;
use serde_json::Value;

/// The member of `_meta` by which notifications name the request that subscribed (MCP 2026-07-28).
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A JSON text as one line. Ends of line stand between its tokens only, where any white space is as good.
pub(super) fn line(text: &str) -> Bytes {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.to_owned().into() }
}

/// A request under another id, which is its progress token too if it has one.
pub(super) fn with_id(text: &str, id: u64) -> Option<(Bytes, Option<String>)> {
    let mut top = Object::parse(text)?;
    top.set("id", id.to_string());
    let mut own = None;
    if let Some(mut params) = top.object("params")
        && let Some(mut meta) = params.object("_meta")
        && let Some(token) = meta.raw("progressToken").map(str::to_owned)
    {
        meta.set("progressToken", id.to_string());
        params.set("_meta", meta.to_string());
        top.set("params", params.to_string());
        own = Some(token);
    }
    Some((line(&top.to_string()), own))
}

/// An answer under the id of the request it answers.
pub(super) fn answering(top: &Object<'_>, id: &Value) -> Bytes {
    let mut top = top.clone();
    top.set("id", id.to_string());
    top.to_string().into()
}

/// A notification with one member of its parameters changed.
pub(super) fn with_param(top: &Object<'_>, name: &str, json: String) -> Option<Bytes> {
    let mut params = top.object("params")?;
    params.set(name, json);
    let mut top = top.clone();
    top.set("params", params.to_string());
    Some(line(&top.to_string()))
}

/// The request that a notification belongs to by its subscription.
pub(super) fn subscription(top: &Object<'_>) -> Option<u64> {
    top.object("params")?.object("_meta")?.raw(SUBSCRIPTION)?.trim_matches('"').parse().ok()
}

/// The same notification under the caller's own name for the subscription.
pub(super) fn with_subscription(top: &Object<'_>, id: &Value) -> Option<Bytes> {
    let mut meta = top.object("params")?.object("_meta")?;
    meta.set(SUBSCRIPTION, id.to_string());
    with_param(top, "_meta", meta.to_string())
}

/// An id in the one spelling that is compared.
pub(super) fn spelled(raw: &str) -> Option<String> {
    let id: Value = serde_json::from_str(raw).ok()?;
    (id.is_string() || id.is_number()).then(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens_are_changed_and_nothing_else() {
        let text = "{\"jsonrpc\":\"2.0\",\n \"id\":\"a\",\"method\":\"m\",\"params\":{\"x\":1e400,\"_meta\":{\"progressToken\":\"t\",\"y\":1}}}";
        let (sent, token) = with_id(text, 7).unwrap();
        assert_eq!(
            sent,
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":{\"x\":1e400,\"_meta\":{\"progressToken\":7,\"y\":1}}}"
        );
        assert_eq!(token.as_deref(), Some("\"t\""));
        let answer = Object::parse("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{ \"n\":1.0}}").unwrap();
        assert_eq!(
            answering(&answer, &Value::from("a")),
            "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{ \"n\":1.0}}"
        );
    }

    #[test]
    fn a_message_is_one_line() {
        let (sent, token) = with_id("{\"id\":1,\"params\":{\r\n\"a\": [1,\n2]}}", 2).unwrap();
        assert!(!sent.contains(&b'\n') && !sent.contains(&b'\r') && token.is_none());
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(spelled("\"\\u0061\""), spelled("\"a\""));
        assert_ne!(spelled("\"1\""), spelled("1"));
        assert_eq!(spelled("null"), None);
        assert_eq!(spelled("[1]"), None);
    }
}
