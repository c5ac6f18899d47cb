//! What administrators do, as values: the same commands come from the control socket, from a command line at rest
//! and from a program that embeds the server.

use portcullis_rules::model::{Client, Grant, GrantState, KeyRecord, Subject, User};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{App, Unavailable};
use crate::view::rfc3339;

mod clients;
mod keys;
mod people;

/// Most rows a list answers with.
const LISTED: usize = 10_000;

/// One act of administration.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Makes the one-time link for the first account, or for the password of `reset`.
    SetupLink {
        /// Whose password; needed once there are accounts.
        reset: Option<String>,
    },
    /// Makes an account.
    UserAdd {
        /// The name to sign in with.
        name: String,
        /// The password.
        password: String,
        /// Whether it administers.
        admin: bool,
    },
    /// Lists accounts.
    UserList,
    /// Sets a password.
    UserPassword {
        /// Whose.
        name: String,
        /// The new one.
        password: String,
    },
    /// Switches an account off.
    UserDisable {
        /// Which.
        name: String,
    },
    /// Switches an account on.
    UserEnable {
        /// Which.
        name: String,
    },
    /// Removes an account and ends its agents.
    UserRemove {
        /// Which.
        name: String,
    },
    /// Enters a client: a machine by default, one for people where redirect URIs are given, a resource server where
    /// `introspects` is.
    ClientAdd {
        /// Its name.
        name: String,
        /// The most it may get; needed for a machine.
        scope: Option<String>,
        /// The one resource its scopes are checked against; the default one if none is named.
        resource: Option<String>,
        /// Its public keys as JSON, for `private_key_jwt`; a secret is made otherwise.
        jwks: Option<String>,
        /// Its redirect URIs.
        redirect_uris: Vec<String>,
        /// The resource whose tokens it may introspect.
        introspects: Option<String>,
    },
    /// Lists clients.
    ClientList,
    /// Removes a client and ends its agents.
    ClientRemove {
        /// Which.
        client_id: String,
    },
    /// Lists agents.
    AgentList {
        /// Ended ones too.
        all: bool,
    },
    /// Ends an agent, or suspends a machine's.
    AgentRevoke {
        /// Which.
        id: String,
    },
    /// Restores a suspended machine agent.
    AgentRestore {
        /// Which.
        id: String,
    },
    /// Lists signing keys.
    KeyList,
    /// Makes the next key the signing one; refused while verifiers may not have seen that key yet, which is for five
    /// minutes after the rotation before.
    KeyRotate,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command(…)")
    }
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// A rule said no.
    #[error("{}", .0.description())]
    Refused(Refusal),
    /// The command itself is not fit.
    #[error("{0}")]
    Invalid(String),
    /// The store did not answer.
    #[error("the server cannot do this now; nothing was changed")]
    Unavailable,
}

impl From<Unavailable> for AdminError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}
impl From<portcullis_store::StoreError> for AdminError {
    fn from(error: portcullis_store::StoreError) -> Self {
        Unavailable::from(error).into()
    }
}
impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

type Rows = Result<Vec<Value>, AdminError>;

impl App {
    /// Does it. What changed is on disk and enforced when this returns.
    ///
    /// # Errors
    /// [`AdminError`], by cause.
    pub async fn administer(&self, command: Command) -> Rows {
        match command {
            Command::SetupLink { reset } => people::setup_link(self, reset).await,
            Command::UserAdd { name, password, admin } => people::add(self, &name, password, admin).await,
            Command::UserList => people::list(self).await,
            Command::UserPassword { name, password } => people::password(self, &name, password).await,
            Command::UserDisable { name } => people::enable(self, &name, false).await,
            Command::UserEnable { name } => people::enable(self, &name, true).await,
            Command::UserRemove { name } => people::remove(self, &name).await,
            Command::ClientAdd { name, scope, resource, jwks, redirect_uris, introspects } => {
                clients::add(
                    self,
                    clients::NewClient { name, scope, resource, jwks, redirect_uris, introspects },
                )
                .await
            }
            Command::ClientList => clients::list(self).await,
            Command::ClientRemove { client_id } => clients::remove(self, &client_id).await,
            Command::AgentList { all } => clients::agents(self, all).await,
            Command::AgentRevoke { id } => clients::revoke(self, &id).await,
            Command::AgentRestore { id } => clients::restore(self, &id).await,
            Command::KeyList => keys::list(self).await,
            Command::KeyRotate => keys::rotate(self).await,
        }
    }
}

fn user_row(user: &User) -> Value {
    json!({ "id": user.id, "name": user.name, "admin": user.admin, "enabled": user.enabled, "created_at": rfc3339(user.created_at) })
}

fn client_row(client: &Client) -> Value {
    json!({
        "client_id": client.id,
        "client_name": client.metadata.name,
        "origin": client.origin,
        "token_endpoint_auth_method": client.metadata.auth_method.as_str(),
        "grant_types": client.metadata.grant_types.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        "redirect_uris": client.metadata.redirect_uris,
        "scope": client.ceiling,
        "introspects": client.introspects,
        "enabled": client.enabled,
        "created_at": rfc3339(client.created_at),
        "expires_at": client.expires_at.map(rfc3339),
    })
}

fn agent_row(grant: &Grant, client_name: &str, subject: &str) -> Value {
    json!({
        "id": grant.id,
        "client_id": grant.client,
        "client_name": client_name,
        "subject": subject,
        "resource": grant.resource,
        "scopes": grant.scopes,
        "created_at": rfc3339(grant.created_at),
        "last_used_at": rfc3339(grant.last_used_at),
        "state": match grant.state {
            GrantState::Live => "live".to_owned(),
            GrantState::Suspended => "suspended".to_owned(),
            GrantState::Ended(reason) => format!("ended: {}", reason.as_str()),
        },
        "acts_for": match grant.subject { Subject::Person(_) => "person", Subject::Machine => "itself" },
    })
}

fn key_row(key: &KeyRecord) -> Value {
    json!({ "kid": key.kid, "alg": key.alg, "state": key.state.as_str(), "created_at": rfc3339(key.created_at), "changed_at": rfc3339(key.changed_at) })
}

fn client_id(text: &str) -> Result<ClientId, AdminError> {
    ClientId::parse(text).ok_or_else(|| {
        AdminError::Invalid(format!("`{text}` is no client_id; `portcullis clients list` shows them"))
    })
}

fn grant_id(text: &str) -> Result<GrantId, AdminError> {
    text.parse().map_err(|_| {
        AdminError::Invalid(format!("`{text}` is no agent's id; `portcullis agents list` shows them"))
    })
}

async fn named(app: &App, name: &str) -> Result<User, AdminError> {
    let user = app.store.user_by_key(portcullis_rules::model::account_key(name)).await?;
    user.ok_or_else(|| {
        AdminError::Invalid(format!("there is no account `{name}`; `portcullis users list` shows them"))
    })
}

/// Settles a verdict on one account.
async fn on_user(
    app: &App,
    id: UserId,
    rule: impl Fn(portcullis_wire::time::UnixTime) -> portcullis_rules::verdict::Verdict<()>,
) -> Rows {
    app.settle(
        |store| store.user(id),
        |user, now| {
            if user.is_some() {
                rule(now)
            } else {
                portcullis_rules::verdict::Verdict::refuse(Refusal::UserUnknown)
            }
        },
    )
    .await??;
    let user = app.store.user(id).await?;
    Ok(user.iter().map(user_row).collect())
}
