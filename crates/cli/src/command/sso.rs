//! `sso`: identity providers that people sign in through, and why somebody cannot.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use portcullis::admin::Command;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Desk;
use crate::args::Sso;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, plain, print, say};

/// How often it is asked whether somebody is back.
const ASK: Duration = Duration::from_millis(500);

pub(crate) async fn run(desk: &Desk, sso: Sso) -> Outcome {
    match sso {
        Sso::List => {
            let columns = ["name", "label", "kind", "issuer", "state", "people"];
            desk.list(
                Command::Providers,
                &columns,
                "no provider: people sign in with a password of this server",
            )
            .await
        }
        Sso::Check { name } => {
            let findings = desk.rows(Command::ProviderCheck { name }).await?;
            Ok(told(desk.output, &findings))
        }
        Sso::Test { name } => test(desk, name).await,
        Sso::Disable { name } => {
            let said = format!("`{name}` is off: its people and their agents are refused from now on");
            desk.done(Command::ProviderSwitch { name, on: false }, &said).await
        }
        Sso::Enable { name } => {
            let said = format!("`{name}` is on again; what its people's agents still hold goes on");
            desk.done(Command::ProviderSwitch { name, on: true }, &said).await
        }
    }
}

/// The findings, each a line with what to do; whether all is in order.
fn told(output: Output, findings: &[Value]) -> Exit {
    if output.is_json() {
        findings.iter().for_each(|row| print(&row.to_string()));
    } else {
        findings.iter().flat_map(lines).for_each(|line| print(&line));
    }
    if findings.iter().all(|row| row["ok"] == true) { Exit::Done } else { Exit::Found }
}

fn lines(finding: &Value) -> Vec<String> {
    let what = clean(&plain(&finding["what"]));
    match &finding["fault"] {
        Value::Null => vec![format!("✓ {what}")],
        fault => {
            let mut lines = vec![format!("✗ {what}")];
            lines.extend(explained(fault));
            lines
        }
    }
}

/// What happened, why it is refused, and who does what next.
fn explained(fault: &Value) -> Vec<String> {
    let text = |name: &str| clean(&plain(&fault[name]));
    let who = match fault["act"].as_str() {
        Some("provider") => "whoever administers the provider",
        Some("person") => "the person who signs in",
        _ => "you, in this server's configuration",
    };
    vec![
        format!("    {} ({})", text("what"), text("code")),
        format!("    why: {}", text("why")),
        format!("    to do, by {who}: {}", text("fix")),
    ]
}

async fn test(desk: &Desk, name: String) -> Outcome {
    let json = desk.output.is_json();
    let findings = desk.rows(Command::ProviderCheck { name: name.clone() }).await?;
    let in_order = match json {
        false => told(desk.output, &findings) == Exit::Done,
        true => findings.iter().all(|row| row["ok"] == true),
    };
    if !in_order {
        if json {
            print(&json!({ "findings": findings, "state": "not begun" }).to_string());
        } else {
            say("mend this first; a sign-in was not begun");
        }
        return Ok(Exit::Found);
    }
    let begun = desk.rows(Command::ProviderWalk { name }).await?;
    let (Some(url), Some(handle)) = (
        begun.first().and_then(|row| row["url"].as_str()),
        begun.first().and_then(|row| row["handle"].as_str()),
    ) else {
        return Err(Failure::ours("the server did not say where the test begins"));
    };
    say(
        "Open this in a browser, and sign in there as the person you want to test. Nobody is signed in here by it,",
    );
    say("and no account is made:");
    say(&format!("\n    {url}\n"));
    let report = report(desk, handle).await?;
    if json {
        let mut report = report.clone();
        report["findings"] = Value::from(findings);
        print(&report.to_string());
    } else {
        shown(&report);
    }
    Ok(if report["verdict"] == "in" { Exit::Done } else { Exit::Fixable })
}

/// Waits for somebody to come back. The server forgets the test in the end, and says so.
async fn report(desk: &Desk, handle: &str) -> Result<Value, Failure> {
    let (begun, live) = (Instant::now(), std::io::stderr().is_terminal());
    if !live {
        say("waiting for somebody to come back, ten minutes at most");
    }
    loop {
        let rows = desk.rows(Command::ProviderWalked { handle: handle.to_owned() }).await;
        if live {
            // A terminal that is gone is no reason to stop.
            let waits =
                matches!(&rows, Ok(rows) if rows.first().is_some_and(|row| row["state"] == "pending"));
            let text = if waits {
                format!("\rwaiting for somebody to come back: {} s ", begun.elapsed().as_secs())
            } else {
                "\r\u{1b}[K".to_owned()
            };
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
        match rows {
            Ok(rows) => match rows.into_iter().next() {
                Some(row) if row["state"] != "pending" => return Ok(row),
                _ => tokio::time::sleep(ASK).await,
            },
            Err(failure) => return Err(failure.advise("nobody came back in time; begin again")),
        }
    }
}

fn shown(report: &Value) {
    if let Some(claims) = report["claims"].as_array().filter(|claims| !claims.is_empty()) {
        let claims: Vec<Value> = claims
            .iter()
            .map(|row| json!({ "claim": row["claim"], "value": row["value"], "became": row["became"] }))
            .collect();
        Output::new(false).list(&claims, &["claim", "value", "became"], "");
        print("");
    }
    match report["verdict"].as_str() {
        Some("in") => {
            let groups = clean(&plain(&report["groups"]));
            let groups = if groups.is_empty() { "no group".to_owned() } else { groups };
            print(&format!("✓ let in, as `{}`, in {groups}", clean(&plain(&report["account"]))));
            print(&format!("    {}", clean(&plain(&report["why"]))));
        }
        Some("refused") => {
            print(&format!("✗ not let in ({})", clean(&plain(&report["how"]))));
            print(&format!("    {}", clean(&plain(&report["why"]))));
        }
        _ => {
            print("✗ the sign-in did not end well");
            explained(&report["fault"]).iter().for_each(|line| print(line));
        }
    }
}

/// What a stranger wrote, fit for a terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_why_who_and_the_next_step() {
        let fault = json!({
            "code": "issuer_changed", "what": "another issuer\u{1b}[2J", "why": "people are known by it",
            "act": "administrator", "fix": "write the new one", "transient": false,
        });
        assert_eq!(lines(&json!({ "what": "reached", "ok": true, "fault": null })), ["✓ reached"]);
        assert_eq!(
            lines(&json!({ "what": "the issuer", "ok": false, "fault": fault })),
            [
                "✗ the issuer",
                "    another issuer[2J (issuer_changed)",
                "    why: people are known by it",
                "    to do, by you, in this server's configuration: write the new one",
            ]
        );
    }
}
