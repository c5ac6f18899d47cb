//! A list of tools on its way down: noted, and shown as far as this agent may see it. The question is the one that is
//! asked when a tool is called (threats: T-hidden-tool).

use portcullis_mcp::answer::{Answer, elements};
use portcullis_policy::definition_digest;
use portcullis_wire::limit;
use serde_json::Value;

use super::down::Down;

/// The list as the agent may see it, as a whole message. None if it cannot be read.
pub(crate) async fn shown(down: &Down, text: &str) -> Option<String> {
    let (core, who) = (&down.core, &down.who);
    let mut answer = Answer::parse(text)?;
    let mut result = answer.top.object("result")?;
    let entries = elements(result.source("tools")?)?;
    // An entry with two readings, or without a name, is none.
    let read = |entry: &&str| {
        let tool = portcullis_wire::json::parse(entry.as_bytes(), limit::MESSAGE_DEPTH).ok()?;
        let name = tool.get("name")?.as_str()?.to_owned();
        Some((name, tool))
    };
    let (mut raw, mut tools): (Vec<&str>, Vec<(String, Value)>) = (Vec::new(), Vec::new());
    for entry in entries {
        if let Some(tool) = read(&entry) {
            raw.push(entry);
            tools.push(tool);
        }
    }
    let is_last = result.raw("nextCursor").is_none_or(|cursor| cursor == "null");
    // A server may list less to one client than to another, so that what is missing here is not gone. What cannot be
    // noted is not known, and hidden where new tools are held.
    let is_whole = down.is_first_page && is_last && !core.ports.tools.known().is_complete();
    let _ = core.ports.tools.listed(&tools, is_whole).await;
    let (known, now, caller) = (core.ports.tools.known(), core.now(), who.caller());
    let kept: Vec<&str> = raw
        .into_iter()
        .zip(&tools)
        .filter(|(_, (name, tool))| {
            let digest = definition_digest(tool);
            core.policy.judge_tool(&caller, &known, name, Some(&digest), now).is_listed()
        })
        .map(|(entry, _)| entry)
        .collect();
    result.set("tools", format!("[{}]", kept.join(",")));
    if result.raw("cacheScope").is_some() || result.raw("ttlMs").is_some() {
        result.set_text("cacheScope", "private");
    }
    down.edit_members(&mut result);
    answer.top.set("result", result.to_string());
    Some(answer.top.to_string())
}
