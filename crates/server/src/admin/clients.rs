//! Clients that are entered by hand, and agents.

use portcullis_jose::key::KeySet;
use portcullis_jose::mint::{Opaque, Secret};
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::facts::AgentQuery;
use portcullis_rules::model::{Client, EndReason, Origin};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::revoke;
use portcullis_rules::verdict::{ClientsOf, Verdict, Write};
use portcullis_wire::id::ClientId;
use portcullis_wire::limit;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::{ApplicationType, AuthMethod, ClientMetadata, GrantType};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::text::displayable;
use serde_json::{Value, json};

use super::{AdminError, LISTED, Rows, client_id, client_row};
use crate::app::App;
use crate::entropy::EntropyShapes as _;

/// A client to be entered.
pub(super) struct NewClient {
    pub(super) name: String,
    pub(super) scope: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) introspects: Option<String>,
}

fn invalid(text: impl Into<String>) -> AdminError {
    AdminError::Invalid(text.into())
}

/// The resource named, as it stands in the catalog.
fn resource<'a>(
    app: &'a App,
    text: &str,
) -> Result<&'a portcullis_rules::catalog::ResourceEntry, AdminError> {
    let known = || {
        app.settings
            .catalog
            .entries()
            .iter()
            .map(|entry| format!("`{}`", entry.resource))
            .collect::<Vec<_>>()
            .join(", ")
    };
    Resource::parse(text)
        .ok()
        .and_then(|resource| app.settings.catalog.entry(&resource))
        .ok_or_else(|| invalid(format!("`{text}` is no guarded resource; these are: {}", known())))
}

fn keys(jwks: Option<&str>) -> Result<Option<String>, AdminError> {
    let Some(text) = jwks else { return Ok(None) };
    let keys = KeySet::parse(text.as_bytes())
        .map_err(|error| invalid(format!("the key set cannot be used: {error}")))?;
    if keys.is_empty() {
        return Err(invalid("the key set holds no key that can be used: ES256, EdDSA, RS256 or PS256"));
    }
    Ok(Some(text.to_owned()))
}

fn metadata(app: &App, new: &NewClient) -> Result<ClientMetadata, AdminError> {
    let redirect_uris = new
        .redirect_uris
        .iter()
        .map(|uri| {
            RedirectUri::parse(uri, &app.settings.schemes)
                .map_err(|error| invalid(format!("`{uri}` cannot be a redirect URI: {error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let jwks = keys(new.jwks.as_deref())?;
    let for_people = !redirect_uris.is_empty();
    if for_people && new.introspects.is_some() {
        return Err(invalid(
            "a resource server that introspects acts for nobody: enter it by itself, without redirect URIs",
        ));
    }
    let auth_method = match (&jwks, for_people) {
        (Some(_), _) => AuthMethod::PrivateKeyJwt,
        (None, true) => AuthMethod::None,
        (None, false) => AuthMethod::ClientSecretBasic,
    };
    let grant_types = match (for_people, &new.introspects) {
        (true, _) => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        (false, Some(_)) => Vec::new(),
        (false, None) => vec![GrantType::ClientCredentials],
    };
    let name = displayable(&new.name, limit::CLIENT_NAME);
    if name.is_empty() {
        return Err(invalid("a client needs a name"));
    }
    Ok(ClientMetadata {
        name,
        redirect_uris,
        auth_method,
        grant_types,
        application_type: ApplicationType::Native,
        scope: Scopes::none(),
        jwks,
        jwks_uri: None,
        client_uri: None,
    })
}

pub(super) async fn add(app: &App, new: NewClient) -> Rows {
    let metadata = metadata(app, &new)?;
    let ceiling = new
        .scope
        .as_deref()
        .map(Scopes::parse)
        .transpose()
        .map_err(|error| invalid(format!("the scope cannot be used: {error}")))?;
    let entry = match &new.resource {
        Some(text) => Some(resource(app, text)?),
        None => None,
    };
    let offered = entry
        .map_or_else(|| app.settings.catalog.all_scopes(), portcullis_rules::catalog::ResourceEntry::offered);
    if let Some(unknown) =
        ceiling.as_ref().map(|ceiling| ceiling.minus(&offered)).filter(|unknown| !unknown.is_empty())
    {
        return Err(invalid(format!("no resource offers the scope `{unknown}`; offered are: `{offered}`")));
    }
    let machine = metadata.grant_types.contains(&GrantType::ClientCredentials);
    if machine && ceiling.is_none() {
        return Err(invalid(
            "a machine gets what is entered for it and no more: say which scopes with `--scope`",
        ));
    }
    let introspects = match &new.introspects {
        Some(text) => Some(resource(app, text)?.resource.clone()),
        None => None,
    };
    let secret = metadata
        .auth_method
        .has_secret()
        .then(|| app.mint.mint::<Secret>(app.entropy.number(app.now()), app.entropy.bytes()));
    let prefix = if introspects.is_some() {
        "rs"
    } else if machine {
        "m2m"
    } else {
        "app"
    };
    let id = ClientId::parse(&format!("{prefix}_{}", app.entropy.text())).ok_or(AdminError::Unavailable)?;
    let client = Client {
        id: id.clone(),
        origin: Origin::Preregistered,
        metadata,
        secret: secret.as_ref().map(Opaque::digest),
        management: None,
        ceiling,
        introspects,
        enabled: true,
        created_at: app.now(),
        expires_at: None,
    };
    app.settle(
        |store| store.client(id.clone()),
        |_, now| {
            Verdict::yes(())
                .writing(Write::PutClient(client.clone()))
                .writing(Write::Audit(Event::new(EventKind::ClientAdded, now).client(&id)))
        },
    )
    .await??;
    let mut row = client_row(&client);
    if let (Value::Object(members), Some(secret)) = (&mut row, &secret) {
        members.insert("client_secret".to_owned(), json!(secret.expose()));
    }
    Ok(vec![row])
}

pub(super) async fn list(app: &App) -> Rows {
    Ok(app.store.clients(None, LISTED).await?.iter().map(client_row).collect())
}

pub(super) async fn remove(app: &App, text: &str) -> Rows {
    let id = client_id(text)?;
    app.settle(
        |store| store.client(id.clone()),
        |client, now| match client {
            None => Verdict::refuse(Refusal::ClientUnknown),
            Some(_) => Verdict::yes(())
                .writing(Write::EndGrantsOfClient(id.clone(), EndReason::ClientRemoved, now))
                .writing(Write::RemoveClient(id.clone()))
                .writing(Write::Audit(Event::new(EventKind::ClientRemoved, now).client(&id))),
        },
    )
    .await?
    .map_err(|_| no_client(text))?;
    Ok(vec![json!({ "client_id": id, "removed": true })])
}

/// Every agent of a client.
pub(super) async fn cut_off(app: &App, text: &str) -> Rows {
    let id = client_id(text)?;
    let clients = ClientsOf::One(id.clone());
    app.settle(
        |store| store.client(id.clone()),
        |client, now| match client {
            Some(_) => revoke::clients(&clients, now),
            None => Verdict::refuse(Refusal::ClientUnknown),
        },
    )
    .await?
    .map_err(|_| no_client(text))?;
    Ok(vec![json!({ "client_id": id, "revoked": true })])
}

/// Every agent of the clients whose ids lie on a host.
pub(super) async fn cut_off_domain(app: &App, text: &str) -> Rows {
    let host = url::Host::parse(text)
        .map_err(|_| invalid(format!("`{text}` is no host name; write it alone, such as `claude.ai`")))?
        .to_string();
    let clients = ClientsOf::Domain(host.clone());
    let of = AgentQuery { ended: true, most: 1, ..AgentQuery::default() };
    app.settle(|store| store.agents(of.clone()), |_, now| revoke::clients(&clients, now)).await??;
    Ok(vec![json!({ "domain": host, "revoked": true })])
}

/// Switches a client off or on.
pub(super) async fn enable(app: &App, text: &str, enabled: bool) -> Rows {
    let id = client_id(text)?;
    app.settle(
        |store| store.client(id.clone()),
        |client, now| revoke::enable_client(client.as_ref(), enabled, now),
    )
    .await?
    .map_err(|_| no_client(text))?;
    Ok(app.store.client(id).await?.iter().map(client_row).collect())
}

fn no_client(text: &str) -> AdminError {
    invalid(format!("there is no client `{text}`; `portcullis clients list` shows them"))
}
