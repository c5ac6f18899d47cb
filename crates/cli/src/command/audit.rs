//! `audit`: what happened, for people and for programs, and whether the trail of it is whole.

use std::time::Duration;

use jiff::Timestamp;
use portcullis::SystemClock;
use portcullis::admin::{AuditSearch, Command};
use portcullis_guard::Clock as _;
use portcullis_wire::time::UnixTime;
use serde_json::Value;

use super::Desk;
use crate::args::{Audit, AuditFormat, AuditVerify};
use crate::config::span;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{plain, print, say};

/// Rows of a table unless told otherwise.
const TABLE: usize = 50;
/// Rows asked for at once.
const PAGE: usize = 2000;
/// How often a trail that is followed is looked at.
const LOOK: Duration = Duration::from_millis(500);

const COLUMNS: [&str; 9] =
    ["time", "event", "person", "client_id", "agent", "tool", "decision", "rule", "ending"];

/// The columns of a file, in this order for ever; later ones are added at the end.
const CSV: [&str; 20] = [
    "time",
    "event",
    "agent",
    "client_id",
    "subject",
    "resource",
    "tool",
    "scopes",
    "decision",
    "rule",
    "method",
    "name",
    "ending",
    "latency_us",
    "request",
    "trace",
    "reason",
    "count",
    "person",
    "number",
];

pub(crate) async fn run(desk: &Desk, wish: Audit) -> Outcome {
    if let Some(AuditVerify::Verify { expect_head }) = wish.verify {
        return verify(desk, expect_head).await;
    }
    let now = SystemClock.now();
    let moment = |text: &Option<String>, flag: &str| -> Result<Option<UnixTime>, Failure> {
        text.as_deref().map(|text| when(text, now).ok_or_else(|| no_moment(text, flag))).transpose()
    };
    let search = AuditSearch {
        agent: wish.agent,
        user: wish.user,
        client: wish.client,
        resource: wish.resource,
        tool: wish.tool,
        decision: wish.decision,
        event: wish.event,
        since: moment(&wish.since, "--since")?,
        until: moment(&wish.until, "--until")?,
        after: None,
        limit: wish.limit,
    };
    let format = if desk.output.is_json() { AuditFormat::Ndjson } else { wish.format };
    if wish.follow {
        return follow(desk, search, format).await;
    }
    match (format, search.limit) {
        (AuditFormat::Table, limit) => {
            let search = AuditSearch { limit: limit.or(Some(TABLE)), ..search };
            desk.list(Command::Audit(search), &COLUMNS, "nothing of that kind has happened").await
        }
        // The newest so many, in the order they happened.
        (_, Some(_)) => {
            let mut rows = desk.rows(Command::Audit(search)).await?;
            rows.reverse();
            head(format);
            rows.iter().for_each(|row| line(row, format));
            Ok(Exit::Done)
        }
        (_, None) => {
            head(format);
            let mut after = 0;
            while let Some(last) = page(desk, &search, after, format).await? {
                after = last;
            }
            Ok(Exit::Done)
        }
    }
}

/// Prints what comes after a row, as far as one page goes; the number of the last, if there was any.
async fn page(
    desk: &Desk,
    search: &AuditSearch,
    after: u64,
    format: AuditFormat,
) -> Result<Option<u64>, Failure> {
    let search = AuditSearch { after: Some(after), limit: Some(PAGE), ..search.clone() };
    let rows = desk.rows(Command::Audit(search)).await?;
    rows.iter().for_each(|row| line(row, format));
    Ok(rows.last().and_then(|row| row.get("number")).and_then(Value::as_u64))
}

/// What was asked for, and then what happens, until interrupted.
async fn follow(desk: &Desk, search: AuditSearch, format: AuditFormat) -> Outcome {
    let mut after = 0;
    if search.since.is_none() {
        // From now on: later than the newest row there is.
        let newest = AuditSearch { limit: Some(1), ..AuditSearch::default() };
        let rows = desk.rows(Command::Audit(newest)).await?;
        after = rows.first().and_then(|row| row.get("number")).and_then(Value::as_u64).unwrap_or(0);
    }
    head(format);
    loop {
        while let Some(last) = page(desk, &search, after, format).await? {
            after = last;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn head(format: AuditFormat) {
    if format == AuditFormat::Csv {
        print(&CSV.join(","));
    }
}

fn line(row: &Value, format: AuditFormat) {
    match format {
        AuditFormat::Ndjson => print(&row.to_string()),
        AuditFormat::Csv => print(&CSV.map(|name| cell(row.get(name))).join(",")),
        AuditFormat::Table => {
            let words = COLUMNS.map(|name| plain(row.get(name).unwrap_or(&Value::Null)));
            let shown = |text: String| text.chars().filter(|c| !c.is_control()).collect::<String>();
            print(&words.map(shown).join("  "));
        }
    }
}

/// A field as RFC 4180 writes it. Texts of strangers stand in some: one that a spreadsheet would take for a formula gets an
/// apostrophe before it.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(value) => plain(value),
    };
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text,
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// So long ago, or a date.
fn when(text: &str, now: UnixTime) -> Option<UnixTime> {
    match span::parse(text) {
        Some(span) => Some(now - span),
        None => text.parse::<Timestamp>().ok().map(|at| UnixTime::from_millis(at.as_millisecond())),
    }
}

fn no_moment(text: &str, flag: &str) -> Failure {
    Failure::fixable(format!("`{flag} {text}` is no time"))
        .advise("say how long ago, such as 90s, 15m, 2h or 30d, or a date, such as 2026-05-01T12:00:00Z")
}

async fn verify(desk: &Desk, expected: Option<String>) -> Outcome {
    if !desk.output.is_json() {
        say("verifying the audit trail, row by row");
    }
    let rows = desk.rows(Command::AuditVerify { expected }).await?;
    desk.output.facts(&rows);
    let whole = rows.first().and_then(|row| row.get("whole")) == Some(&Value::Bool(true));
    if !desk.output.is_json() {
        say(match whole {
            true => {
                "the audit trail is whole; keep the head somewhere else, to hold it against `--expect-head` later"
            }
            false => {
                "the audit trail is NOT as it was written: the row of that number is the first that is wrong"
            }
        });
    }
    Ok(if whole { Exit::Done } else { Exit::Found })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_spans_ago_or_dates() {
        let now = UnixTime::from_seconds(1_800_000_000);
        for (text, expected) in [
            ("2h", Some(1_800_000_000 - 7200)),
            ("2027-01-15T08:00:00Z", Some(1_800_000_000)),
            ("2027-01-15T09:00:00+01:00", Some(1_800_000_000)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(when(text, now).map(UnixTime::seconds), expected, "{text}");
        }
    }

    #[test]
    fn a_field_is_never_a_formula_and_never_breaks_its_row() {
        for (value, expected) in [
            (json!(null), ""),
            (json!("plain"), "plain"),
            (json!(12), "12"),
            (json!(["a", "b"]), "a b"),
            (json!("a,b"), "\"a,b\""),
            (json!("say \"x\"\n"), "\"say \"\"x\"\"\n\""),
            (json!("=HYPERLINK(1)"), "'=HYPERLINK(1)"),
            (json!("@x"), "'@x"),
        ] {
            assert_eq!(cell(Some(&value)), expected);
        }
    }
}
