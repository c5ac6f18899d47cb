//! The two eras of MCP over HTTP, and whether the headers say what the body says (MCP 2026-07-28, transports).
//!
//! Since 2026-07-28 a request mirrors its method and the name it calls in headers, so that those who stand between
//! can route without reading the body. We always read the body, decide from it alone, and refuse a message whose
//! headers would tell another reader another story. Older revisions have no such headers: none is believed there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::error::{HEADER_MISMATCH, json_rpc_error};
use crate::message::{Message, Mirror};

/// Names the protocol revision.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Mirrors the method (since 2026-07-28).
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Mirrors the name or URI (since 2026-07-28).
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Names the session (until 2025-11-25). It proves nothing about who calls.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// How the headers that mirror single arguments begin (since 2026-07-28).
pub const PARAM_PREFIX: &str = "mcp-param-";
/// The revisions we know, oldest first.
pub const VERSIONS: &[&str] = &["2025-03-26", "2025-06-18", "2025-11-25", STATELESS];

const STATELESS: &str = "2026-07-28";
const WRAP_START: &str = "=?base64?";
const WRAP_END: &str = "?=";

/// Which way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Up to 2025-11-25, and whatever names no revision or one nobody knows: sessions, and no mirrored headers.
    Stateful,
    /// 2026-07-28 and later: no sessions; headers mirror the body.
    Stateless,
}

/// The headers and the body of one request disagree. The text says where, never what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMismatch {
    /// The header is required in this revision and is not there.
    #[error("the {0} header is missing")]
    Missing(&'static str),
    /// The header is there twice.
    #[error("the {0} header is repeated")]
    Repeated(&'static str),
    /// The header is not visible ASCII, or its Base64 form does not decode.
    #[error("the {0} header cannot be read")]
    Unreadable(&'static str),
    /// The header says one thing and the body another.
    #[error("the {0} header does not match the body")]
    Different(&'static str),
}

impl HeaderMismatch {
    /// The HTTP status that goes with it.
    pub const fn status(&self) -> http::StatusCode {
        http::StatusCode::BAD_REQUEST
    }

    /// The body of the answer: code [`HEADER_MISMATCH`].
    pub fn json_rpc_error(&self, id: Option<&Value>) -> Value {
        json_rpc_error(HEADER_MISMATCH, &self.to_string(), id)
    }
}

/// Finds the era of a message and, in the stateless one, holds its headers against it.
///
/// A revision that nobody knows passes through, for the server to refuse in its own words; mirrored headers beside
/// a later date still have to tell the truth. In the stateful era mirrored headers mean nothing and are not looked at.
///
/// # Errors
/// [`HeaderMismatch`]: answered by 400 with code -32020.
pub fn agree(headers: &HeaderMap, message: &Message) -> Result<Era, HeaderMismatch> {
    let version = one(headers, &PROTOCOL_VERSION, "MCP-Protocol-Version")?;
    let own = message.protocol_version_meta();
    match (version, own) {
        (Some(header), Some(own)) if header != own => {
            return Err(HeaderMismatch::Different("MCP-Protocol-Version"));
        }
        (None, Some(own)) if is_stateless(own) => {
            return Err(HeaderMismatch::Missing("MCP-Protocol-Version"));
        }
        _ => {}
    }
    let Some(version) = version.filter(|version| is_stateless(version)) else { return Ok(Era::Stateful) };
    let must = version == STATELESS;
    match (one(headers, &METHOD, "Mcp-Method")?, message.method()) {
        (Some(header), Some(method)) if header == method => {}
        (None, Some(_)) if must => return Err(HeaderMismatch::Missing("Mcp-Method")),
        (None, _) => {}
        (Some(_), _) => return Err(HeaderMismatch::Different("Mcp-Method")),
    }
    let Some((_, mirror)) = message.mirrored() else { return Ok(Era::Stateless) };
    match one(headers, &NAME, "Mcp-Name")? {
        Some(header) => {
            let header = decode(header).ok_or(HeaderMismatch::Unreadable("Mcp-Name"))?;
            if Some(header.as_str()) != message.name() {
                return Err(HeaderMismatch::Different("Mcp-Name"));
            }
        }
        None if must && mirror == Mirror::Required => return Err(HeaderMismatch::Missing("Mcp-Name")),
        None => {}
    }
    Ok(Era::Stateless)
}

/// Reads a mirrored value, unwrapping the `=?base64?…?=` form for text that no header can carry. `None` when that
/// form does not hold Base64 of UTF-8.
pub fn decode(value: &str) -> Option<String> {
    match value.strip_prefix(WRAP_START).and_then(|rest| rest.strip_suffix(WRAP_END)) {
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// Writes a value as [`decode`] reads it: as it is where a header can carry it, else in the `=?base64?…?=` form.
pub fn encode(value: &str) -> Option<HeaderValue> {
    let is_plain = value.bytes().all(|b| matches!(b, b' '..=b'~'))
        && value.trim() == value
        && !value.is_empty()
        && !value.starts_with(WRAP_START);
    match is_plain {
        true => HeaderValue::from_str(value).ok(),
        false => HeaderValue::from_str(&format!("{WRAP_START}{}{WRAP_END}", STANDARD.encode(value))).ok(),
    }
}

/// Whether a revision is a date from the first stateless one on; dates in this form sort as text does.
fn is_stateless(version: &str) -> bool {
    let shaped = version.len() == STATELESS.len()
        && version
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    shaped && version >= STATELESS
}

fn one<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'h str>, HeaderMismatch> {
    let mut values = headers.get_all(name).iter();
    let value: Option<&HeaderValue> = values.next();
    if values.next().is_some() {
        return Err(HeaderMismatch::Repeated(shown));
    }
    value.map(|value| value.to_str().map_err(|_| HeaderMismatch::Unreadable(shown))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}"#;

    fn judge(body: &str, sent: &[(&str, &str)]) -> Result<Era, HeaderMismatch> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        agree(&headers, &Message::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn w10_headers_mirror_the_body_since_2026_07_28() {
        let version = ("MCP-Protocol-Version", "2026-07-28");
        let method = ("Mcp-Method", "tools/call");
        for (name, sent, expected) in [
            ("all there", vec![version, method, ("Mcp-Name", "delete_note")], Ok(Era::Stateless)),
            (
                "wrapped",
                vec![version, method, ("Mcp-Name", "=?base64?ZGVsZXRlX25vdGU=?=")],
                Ok(Era::Stateless),
            ),
            (
                "no method",
                vec![version, ("Mcp-Name", "delete_note")],
                Err(HeaderMismatch::Missing("Mcp-Method")),
            ),
            ("no name", vec![version, method], Err(HeaderMismatch::Missing("Mcp-Name"))),
            (
                "other method",
                vec![version, ("Mcp-Method", "tools/list"), ("Mcp-Name", "delete_note")],
                Err(HeaderMismatch::Different("Mcp-Method")),
            ),
            (
                "method in capitals",
                vec![version, ("Mcp-Method", "TOOLS/CALL"), ("Mcp-Name", "delete_note")],
                Err(HeaderMismatch::Different("Mcp-Method")),
            ),
            (
                "other name",
                vec![version, method, ("Mcp-Name", "read_note")],
                Err(HeaderMismatch::Different("Mcp-Name")),
            ),
            (
                "other name, wrapped",
                vec![version, method, ("Mcp-Name", "=?base64?cmVhZF9ub3Rl?=")],
                Err(HeaderMismatch::Different("Mcp-Name")),
            ),
            (
                "not Base64",
                vec![version, method, ("Mcp-Name", "=?base64?%%%?=")],
                Err(HeaderMismatch::Unreadable("Mcp-Name")),
            ),
            (
                "not UTF-8 inside",
                vec![version, method, ("Mcp-Name", "=?base64?/w==?=")],
                Err(HeaderMismatch::Unreadable("Mcp-Name")),
            ),
            (
                "not ASCII",
                vec![version, method, ("Mcp-Name", "dél")],
                Err(HeaderMismatch::Unreadable("Mcp-Name")),
            ),
            (
                "name twice",
                vec![version, method, ("Mcp-Name", "delete_note"), ("Mcp-Name", "read_note")],
                Err(HeaderMismatch::Repeated("Mcp-Name")),
            ),
            (
                "method twice",
                vec![version, method, method, ("Mcp-Name", "delete_note")],
                Err(HeaderMismatch::Repeated("Mcp-Method")),
            ),
            (
                "version twice",
                vec![version, ("MCP-Protocol-Version", "2025-11-25")],
                Err(HeaderMismatch::Repeated("MCP-Protocol-Version")),
            ),
        ] {
            assert_eq!(judge(CALL, &sent), expected, "{name}");
        }
    }

    #[test]
    fn w10_what_is_written_is_read_again() {
        for value in ["a", "delete note", " a", "", "d\u{e9}l", "a\nb", "=?base64?YQ==?=", "=?base64?", "a?="]
        {
            let written = encode(value).unwrap();
            assert_eq!(decode(written.to_str().unwrap()).as_deref(), Some(value), "{value:?}");
        }
    }

    #[test]
    fn w11_mirrored_headers_of_older_revisions_mean_nothing() {
        for version in [
            None,
            Some("2025-03-26"),
            Some("2025-06-18"),
            Some("2025-11-25"),
            Some("1900-01-01"),
            Some("not-a-version"),
            Some("2026-07-28, 2025-11-25"),
        ] {
            let mut sent = vec![("Mcp-Method", "tools/list"), ("Mcp-Name", "read_note")];
            sent.extend(version.map(|version| ("MCP-Protocol-Version", version)));
            assert_eq!(judge(CALL, &sent), Ok(Era::Stateful), "{version:?}");
        }
    }

    #[test]
    fn w10_later_revisions_pass_but_never_lie() {
        let later = ("MCP-Protocol-Version", "2027-01-01");
        assert_eq!(judge(CALL, &[later]), Ok(Era::Stateless));
        assert_eq!(
            judge(CALL, &[later, ("Mcp-Name", "read_note")]),
            Err(HeaderMismatch::Different("Mcp-Name"))
        );
        assert_eq!(
            judge(CALL, &[later, ("Mcp-Method", "ping")]),
            Err(HeaderMismatch::Different("Mcp-Method"))
        );
    }

    #[test]
    fn w10_the_revision_in_the_body_is_that_of_the_header() {
        let body = |version: &str| {
            json!({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":version}}}).to_string()
        };
        let method = ("Mcp-Method", "ping");
        let same = ("MCP-Protocol-Version", "2026-07-28");
        assert_eq!(judge(&body("2026-07-28"), &[same, method]), Ok(Era::Stateless));
        assert_eq!(
            judge(&body("2025-11-25"), &[same, method]),
            Err(HeaderMismatch::Different("MCP-Protocol-Version"))
        );
        assert_eq!(
            judge(&body("2026-07-28"), &[method]),
            Err(HeaderMismatch::Missing("MCP-Protocol-Version"))
        );
        assert_eq!(
            judge(&body("2026-07-28"), &[("MCP-Protocol-Version", "2025-03-26")]),
            Err(HeaderMismatch::Different("MCP-Protocol-Version"))
        );
    }

    #[test]
    fn w10_names_are_asked_only_of_methods_that_have_one() {
        let version = ("MCP-Protocol-Version", "2026-07-28");
        for (body, sent, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
                vec![version, ("Mcp-Method", "tools/list")],
                Ok(Era::Stateless),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b"}}"#,
                vec![version, ("Mcp-Method", "resources/read")],
                Err(HeaderMismatch::Missing("Mcp-Name")),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}"#,
                vec![version, ("Mcp-Method", "tasks/get")],
                Ok(Era::Stateless),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}"#,
                vec![version, ("Mcp-Method", "tasks/get"), ("Mcp-Name", "u")],
                Err(HeaderMismatch::Different("Mcp-Name")),
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, vec![version], Ok(Era::Stateless)),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
                vec![version, ("Mcp-Method", "ping")],
                Err(HeaderMismatch::Different("Mcp-Method")),
            ),
        ] {
            assert_eq!(judge(body, &sent), expected, "{body}");
        }
        assert_eq!(
            HeaderMismatch::Missing("Mcp-Name").json_rpc_error(Some(&json!(1)))["error"]["code"],
            -32020
        );
    }
}
