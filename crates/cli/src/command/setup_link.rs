//! `setup-link`: the way in when nobody can sign in.

use portcullis::admin::Command;
use serde_json::Value;

use super::Desk;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{print, say};

pub(crate) async fn run(desk: &Desk, reset: Option<String>) -> Outcome {
    let rows = desk.rows(Command::SetupLink { reset }).await?;
    let row = rows.first().ok_or_else(|| Failure::ours("the server made no link"))?;
    if desk.output.is_json() {
        desk.output.object(row);
    } else {
        print(row.get("url").and_then(Value::as_str).unwrap_or_default());
        say("the link works once and for 15 minutes: open it in a browser");
    }
    Ok(Exit::Done)
}
