//! Agents: list, show, end and restore.

use portcullis_rules::facts::{AgentQuery, AgentRow};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::revoke;
use portcullis_wire::id::{GrantId, UserId};
use serde_json::Value;

use super::{AdminError, LISTED, Rows, agent_row, grant_id};
use crate::app::App;
use crate::endpoint::account::subject;
use crate::view::client_name;

/// As it is listed.
pub(super) fn shown(row: &AgentRow) -> Value {
    agent_row(&row.grant, &row.client.as_ref().map(client_name).unwrap_or_default(), &subject(row))
}

/// Lists them.
pub(super) async fn list(app: &App, all: bool) -> Rows {
    let rows = app.agents(AgentQuery { ended: all, most: LISTED, ..AgentQuery::default() }).await?;
    Ok(rows.iter().map(shown).collect())
}

async fn one(app: &App, id: GrantId) -> Rows {
    let rows = app.agents(AgentQuery { ended: true, most: 1, id: Some(id), ..AgentQuery::default() }).await?;
    Ok(rows.iter().map(shown).collect())
}

fn unknown(text: &str, refusal: Refusal) -> AdminError {
    match refusal {
        Refusal::AgentUnknown => AdminError::Invalid(format!(
            "there is no agent `{text}`; `portcullis agents list --all` shows them"
        )),
        Refusal::GrantEnded => AdminError::Invalid(format!(
            "the agent `{text}` has ended for good; its person can connect it again"
        )),
        refusal => refusal.into(),
    }
}

/// Ends one, or suspends a machine's.
pub(super) async fn revoke(app: &App, text: &str) -> Rows {
    let id = grant_id(text)?;
    app.settle(|store| store.grant_facts(id, None, None), revoke::by_admin)
        .await?
        .map_err(|refusal| unknown(text, refusal))?;
    one(app, id).await
}

/// One agent, with whatever state it is in.
pub(super) async fn show(app: &App, text: &str) -> Rows {
    let rows = one(app, grant_id(text)?).await?;
    if rows.is_empty() { Err(unknown(text, Refusal::AgentUnknown)) } else { Ok(rows) }
}

/// Restores a suspended machine's.
pub(super) async fn restore(app: &App, text: &str) -> Rows {
    let id = grant_id(text)?;
    app.settle(|store| store.grant_facts(id, None, None), revoke::restore)
        .await?
        .map_err(|refusal| unknown(text, refusal))?;
    one(app, id).await
}

/// All of a person's, ended ones too.
pub(super) async fn of(app: &App, user: UserId) -> Rows {
    let query = AgentQuery { user: Some(user), ended: true, most: LISTED, ..AgentQuery::default() };
    Ok(app.agents(query).await?.iter().map(shown).collect())
}
