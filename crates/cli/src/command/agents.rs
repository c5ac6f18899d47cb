//! `agents`: who may do what for whom.

use portcullis::admin::Command;

use super::Desk;
use crate::args::Agents;
use crate::failure::Outcome;

pub(crate) async fn run(desk: &Desk, agents: Agents) -> Outcome {
    match agents {
        Agents::List { all } => {
            let columns = ["id", "client_name", "subject", "resource", "scopes", "last_used_at", "state"];
            desk.list(Command::AgentList { all }, &columns, "no agents yet").await
        }
        Agents::Revoke { id } => {
            let said = format!("agent `{id}` is cut off");
            desk.done(Command::AgentRevoke { id }, &said).await
        }
        Agents::Restore { id } => {
            let said = format!("agent `{id}` may ask for tokens again");
            desk.done(Command::AgentRestore { id }, &said).await
        }
    }
}
