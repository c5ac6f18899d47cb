//! What a person reads when the server is up: the URL, the way in, the lines to paste, where data lies.

use std::net::SocketAddr;

use portcullis::admin::Command;
use portcullis::running::Running;
use portcullis_server::page::paste_lines;
use serde_json::{Value, json};

use crate::config::{Behind, Guarded, Plan};
use crate::output::{Output, print, say};

/// Tells it: to people as talk, to programs as one object.
pub(crate) async fn announce(running: &Running, plan: &Plan, bound: SocketAddr, output: Output) {
    let setup = setup_link(running).await;
    if output.is_json() {
        print(&object(running, plan, bound, setup.as_deref()).to_string());
        return;
    }
    say(&format!("Portcullis {} is up.\n", env!("CARGO_PKG_VERSION")));
    for guarded in &plan.guarded {
        say(&format!("  MCP server   {}  ({})", guarded.entry.resource, before(guarded)));
    }
    say(&format!("  Sign in at   {}", plan.settings.url("/account")));
    say(&format!("  Listening    {bound}"));
    say(&format!("  Data         {}", running.home().directory().display()));
    if let Some(link) = &setup {
        say("\nThere is no account yet. Open this once, within 15 minutes, to make yours:\n");
        say(&format!("  {link}"));
        say("\n(`portcullis setup-link` makes another.)");
    }
    for guarded in &plan.guarded {
        say(&format!("\nConnect an app to {}:\n", guarded.entry.name));
        for line in paste_lines(&guarded.entry.name, guarded.entry.resource.as_str()) {
            say(&format!("  {} ({})\n    {}", line.client, line.how, line.line));
        }
    }
}

fn before(guarded: &Guarded) -> String {
    match &guarded.behind {
        Behind::Builtin => "the built-in notes".to_owned(),
        // A query may hold the upstream's own secret.
        Behind::Command(program) => format!("before the program `{}`", program.command),
        Behind::Upstream(url) | Behind::LegacySse(url) => {
            format!("before {}{}", url.origin().ascii_serialization(), url.path())
        }
        Behind::Elsewhere => "elsewhere; it verifies tokens itself".to_owned(),
    }
}

/// The link for the first account, as long as there is none.
async fn setup_link(running: &Running) -> Option<String> {
    let app = running.app();
    let accounts = app.administer(Command::UserList).await.ok()?;
    if !accounts.is_empty() {
        return None;
    }
    let rows = app.administer(Command::SetupLink { reset: None }).await.ok()?;
    rows.first()?.get("url")?.as_str().map(str::to_owned)
}

fn object(running: &Running, plan: &Plan, bound: SocketAddr, setup: Option<&str>) -> Value {
    let resource = |guarded: &Guarded| {
        let paste = |line: &portcullis_server::page::PasteLine| json!({ "client": line.client, "how": line.how, "line": line.line });
        let entry = &guarded.entry;
        json!({
            "name": entry.name,
            "url": entry.resource,
            "paste": paste_lines(&entry.name, entry.resource.as_str()).iter().map(paste).collect::<Vec<_>>(),
        })
    };
    json!({
        "issuer": plan.settings.issuer,
        "listen": bound.to_string(),
        "data_dir": running.home().directory(),
        "setup_link": setup,
        "resources": plan.guarded.iter().map(resource).collect::<Vec<_>>(),
    })
}
