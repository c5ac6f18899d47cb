//! The audit trail: search it, and see whether it is whole.

use std::collections::BTreeMap;

use portcullis_rules::approve::Approval;
use portcullis_rules::audit::{AuditQuery, AuditRow, Head, hex};
use portcullis_rules::event::EventKind;
use portcullis_rules::facts::ApprovalQuery;
use portcullis_wire::id::UserId;
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AdminError, LISTED, Rows, client_id, grant_id, person};
use crate::app::App;
use crate::view::rfc3339;

/// Rows of the trail in one page of an export. With the values of calls in each they still fit into one answer.
const EXPORTED: usize = 1000;

/// Which rows; what is not named is any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSearch {
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this person: a name, or an id, which also finds who was removed.
    pub user: Option<String>,
    /// Of this client.
    pub client: Option<String>,
    /// At this resource.
    pub resource: Option<String>,
    /// Of this tool.
    pub tool: Option<String>,
    /// Decided so, such as `hidden`.
    pub decision: Option<String>,
    /// Of this kind, such as `tool_called`.
    pub event: Option<String>,
    /// At this time or later.
    pub since: Option<UnixTime>,
    /// Before this time.
    pub until: Option<UnixTime>,
    /// Later than the row of this number, oldest first: for following, and for the next page.
    pub after: Option<u64>,
    /// How many at the most.
    pub limit: Option<usize>,
}

pub(super) async fn search(app: &App, search: AuditSearch) -> Rows {
    let user = match &search.user {
        Some(text) => Some(person(app, text).await?),
        None => None,
    };
    let resource = search
        .resource
        .as_deref()
        .map(|text| Resource::parse(text).map_err(|error| AdminError::Invalid(format!("`{text}`: {error}"))));
    let kinds = search
        .event
        .as_deref()
        .map(|word| EventKind::parse(word).map(|kind| vec![kind]).ok_or_else(|| unknown_event(word)));
    // What was done a moment ago is to be found.
    app.trail.write().await;
    let query = AuditQuery {
        agent: search.agent.as_deref().map(grant_id).transpose()?,
        user,
        client: search.client.as_deref().map(client_id).transpose()?,
        resource: resource.transpose()?,
        tool: search.tool,
        decision: search.decision,
        kinds: kinds.transpose()?.unwrap_or_default(),
        since: search.since,
        until: search.until,
        after_seq: search.after,
        newest_first: search.after.is_none(),
        most: search.limit.unwrap_or(LISTED).min(LISTED),
        ..AuditQuery::default()
    };
    let rows = app.store.audit(query).await?;
    let names = names(app, &rows).await?;
    Ok(rows.iter().map(|one| row(one, &names)).collect())
}

/// The accounts' names of today, for rows that hold an id alone, as those of decisions do. Whoever was removed has none.
async fn names(app: &App, rows: &[AuditRow]) -> Result<BTreeMap<UserId, String>, AdminError> {
    let mut names = BTreeMap::new();
    for id in rows.iter().filter(|row| row.person.is_none()).filter_map(|row| row.entry.user) {
        if !names.contains_key(&id)
            && let Some(user) = app.store.user(id).await?
        {
            names.insert(id, user.name);
        }
    }
    Ok(names)
}

fn unknown_event(word: &str) -> AdminError {
    let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    AdminError::Invalid(format!("`{word}` is no kind of event; there are {}", known.join(", ")))
}

/// A row for people and programs. The first ten members are there in every row and keep their names.
fn row(row: &AuditRow, names: &BTreeMap<UserId, String>) -> Value {
    let entry = &row.entry;
    let is_call = entry.method.as_deref() == Some("tools/call");
    let person = row.person.as_ref().map(|side| &side.person);
    let of_today = || entry.user.and_then(|id| names.get(&id)).map(String::as_str);
    json!({
        "time": rfc3339(entry.at),
        "event": entry.kind,
        "agent": entry.agent,
        "client_id": entry.client,
        "subject": entry.user,
        "resource": entry.resource,
        "tool": if is_call { entry.name.as_deref() } else { None },
        "scopes": entry.scopes.as_deref().map(|scopes| scopes.split(' ').collect::<Vec<_>>()),
        "decision": entry.decision,
        "rule": entry.rule,
        "method": entry.method,
        "name": if is_call { None } else { entry.name.as_deref() },
        "ending": entry.ending,
        "latency_us": entry.latency,
        "request": entry.request,
        "trace": entry.trace,
        "reason": entry.reason,
        "count": entry.count,
        "person": person.and_then(|person| person.name.as_deref()).or_else(of_today),
        "arguments": person.and_then(|person| person.arguments.as_ref()).map(hex::digest),
        "values": person.and_then(|person| person.values.as_deref()),
        "number": row.seq,
        "hash": hex::digest(&row.hash),
    })
}

/// A question that was put to a person.
fn question(asked: &Approval) -> Value {
    json!({
        "id": asked.id.to_string(),
        "agent": asked.grant,
        "resource": asked.resource,
        "tool": asked.tool,
        "arguments": asked.shown.text,
        "cut": asked.shown.cut,
        "state": asked.state.as_str(),
        "created_at": rfc3339(asked.created_at),
        "decided_at": asked.decided_at.map(rfc3339),
    })
}

/// Verifies the whole chain. What is wrong with it is an answer, not an error.
pub(super) async fn verify(app: &App, expected: Option<String>) -> Rows {
    let expected = expected
        .map(|text| {
            text.parse::<Head>().map_err(|_| {
                AdminError::Invalid(format!("`{text}` is no head; `portcullis audit verify` prints one"))
            })
        })
        .transpose()?;
    app.trail.write().await;
    let keys = app.checkpoint_keys().await?;
    let signed = |text: &str| keys.read(text);
    let told = portcullis_store::audit::verify(&*app.store, expected, &signed).await?;
    if told.is_ok() {
        // What was just found whole is signed; what was not is not vouched for.
        app.checkpoint().await;
    }
    Ok(vec![match told {
        Ok(summary) => json!({
            "whole": true,
            "head": summary.head.to_string(),
            "rows": summary.rows,
            "after": summary.after,
            "erased": summary.erased,
            "checkpoints": summary.checkpoints,
            "signed_up_to": summary.signed,
        }),
        Err(bad) => json!({ "whole": false, "number": bad.seq, "wrong": bad.wrong.to_string() }),
    }])
}

/// What is kept about a person, one object a row, with `about` saying what it is: at first all but the trail, and then the
/// trail in pages, each after the row that the one before ended with.
pub(super) async fn export(app: &App, name: &str, after: u64) -> Rows {
    let user = person(app, name).await?;
    app.trail.write().await;
    let mut all = Vec::new();
    let about = |what: &str, row: Value| {
        let mut members = BTreeMap::from([("about".to_owned(), json!(what))]);
        members.extend(row.as_object().cloned().unwrap_or_default());
        json!(members)
    };
    let account = app.store.user(user).await?;
    if after == 0 {
        all.extend(account.iter().map(|account| about("account", super::user_row(account))));
        for agent in super::agents::of(app, user).await? {
            all.push(about("agent", agent));
        }
        let asked = ApprovalQuery { user: Some(user), most: LISTED, ..ApprovalQuery::default() };
        let asked = app.store.approvals(asked).await?;
        let asked = asked.iter().filter_map(|row| row.approval.as_ref());
        all.extend(asked.map(|one| about("approval", question(one))));
    }
    let names: BTreeMap<UserId, String> = account.into_iter().map(|account| (user, account.name)).collect();
    let query = AuditQuery {
        user: Some(user),
        after_seq: Some(after),
        newest_first: false,
        most: EXPORTED,
        ..AuditQuery::default()
    };
    let page = app.store.audit(query).await?;
    all.extend(page.iter().map(|one| about("event", row(one, &names))));
    Ok(all)
}
