//! MCP messages and the headers that mirror them.

use http::{HeaderMap, HeaderValue};
use portcullis_mcp::{Era, Kind, Message, ToolTable, agree, decode};
use portcullis_wire::limit;
use portcullis_wire::scope::Scopes;
use serde_json::Value;

use super::{Verdict, hold, two};

/// A message that is accepted has one reading: what decides is what any plain reader sees.
pub(super) fn message(input: &[u8]) -> Verdict {
    let Ok(message) = Message::parse(input) else { return Ok(()) };
    let plain: Value = serde_json::from_slice(input).map_err(|_| "a plain reader refuses it")?;
    hold(plain["jsonrpc"] == "2.0", "another protocol")?;
    hold(message.method() == plain["method"].as_str(), "another method")?;
    let calls = plain["method"] == "tools/call";
    hold(message.tool() == plain["params"]["name"].as_str().filter(|_| calls), "another tool")?;
    hold(!calls || message.tool().is_some(), "a call without a tool")?;
    hold(
        message.arguments().is_none_or(|own| plain["params"]["arguments"].as_object() == Some(own)),
        "others",
    )?;
    hold((message.kind() == Kind::Response) == message.method().is_none(), "another kind")?;
    let scopes = |text| Scopes::parse(text).map_err(|_| "no scopes");
    let table = ToolTable::new(scopes("mcp:tools")?).tool("delete_note", &scopes("notes:delete")?);
    let needs = table.needs(&message);
    let folded = message.tool().map(str::to_ascii_lowercase);
    hold(
        folded.as_deref() != Some("delete_note") || needs.contains("notes:delete"),
        "a tool got away with less",
    )?;
    hold(input.len() <= limit::MESSAGE_BODY, "larger than a message may be")
}

/// Headers of the stateless era tell the truth: the first line is the name, the second the message.
pub(super) fn headers(input: &[u8]) -> Verdict {
    let (name, body) = two(input);
    let read = decode(&name);
    hold(
        name.starts_with("=?base64?") || read.as_deref() == Some(name.as_str()),
        "a plain value reads otherwise",
    )?;
    let Ok(message) = Message::parse(&body) else { return Ok(()) };
    let Ok(value) = HeaderValue::from_str(&name) else { return Ok(()) };
    let method = message.method().unwrap_or("initialize");
    let Ok(method) = HeaderValue::from_str(method) else { return Ok(()) };
    let mut headers = HeaderMap::new();
    headers.insert("mcp-protocol-version", HeaderValue::from_static("2026-07-28"));
    headers.insert("mcp-method", method);
    headers.insert("mcp-name", value);
    if let Ok(era) = agree(&headers, &message) {
        hold(era == Era::Stateless, "a date of the stateless era counts as older")?;
        hold(message.tool().is_none() || message.tool() == read.as_deref(), "the header names another tool")?;
    }
    Ok(())
}
