//! Identity providers, and who belongs to them.

use portcullis_rules::federation::{self, ProviderLink, ProviderState};
use portcullis_wire::base64url;
use serde_json::{Value, json};

use super::{AdminError, Rows, named, user_row};
use crate::app::App;
use crate::endpoint::provider::trial::fault_row;
use crate::endpoint::provider::with::redirect_uri;
use crate::entropy::EntropyShapes as _;
use crate::provider::{Found, Party, Provider, TRIAL_LIFE};
use crate::view::rfc3339;

/// Longest subject of an account, in bytes (OpenID Connect Core §2 allows 255 ASCII characters).
const SUBJECT: usize = 255;

fn configured<'a>(app: &'a App, name: &str) -> Result<&'a Provider, AdminError> {
    if !app.settings.all_providers {
        return Err(AdminError::Invalid(
            "no server runs on this data directory, and only a running one knows its providers; start it, and say this \
             again"
                .to_owned(),
        ));
    }
    app.providers.find(name).map(|found| &**found).ok_or_else(|| {
        AdminError::Invalid(format!(
            "there is no provider `{name}` in the running server's configuration; `portcullis sso list` shows them"
        ))
    })
}

/// Where a provider's answers come, which is entered there.
fn addresses(app: &App, provider: &Provider) -> Value {
    match &provider.party {
        Party::Oidc(_) => json!({ "redirect_uri": redirect_uri(app, &provider.name) }),
        #[cfg(feature = "saml")]
        Party::Saml(_) => {
            let at = |end: &str| app.settings.url(&format!("/saml/{}/{end}", provider.name));
            json!({ "acs": at("acs"), "entity_id": at("metadata"), "metadata": at("metadata") })
        }
    }
}

/// The configured ones in their order, then those that are gone.
pub(super) async fn list(app: &App) -> Rows {
    let known = app.store.providers().await?;
    let users = app.store.users().await?;
    let people = |issuer: &str| {
        users.iter().filter(|user| user.provider.as_ref().is_some_and(|link| link.issuer == issuer)).count()
    };
    let state = |issuer: &str| known.iter().find(|row| row.issuer == issuer);
    let mut rows = Vec::new();
    for provider in app.providers.all() {
        let row = state(&provider.issuer);
        rows.push(json!({
            "name": provider.name,
            "label": provider.label,
            "kind": provider.party.kind(),
            "issuer": provider.issuer,
            "state": row.map_or("on", |row| row.state.as_str()),
            "since": row.map(|row| rfc3339(row.since)),
            "people": people(&provider.issuer),
            "domains": provider.domains,
            "addresses": addresses(app, provider),
        }));
    }
    for row in &known {
        if app.providers.by_issuer(&row.issuer).is_none() {
            // A command at rest does not know what is configured.
            let state =
                if app.settings.all_providers { ProviderState::Gone.as_str() } else { row.state.as_str() };
            rows.push(json!({
                "name": row.name,
                "label": row.name,
                "kind": null,
                "issuer": row.issuer,
                "state": state,
                "since": rfc3339(row.since),
                "people": people(&row.issuer),
                "domains": [],
                "addresses": null,
            }));
        }
    }
    Ok(rows)
}

/// By the records, so that it works at rest as well.
pub(super) async fn switch(app: &App, name: &str, on: bool) -> Rows {
    let issuer = recorded(app, name).await?;
    app.settle(
        |store| store.providers(),
        |rows, now| {
            let row = rows.iter().find(|row| row.issuer == issuer);
            federation::switch(row, on, now)
        },
    )
    .await??;
    let rows = list(app).await?;
    Ok(rows.into_iter().filter(|row| row["issuer"] == issuer.as_str()).collect())
}

/// The issuer behind a name: of the configured provider, or of the newest row of that name.
async fn recorded(app: &App, name: &str) -> Result<String, AdminError> {
    if let Some(provider) = app.providers.find(name) {
        return Ok(provider.issuer.clone());
    }
    let rows = app.store.providers().await?;
    let newest = rows.into_iter().filter(|row| row.name == name).max_by_key(|row| row.since);
    newest.map(|row| row.issuer).ok_or_else(|| {
        AdminError::Invalid(format!("there is no provider `{name}`; `portcullis sso list` shows them"))
    })
}

/// Without a person.
pub(super) async fn check(app: &App, name: &str) -> Rows {
    let provider = configured(app, name)?;
    let findings = provider.party.check(app.now()).await;
    Ok(findings
        .iter()
        .map(|finding| {
            json!({
                "what": finding.what,
                "ok": finding.fault.is_none(),
                "fault": finding.fault.as_ref().map(fault_row),
            })
        })
        .collect())
}

/// Begins a trial.
pub(super) fn walk(app: &App, name: &str) -> Rows {
    let provider = configured(app, name)?;
    let handle = base64url::encode(&app.entropy.bytes::<32>());
    let now = app.now();
    app.trials.begin(handle.clone(), &provider.name, now);
    Ok(vec![json!({
        "url": format!("{}?handle={handle}", app.settings.url("/sign-in/test")),
        "handle": handle,
        "until": rfc3339(now + TRIAL_LIFE),
    })])
}

/// What came of it, or that nobody is back.
pub(super) fn walked(app: &App, handle: &str) -> Rows {
    match app.trials.found(handle, app.now()) {
        Some(Found::Report(report)) => Ok(vec![report]),
        Some(Found::Pending) => Ok(vec![json!({ "state": "pending" })]),
        None => Err(AdminError::Invalid("there is no such test any more; begin it again".to_owned())),
    }
}

/// Ties an account to somebody there.
pub(super) async fn link(app: &App, name: &str, provider: &str, subject: &str) -> Rows {
    let user = named(app, name).await?;
    let issuer = recorded(app, provider).await?;
    let subject = subject.trim();
    if subject.is_empty() || subject.len() > SUBJECT || subject.chars().any(char::is_control) {
        return Err(AdminError::Invalid("a subject has 1 to 255 characters".to_owned()));
    }
    let to = ProviderLink { issuer, subject: subject.to_owned() };
    app.settle(|store| store.link_facts(user.id, to.clone()), |facts, now| federation::link(facts, &to, now))
        .await??;
    told(app, user.id).await
}

/// Gives it an address, or takes it.
pub(super) async fn address(app: &App, name: &str, text: Option<String>) -> Rows {
    let user = named(app, name).await?;
    let to = match text {
        None => None,
        Some(text) => Some(federation::address(&text).ok_or_else(|| {
            AdminError::Invalid(format!("`{text}` is no e-mail address in ASCII with one `@`"))
        })?),
    };
    app.settle(
        |store| store.user(user.id),
        |user, now| federation::set_address(user.as_ref(), to.clone(), now),
    )
    .await??;
    told(app, user.id).await
}

/// Unties it.
pub(super) async fn unlink(app: &App, name: &str) -> Rows {
    let user = named(app, name).await?;
    app.settle(|store| store.user(user.id), |user, now| federation::unlink(user.as_ref(), now)).await??;
    told(app, user.id).await
}

async fn told(app: &App, id: portcullis_wire::id::UserId) -> Rows {
    let user = app.store.user(id).await?;
    Ok(user.iter().map(user_row).collect())
}
