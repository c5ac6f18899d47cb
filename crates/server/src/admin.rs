//! What administrators do, as values: the same commands come from the control socket, from a command line at rest
//! and from a program that embeds the server.

use portcullis_rules::model::{Client, Grant, GrantState, KeyRecord, Subject, User};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{App, Unavailable};
use crate::view::rfc3339;

mod agents;
mod audit;
mod clients;
mod keys;
mod people;
mod providers;
mod tokens;
mod tools;

pub use audit::AuditSearch;

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
    /// Puts a person into exactly these groups.
    UserGroups {
        /// Whom.
        name: String,
        /// The groups.
        groups: Vec<String>,
    },
    /// Gives an account an e-mail address, by which a trusted provider may lead to it, or takes it.
    UserAddress {
        /// Whose.
        name: String,
        /// The address.
        address: Option<String>,
    },
    /// Removes an account and erases what the audit trail knows of the person.
    UserErase {
        /// Whom: a name, or an id.
        name: String,
    },
    /// Tells what is kept about a person: all but the trail, and the first page of that; then page by page, until one has no
    /// event.
    UserExport {
        /// Whom: a name, or an id.
        name: String,
        /// The number of the last event that was told; 0 to begin with.
        after: u64,
    },
    /// Lists identity providers: the configured ones, and those that accounts still belong to.
    Providers,
    /// Switches a provider, and with it everybody who came through it, off or on.
    ProviderSwitch {
        /// Which.
        name: String,
        /// Whether it shall be on.
        on: bool,
    },
    /// Looks at a provider without a person: is it there, and as it is configured?
    ProviderCheck {
        /// Which.
        name: String,
    },
    /// Begins a trial of a provider; answers with the address to open in a browser.
    ProviderWalk {
        /// Which.
        name: String,
    },
    /// Tells what came of a trial.
    ProviderWalked {
        /// Which: as [`Command::ProviderWalk`] answered.
        handle: String,
    },
    /// Ties an account to a person at a provider.
    UserLink {
        /// The account.
        name: String,
        /// The provider, by its name.
        provider: String,
        /// The person there.
        subject: String,
    },
    /// Unties an account from its provider.
    UserUnlink {
        /// The account.
        name: String,
    },
    /// Makes a personal token, which is told once.
    TokenCreate {
        /// For whom.
        user: String,
        /// What it is called.
        name: String,
        /// What it may do.
        scope: String,
        /// Where; at the default resource if none is named.
        resource: Option<String>,
        /// How long it lives, in seconds.
        seconds: u64,
    },
    /// Lists personal tokens.
    TokenList {
        /// Ended ones too.
        all: bool,
    },
    /// Lists the tools of guarded servers.
    ToolList {
        /// Of this resource only.
        resource: Option<String>,
    },
    /// Accepts tools as they are now.
    ToolAccept {
        /// Of this resource; of the default one if none is named.
        resource: Option<String>,
        /// These; all that are listed if none is named.
        names: Vec<String>,
        /// The definition that was looked at, as [`Command::ToolList`] tells it: one that changed since is not accepted.
        digest: Option<String>,
    },
    /// Searches the audit trail.
    Audit(AuditSearch),
    /// Tells whether the audit trail is whole.
    AuditVerify {
        /// A head that was printed earlier.
        expected: Option<String>,
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
    /// Shows one agent.
    AgentShow {
        /// Which.
        id: String,
    },
    /// Ends every agent of a client, and suspends its machine agents.
    ClientRevoke {
        /// Which.
        client_id: String,
    },
    /// Does so for all clients whose ids are URLs on a host.
    DomainRevoke {
        /// The host.
        domain: String,
    },
    /// Ends every agent of a person.
    UserRevoke {
        /// Whose.
        name: String,
    },
    /// Refuses every token that a key has signed, and signs with the next if it was the signing one.
    KeyRevoke {
        /// Which.
        kid: String,
    },
    /// Switches a client off, with all its agents.
    ClientDisable {
        /// Which.
        client_id: String,
    },
    /// Switches a client on again.
    ClientEnable {
        /// Which.
        client_id: String,
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
            Command::AgentList { all } => agents::list(self, all).await,
            Command::AgentRevoke { id } => agents::revoke(self, &id).await,
            Command::UserGroups { name, groups } => people::put_into(self, &name, groups).await,
            Command::UserAddress { name, address } => providers::address(self, &name, address).await,
            Command::UserErase { name } => people::erase(self, &name).await,
            Command::UserExport { name, after } => audit::export(self, &name, after).await,
            Command::Providers => providers::list(self).await,
            Command::ProviderSwitch { name, on } => providers::switch(self, &name, on).await,
            Command::ProviderCheck { name } => providers::check(self, &name).await,
            Command::ProviderWalk { name } => providers::walk(self, &name),
            Command::ProviderWalked { handle } => providers::walked(self, &handle),
            Command::UserLink { name, provider, subject } => {
                providers::link(self, &name, &provider, &subject).await
            }
            Command::UserUnlink { name } => providers::unlink(self, &name).await,
            Command::TokenCreate { user, name, scope, resource, seconds } => {
                tokens::create(self, tokens::NewToken { user, name, scope, resource, seconds }).await
            }
            Command::TokenList { all } => tokens::list(self, all).await,
            Command::ToolList { resource } => tools::list(self, resource).await,
            Command::ToolAccept { resource, names, digest } => {
                tools::accept(self, resource, names, digest).await
            }
            Command::Audit(search) => audit::search(self, search).await,
            Command::AuditVerify { expected } => audit::verify(self, expected).await,
            Command::AgentShow { id } => agents::show(self, &id).await,
            Command::ClientRevoke { client_id } => clients::cut_off(self, &client_id).await,
            Command::DomainRevoke { domain } => clients::cut_off_domain(self, &domain).await,
            Command::UserRevoke { name } => people::cut_off(self, &name).await,
            Command::KeyRevoke { kid } => keys::revoke(self, &kid).await,
            Command::ClientDisable { client_id } => clients::enable(self, &client_id, false).await,
            Command::ClientEnable { client_id } => clients::enable(self, &client_id, true).await,
            Command::AgentRestore { id } => agents::restore(self, &id).await,
            Command::KeyList => keys::list(self).await,
            Command::KeyRotate => keys::rotate(self).await,
        }
    }
}

fn user_row(user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "groups": user.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
        "admin": user.admin,
        "enabled": user.enabled,
        "switched_off": user.switched_off,
        "has_password": user.password.is_some(),
        "email": user.email,
        "provider": user.provider.as_ref().map(|link| &link.issuer),
        "subject": user.provider.as_ref().map(|link| &link.subject),
        "proven_until": user.proven_until.filter(|_| user.provider.is_some()).map(rfc3339),
        "created_at": rfc3339(user.created_at),
    })
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
        "scopes": grant.scopes.iter().collect::<Vec<_>>(),
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

/// A person by name, or by id, whether or not the account is still there.
async fn person(app: &App, text: &str) -> Result<UserId, AdminError> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => named(app, text).await.map(|user| user.id),
    }
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
