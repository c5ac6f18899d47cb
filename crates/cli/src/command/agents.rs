//! `agents`: who may do what for whom.

use portcullis::admin::Command;

use super::Desk;
use crate::args::{Agents, Cut};
use crate::failure::{Exit, Failure, Outcome};

pub(crate) async fn run(desk: &Desk, agents: Agents) -> Outcome {
    match agents {
        Agents::List { all } => {
            let columns = ["id", "client_name", "subject", "resource", "scopes", "last_used_at", "state"];
            desk.list(Command::AgentList { all }, &columns, "no agents yet").await
        }
        Agents::Show { id } => {
            let rows = desk.rows(Command::AgentShow { id }).await?;
            desk.output.facts(&rows);
            Ok(Exit::Done)
        }
        Agents::Revoke(cut) => {
            let (command, said) = cut_off(cut)?;
            desk.done(command, &said).await
        }
        Agents::Restore { id } => {
            let said = format!("agent `{id}` may ask for tokens again");
            desk.done(Command::AgentRestore { id }, &said).await
        }
    }
}

fn cut_off(cut: Cut) -> Result<(Command, String), Failure> {
    Ok(match cut {
        Cut { id: Some(id), .. } => {
            let said = format!("agent `{id}` is cut off");
            (Command::AgentRevoke { id }, said)
        }
        Cut { client: Some(client_id), .. } => {
            let said = format!("all agents of `{client_id}` are cut off");
            (Command::ClientRevoke { client_id }, said)
        }
        Cut { domain: Some(domain), .. } => {
            let said = format!("all agents of the clients of `{domain}` are cut off");
            (Command::DomainRevoke { domain }, said)
        }
        Cut { user: Some(name), .. } => {
            let said = format!("all agents of `{name}` are cut off; the account stays");
            (Command::UserRevoke { name }, said)
        }
        Cut { .. } => {
            return Err(Failure::fixable("which agents?")
                .advise("name one, or say `--client`, `--domain` or `--user`"));
        }
    })
}
