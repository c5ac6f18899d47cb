//! `tokens`: agents without OAuth.

use portcullis::admin::Command;

use super::Desk;
use crate::args::{TokenCreate, Tokens};
use crate::config::span;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::say;

pub(crate) async fn run(desk: &Desk, tokens: Tokens) -> Outcome {
    match tokens {
        Tokens::Create(wish) => {
            let rows = desk.rows(create(wish)?).await?;
            desk.output.facts(&rows);
            if !desk.output.is_json() {
                say("the token is printed this once and never again; send it as `Authorization: Bearer …`");
            }
            Ok(Exit::Done)
        }
        Tokens::List { all } => {
            let columns =
                ["id", "name", "subject", "resource", "scopes", "expires_at", "last_used_at", "state"];
            desk.list(Command::TokenList { all }, &columns, "no personal tokens yet").await
        }
        Tokens::Revoke { id } => {
            let said = format!("the token `{id}` is cut off");
            desk.done(Command::AgentRevoke { id }, &said).await
        }
    }
}

fn create(wish: TokenCreate) -> Result<Command, Failure> {
    let TokenCreate { user, name, scope, expires, resource } = wish;
    let span = span::parse(&expires).ok_or_else(|| {
        Failure::fixable(format!("`--expires {expires}` is no span of time")).advise("say it as 12h or 90d")
    })?;
    Ok(Command::TokenCreate { user, name, scope, resource, seconds: span.as_secs() })
}
