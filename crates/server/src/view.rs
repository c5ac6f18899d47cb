//! From records to what a page shows.

use jiff::Timestamp;
use portcullis_mcp::Pattern;
use portcullis_rules::catalog::{Effect, ResourceEntry};
use portcullis_rules::model::{Client, Grant, Origin, Subject};
use portcullis_wire::redirect::{Landing, RedirectUri};
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::client::verified_domain;
use crate::page::{Claim, ClientFace, ClientKind, RightKind, ScopeLine};

/// The name to show for a client: its own claim, or its id where it gave none.
pub(crate) fn client_name(client: &Client) -> String {
    if client.metadata.name.is_empty() { client.id.to_string() } else { client.metadata.name.clone() }
}

/// A client's face. Where the answer goes decides whether its domain says anything: a program on this computer
/// can claim any.
pub(crate) fn face(client: &Client, redirect: Option<&RedirectUri>) -> ClientFace {
    let kind = match redirect.map(RedirectUri::landing) {
        Some(Landing::Web) => ClientKind::Website,
        Some(Landing::Loopback) => ClientKind::ThisComputer,
        Some(Landing::PrivateUse) => ClientKind::App,
        None => ClientKind::Machine,
    };
    let domain = (client.origin == Origin::Document).then(|| verified_domain(client)).flatten();
    ClientFace::new(&client_name(client), domain, kind)
}

/// The scopes of a request or a grant, in human words.
pub(crate) fn scope_lines(entry: Option<&ResourceEntry>, scopes: &Scopes, held: &Scopes) -> Vec<ScopeLine> {
    scopes
        .iter()
        .map(|scope| {
            let known = entry.and_then(|entry| entry.scopes.iter().find(|known| known.scope == *scope));
            let kind = known.map_or(RightKind::Changes, |known| kind_of(known.effect));
            ScopeLine {
                scope: scope.to_string(),
                title: Claim::long(known.map_or(scope.as_str(), |known| &known.title)),
                kind,
                tools: known
                    .map(|known| known.tools.iter().map(|tool| Claim::name(tool)).collect())
                    .unwrap_or_default(),
                ticked: kind == RightKind::Reads || known.is_some_and(|known| known.default),
                held: held.contains(scope.as_str()),
            }
        })
        .collect()
}

/// What an agent is called: its label, or where it runs.
pub(crate) fn agent_label(grant: &Grant) -> Claim {
    match (&grant.label, &grant.redirect, grant.subject) {
        (Some(label), ..) => Claim::name(label),
        (None, Some(redirect), _) if redirect.landing() == Landing::Web => Claim::name(&redirect.authority()),
        (None, Some(redirect), _) if redirect.landing() == Landing::Loopback => Claim::name("Your computer"),
        (None, Some(_), _) => Claim::name("Your device"),
        (None, None, Subject::Machine) => Claim::name("A machine"),
        (None, None, Subject::Person(_)) => Claim::name("Unnamed"),
    }
}

/// A moment, for people: in UTC, since we do not know where they are.
pub(crate) fn moment(at: UnixTime) -> String {
    Timestamp::from_millisecond(at.millis())
        .map(|t| t.strftime("%-d %B %Y, %H:%M UTC").to_string())
        .unwrap_or_default()
}

/// A time of today, for people, in UTC.
pub(crate) fn time_of_day(at: UnixTime) -> String {
    Timestamp::from_millisecond(at.millis()).map(|t| t.strftime("%H:%M UTC").to_string()).unwrap_or_default()
}

/// What a tool does at worst, where a scope names it, whole or by a pattern.
pub(crate) fn kind_of_tool(entry: Option<&ResourceEntry>, tool: &str) -> Option<RightKind> {
    let covers = |named: &String| Pattern::parse(named).matches(tool);
    let effects =
        entry?.scopes.iter().filter(|scope| scope.tools.iter().any(covers)).map(|scope| scope.effect);
    effects.max().map(kind_of)
}

fn kind_of(effect: Effect) -> RightKind {
    match effect {
        Effect::Reads => RightKind::Reads,
        Effect::Changes => RightKind::Changes,
        Effect::Deletes => RightKind::Deletes,
    }
}

/// A day, for people.
pub(crate) fn day(at: UnixTime) -> String {
    Timestamp::from_millisecond(at.millis()).map(|t| t.strftime("%-d %B %Y").to_string()).unwrap_or_default()
}

/// How long ago, for people.
pub(crate) fn ago(at: UnixTime, now: UnixTime) -> String {
    let counted = |count: u64, unit: &str| format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" });
    match now.since(at).as_secs() {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => counted(seconds / 60, "minute"),
        seconds @ 3600..86_400 => counted(seconds / 3600, "hour"),
        seconds @ 86_400..2_592_000 => counted(seconds / 86_400, "day"),
        _ => format!("on {}", day(at)),
    }
}

/// A moment as machines write it (RFC 3339).
pub(crate) fn rfc3339(at: UnixTime) -> String {
    Timestamp::from_millisecond(at.millis()).map(|t| t.to_string()).unwrap_or_default()
}
