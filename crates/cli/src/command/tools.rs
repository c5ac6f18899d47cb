//! `tools`: what guarded servers list, and what of it their owner has accepted.

use std::fmt::Write as _;

use portcullis::admin::Command;
use portcullis_policy::{Claim, ProposedScope, propose};
use serde_json::{Value, json};

use super::Desk;
use crate::args::Tools;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{print, say};

pub(crate) async fn run(desk: &Desk, tools: Tools) -> Outcome {
    match tools {
        Tools::List { resource } => {
            let columns = ["resource", "name", "state", "seen_at", "gone_at"];
            let none = "no tools are known yet: a server is asked for them when the first agent needs one";
            desk.list(Command::ToolList { resource }, &columns, none).await
        }
        Tools::Accept { names, resource, digest, .. } => {
            if digest.is_some() && names.len() != 1 {
                return Err(Failure::fixable("a digest stands for one tool").advise("name that tool alone"));
            }
            let rows = desk.rows(Command::ToolAccept { resource, names, digest }).await?;
            rows.iter().for_each(|row| desk.output.object(row));
            if !desk.output.is_json() {
                say(&match rows.len() {
                    0 => "nothing was held; all is as it was accepted".to_owned(),
                    _ => format!("accepted {}", listed(&rows)),
                });
            }
            Ok(Exit::Done)
        }
        Tools::Propose { resource } => {
            let rows = desk.rows(Command::ToolList { resource }).await?;
            let definitions: Vec<Value> = rows
                .iter()
                .filter_map(|row| serde_json::from_str(row.get("definition")?.as_str()?).ok())
                .collect();
            let scopes = propose(&definitions);
            if scopes.is_empty() {
                return Err(Failure::fixable("no tools are known yet")
                    .advise("connect an app once, so that the server is asked for its tools"));
            }
            if desk.output.is_json() {
                scopes.iter().for_each(|scope| print(&object(scope).to_string()));
            } else {
                print(&toml(&scopes));
                say("# these are the server's own claims: read what each tool does before you trust them");
            }
            Ok(Exit::Done)
        }
    }
}

fn listed(rows: &[Value]) -> String {
    let names = rows.iter().filter_map(|row| row.get("name")?.as_str());
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

const fn effect(claim: Claim) -> &'static str {
    match claim {
        Claim::Reads => "reads",
        Claim::Changes => "changes",
        Claim::Deletes => "deletes",
    }
}

fn object(scope: &ProposedScope) -> Value {
    json!({ "name": scope.name, "title": scope.title, "effect": effect(scope.effect), "tools": scope.tools })
}

/// As it stands in a configuration. JSON's strings are TOML's, too.
fn toml(scopes: &[ProposedScope]) -> String {
    let mut text = String::new();
    for scope in scopes {
        let default = if scope.effect == Claim::Reads { "default = true\n" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[[resource.scope]]\nname = {}\ntitle = {}\neffect = {}\n{default}tools = {}\n",
            json!(scope.name),
            json!(scope.title),
            json!(effect(scope.effect)),
            json!(scope.tools),
        );
    }
    text.trim_end().to_owned()
}
