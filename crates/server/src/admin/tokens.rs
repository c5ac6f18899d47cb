//! Personal tokens, made by an administrator for a person.

use std::time::Duration;

use portcullis_jose::mint;
use portcullis_rules::facts::AgentQuery;
use portcullis_rules::personal::{self, FreshPersonal, Making};
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::scope::Scopes;
use serde_json::{Value, json};

use super::{AdminError, LISTED, Rows, agents, named};
use crate::app::App;
use crate::entropy::EntropyShapes as _;
use crate::view::rfc3339;

/// What is to be made.
pub(super) struct NewToken {
    pub(super) user: String,
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) resource: Option<String>,
    pub(super) seconds: u64,
}

pub(super) async fn create(app: &App, wish: NewToken) -> Rows {
    let user = named(app, &wish.user).await?;
    let scopes = Scopes::parse(&wish.scope)
        .map_err(|error| AdminError::Invalid(format!("the scope `{}`: {error}", wish.scope)))?;
    let asked: Vec<String> = wish.resource.iter().cloned().collect();
    let entry = app.settings.catalog.named(&asked)?;
    let number = app.entropy.number(app.now());
    let token = app.mint.mint::<mint::Personal>(number, app.entropy.bytes());
    let id = GrantId::from_number(number);
    let fresh = FreshPersonal { id, token: token.digest() };
    let life = Duration::from_secs(wish.seconds);
    let expires_at = app.now() + life;
    app.settle(
        |store| store.personal_facts(user.id, app.now()),
        |facts, now| {
            let making = Making { entry, name: &wish.name, scopes: &scopes, expires_at };
            personal::create(&making, facts, fresh, now)
        },
    )
    .await??;
    Ok(vec![json!({
        "id": id,
        "name": wish.name,
        "user": user.name,
        "resource": entry.resource,
        "scopes": scopes.iter().collect::<Vec<_>>(),
        "expires_at": rfc3339(expires_at),
        "token": token.expose(),
    })])
}

pub(super) async fn list(app: &App, all: bool) -> Rows {
    let client = ClientId::parse(personal::CLIENT);
    let rows = app.agents(AgentQuery { ended: all, most: LISTED, client, ..AgentQuery::default() }).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let mut shown = agents::shown(row);
            if let Value::Object(members) = &mut shown {
                members.insert("name".to_owned(), json!(row.grant.label));
                members.insert("expires_at".to_owned(), json!(row.grant.expires_at.map(rfc3339)));
            }
            shown
        })
        .collect())
}
