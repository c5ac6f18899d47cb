//! The tools of guarded servers: what they list, and what their owner has accepted of it.

use portcullis_rules::audit::hex;
use portcullis_rules::refusal::Refusal;
use portcullis_rules::tools::{self, Tool};
use portcullis_wire::digest::Digest;
use portcullis_wire::resource::Resource;
use serde_json::{Value, json};

use super::{AdminError, Rows};
use crate::app::App;
use crate::view::rfc3339;

/// The resource meant: the named one, or the default one.
fn meant<'a>(app: &'a App, named: Option<&String>) -> Result<&'a Resource, AdminError> {
    let asked: Vec<String> = named.into_iter().cloned().collect();
    Ok(&app.settings.catalog.named(&asked)?.resource)
}

pub(super) async fn list(app: &App, resource: Option<String>) -> Rows {
    let resources: Vec<Resource> = match &resource {
        Some(_) => vec![meant(app, resource.as_ref())?.clone()],
        None => app.settings.catalog.entries().iter().map(|entry| entry.resource.clone()).collect(),
    };
    let mut rows = Vec::new();
    for resource in resources {
        rows.extend(app.store.tools(resource).await?.tools.iter().map(row));
    }
    Ok(rows)
}

fn row(tool: &Tool) -> Value {
    json!({
        "resource": tool.resource,
        "name": tool.name,
        "state": tool.state().as_str(),
        "seen_at": rfc3339(tool.seen_at),
        "gone_at": tool.gone_at.map(rfc3339),
        "digest": hex::digest(&tool.digest),
        "definition": tool.definition,
        "accepted_definition": tool.accepted.as_ref().map(|accepted| accepted.definition.as_str()),
    })
}

/// Accepts tools by name, or all that are listed now where none is named.
pub(super) async fn accept(
    app: &App,
    resource: Option<String>,
    names: Vec<String>,
    digest: Option<String>,
) -> Rows {
    let digest = digest
        .map(|text| {
            let bytes = hex::read(&text).map(Digest::from_bytes);
            bytes.ok_or_else(|| AdminError::Invalid(format!("`{text}` is no digest of a definition")))
        })
        .transpose()?;
    let resource = meant(app, resource.as_ref())?.clone();
    let mut accepted = Vec::new();
    let all: Vec<Option<String>> =
        if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    for name in all {
        let taken = app
            .settle(
                |store| store.tools(resource.clone()),
                |book, now| tools::accept(&resource, name.as_deref(), digest.as_ref(), book, now),
            )
            .await?
            .map_err(|refusal| match (&name, refusal) {
                (Some(name), Refusal::ToolUnknown) => AdminError::Invalid(format!(
                    "`{resource}` lists no tool `{name}`; `portcullis tools list` shows them"
                )),
                (Some(name), Refusal::ToolChanged) => AdminError::Invalid(format!(
                    "`{name}` is not defined any more as it was looked at; look again with `portcullis tools list`"
                )),
                (_, refusal) => refusal.into(),
            })?;
        accepted.extend(taken);
    }
    app.books.reread(&resource).await?;
    Ok(accepted
        .into_iter()
        .map(|name| json!({ "resource": resource, "name": name, "accepted": true }))
        .collect())
}
