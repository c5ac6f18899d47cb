//! What an embedding program says before its server is built.

use std::path::{Path, PathBuf};

use portcullis_fetch::Loopback;
use portcullis_mcp::ToolTable;
use portcullis_policy::{Confirm, Policy, Rules};
use portcullis_rules::budget::{LONGEST_WINDOW, Limit, SHORTEST_WINDOW};
use portcullis_rules::catalog::{Catalog, Effect, SameResource};
use portcullis_rules::groups::{Group, People};
use portcullis_rules::settings::Lifetimes;
use portcullis_rules::tools::NewTools;
use portcullis_server::{AuditSettings, Settings};
use portcullis_store::StoreError;
use portcullis_wire::limit::BUDGETS;
use portcullis_wire::resource::{Issuer, ResourceError};

use crate::describe::{DescribeError, Description};
use crate::embedded::{Portcullis, Protected};
use crate::home::{Home, HomeError};
use crate::provider::{self, Provider};
use crate::running::{OpenFault, Running};

/// Why a server cannot be built. Each says what to say otherwise.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No issuer was named.
    #[error("name the issuer: `.issuer(\"https://…\")`, the URL under which the router is reached")]
    NoIssuer,
    /// The issuer's URL.
    #[error("the issuer `{0}`: {1}")]
    Issuer(String, #[source] ResourceError),
    /// No resource was named.
    #[error("name a resource: `.resource(\"https://…/mcp\", [\"mcp:tools\"])`")]
    NoResource,
    /// A resource, one of its scopes or tools.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// Two resources that cannot be told apart.
    #[error(transparent)]
    Same(#[from] SameResource),
    /// A database we do not know.
    #[error("the database `{0}` is none we know: write `sqlite:portcullis.db`")]
    Database(String),
    /// A group's name.
    #[error("`{0}` is no name of a group: it has small letters, digits and -_.@")]
    Group(String),
    /// A provider's name, or one that two have.
    #[error("`{0}` cannot name a provider: each has a name of its own, of small letters, digits and `-`")]
    ProviderName(String),
    /// A limit that cannot be counted.
    #[error(
        "the limit of {0} in {1} s: a window has between 1 s and 31 days, and there are at most {BUDGETS} limits"
    )]
    Limit(u32, u64),
    /// A file of rules: each fault with its line and its reason.
    #[error("the rules cannot be used: {0}")]
    Rules(String),
    /// The data directory, the database, or the start.
    #[error(transparent)]
    Open(#[from] OpenFault),
    /// What is known of a resource's tools cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<HomeError> for BuildError {
    fn from(error: HomeError) -> Self {
        Self::Open(error.into())
    }
}

/// A [`Portcullis`] in the making: issuer and resource are needed, all else has a default.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    issuer: Option<String>,
    database: Option<String>,
    endpoint_path: String,
    lifetimes: Option<Lifetimes>,
    trusted_proxies: Vec<portcullis_server::IpNetwork>,
    insecure_loopback_fetch: bool,
    limits: Vec<Limit>,
    audit: AuditSettings,
    providers: Vec<Provider>,
    without_passwords: bool,
    resources: Vec<Description>,
}

impl Builder {
    /// Where records are kept: `sqlite:` and a file, `sqlite:portcullis.db` unless said. Keys, lock and control
    /// socket lie beside it in a directory of the file's name with `.d` behind: back up both, and put neither into
    /// version control. `portcullis --data-dir portcullis.db.d …` administers it.
    pub fn database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self
    }

    /// The URL under which the router is reached: https, or http on this computer.
    pub fn issuer(mut self, url: &str) -> Self {
        self.issuer = Some(url.to_owned());
        self
    }

    /// An MCP server to be guarded, by its canonical URI, with the scopes it gives a client that asks for none.
    /// What follows describes this one. The first is the one meant where a client names none.
    pub fn resource<S: Into<String>>(mut self, uri: &str, scopes: impl IntoIterator<Item = S>) -> Self {
        self.resources.push(Description::new(uri, scopes));
        self
    }

    /// What people call the resource.
    pub fn name(self, name: &str) -> Self {
        self.last(|resource| resource.name = Some(name.to_owned()))
    }

    /// A tool, by name or by a pattern such as `delete_*`, that needs scopes beyond those of its route. A call without
    /// them is answered by 403 before the handler sees it, naming all it needs.
    pub fn tool<S: Into<String>>(self, tool: &str, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.last(|resource| resource.tools.push((tool.to_owned(), scopes)))
    }

    /// What a scope allows, in words for the person who judges it, and what it does.
    pub fn scope_title(self, scope: &str, title: &str, effect: Effect) -> Self {
        self.last(|resource| resource.titles.push((scope.to_owned(), title.to_owned(), effect)))
    }

    /// Each call of these tools, by name or pattern, needs a word of the agent's person, given on a page of ours.
    /// A [`Portcullis::door`] asks by itself; behind [`Portcullis::require`] the handler does, with
    /// [`Portcullis::confirm`].
    pub fn confirm(self, tool: &str) -> Self {
        self.last(|resource| resource.confirm.push((tool.to_owned(), Confirm::Person)))
    }

    /// Each call of these tools needs the word of the client that its user agreed. The trail says that it is the
    /// client's word. Only a [`Portcullis::door`] asks.
    pub fn confirm_by_client(self, tool: &str) -> Self {
        self.last(|resource| resource.confirm.push((tool.to_owned(), Confirm::Client)))
    }

    /// Who may use the resource: the people in one of these groups. Decided when they consent, and at every refresh.
    /// Everyone with an account unless said; `*` says so too.
    pub fn people<S: Into<String>>(self, groups: impl IntoIterator<Item = S>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        self.last(|resource| resource.people = Some(groups))
    }

    /// Who may have a scope of the resource: the people in one of these groups. Nobody else's agent gets it, whatever was
    /// asked or approved. Whoever may use the resource unless said.
    pub fn scope_people<S: Into<String>>(self, scope: &str, groups: impl IntoIterator<Item = S>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        self.last(|resource| resource.scope_people.push((scope.to_owned(), groups)))
    }

    /// What a [`Portcullis::door`] makes of tools that are new, or whose definition changed since it was accepted.
    /// They are hidden until `portcullis tools accept` unless said.
    pub fn new_tools(self, new: NewTools) -> Self {
        self.last(|resource| resource.new_tools = new)
    }

    /// Keeps the arguments themselves in the trail for these tools, by name or pattern, and not only a digest of them.
    pub fn keep_values(self, tool: &str) -> Self {
        self.last(|resource| resource.keep_values.push(tool.to_owned()))
    }

    /// A file of Cedar policies that a [`Portcullis::door`] asks about every operation. It is read, and checked
    /// strictly, by [`Builder::build`].
    #[cfg(feature = "policy")]
    pub fn policy_file(self, path: impl Into<PathBuf>) -> Self {
        self.last(|resource| resource.policy_file = Some(path.into()))
    }

    /// A limit that every [`Portcullis::door`] of this program holds agents to. A window of an hour or more survives a
    /// restart.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// An identity provider that people sign in through.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// People sign in through providers alone. A set-up link still makes an administrator with a password, who may use it
    /// once passwords are allowed again.
    pub const fn without_passwords(mut self) -> Self {
        self.without_passwords = true;
        self
    }

    /// How the audit trail is kept.
    pub fn audit(mut self, audit: AuditSettings) -> Self {
        self.audit = audit;
        self
    }

    /// Puts the endpoints below a path of their own, such as `/auth`. The well-known documents stay where the RFCs
    /// put them.
    pub fn endpoints_below(mut self, path: &str) -> Self {
        self.endpoint_path = path.trim_end_matches('/').to_owned();
        self
    }

    /// Lifetimes and graces other than the default ones.
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = Some(lifetimes);
        self
    }

    /// A proxy whose `X-Forwarded-For` is believed.
    pub fn trusted_proxy(mut self, network: portcullis_server::IpNetwork) -> Self {
        self.trusted_proxies.push(network);
        self
    }

    /// Test only: metadata documents of clients may lie on this computer, over plain http.
    pub fn insecure_cimd_loopback(mut self) -> Self {
        self.insecure_loopback_fetch = true;
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Description)) -> Self {
        if let Some(resource) = self.resources.last_mut() {
            change(resource);
        }
        self
    }

    /// Opens the database, makes keys on the first start, and starts the chores. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`BuildError`], by cause.
    pub async fn build(self) -> Result<Portcullis, BuildError> {
        let issuer = self.issuer.ok_or(BuildError::NoIssuer)?;
        let issuer = Issuer::parse(&issuer).map_err(|error| BuildError::Issuer(issuer, error))?;
        check(&self.limits)?;
        let (mut entries, mut sides) = (Vec::new(), Vec::new());
        for description in &self.resources {
            let (mut entry, table) = description.resolve()?;
            entry.people = people(description.people.as_deref())?;
            for (scope, groups) in &description.scope_people {
                let Some(known) = entry.scopes.iter_mut().find(|known| known.scope.as_str() == scope) else {
                    return Err(DescribeError::NoScope(description.uri.clone(), scope.clone()).into());
                };
                known.people = people(Some(groups))?;
            }
            let policy = policy(description, table.clone())?;
            sides.push((entry.resource.clone(), table, policy, description));
            entries.push(entry);
        }
        let mut settings = Settings::new(issuer, Catalog::new(entries)?);
        settings.endpoint_path = self.endpoint_path;
        settings.lifetimes = self.lifetimes.unwrap_or_default();
        settings.trusted_proxies = self.trusted_proxies;
        settings.limits = self.limits;
        settings.audit = self.audit;
        settings.providers = provider::settings(self.providers)?;
        settings.sign_in.passwords = !self.without_passwords;
        settings.insecure_cimd_loopback = self.insecure_loopback_fetch;
        let fetch = portcullis_fetch::Settings {
            loopback: if self.insecure_loopback_fetch {
                Loopback::AllowPlainAndTls
            } else {
                Loopback::Refuse
            },
            ..Default::default()
        };
        let (directory, file) = place(self.database.as_deref().unwrap_or("sqlite:portcullis.db"))?;
        let running = Running::start(Home::open(&directory)?, Some(&file), settings, fetch).await?;
        let app = running.app();
        let mut guarded = Vec::new();
        for (resource, table, policy, said) in sides {
            let Some(guard) = app.guard(&resource, table) else { continue };
            let ports = app.ports(&resource, said.new_tools).await?;
            let settings = said
                .keep_values
                .iter()
                .fold(app.door_settings(), |settings, tool| settings.keep_values(tool));
            guarded.push(Protected { guard, policy, ports, settings });
        }
        Portcullis::new(running, guarded).ok_or(BuildError::NoResource)
    }
}

/// Limits that can be counted.
fn check(limits: &[Limit]) -> Result<(), BuildError> {
    let is_odd = |limit: &Limit| !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&limit.window);
    match limits.iter().find(|limit| is_odd(limit)).or(limits.get(BUDGETS)) {
        Some(limit) => Err(BuildError::Limit(limit.most, limit.window.as_secs())),
        None => Ok(()),
    }
}

fn people(groups: Option<&[String]>) -> Result<People, BuildError> {
    match groups {
        None => Ok(People::Everyone),
        Some(groups) if groups.iter().any(|name| name == "*") => Ok(People::Everyone),
        Some(groups) => groups
            .iter()
            .map(|name| Group::parse(name).ok_or_else(|| BuildError::Group(name.clone())))
            .collect::<Result<_, _>>()
            .map(People::Groups),
    }
}

/// What a door asks about every message.
fn policy(said: &Description, table: ToolTable) -> Result<Policy, BuildError> {
    let policy = said.confirm.iter().fold(Policy::new(table), |policy, (tool, by)| policy.confirm(tool, *by));
    let Some(path) = &said.policy_file else { return Ok(policy) };
    let shown = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| BuildError::Rules(format!("`{shown}`: {error}")))?;
    let rules = Rules::load(&text, &shown).map_err(|faults| {
        BuildError::Rules(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    Ok(policy.rules(rules))
}

/// The directory beside the database, and the database as seen from there.
fn place(url: &str) -> Result<(PathBuf, PathBuf), BuildError> {
    let unknown = || BuildError::Database(url.to_owned());
    let path = Path::new(url.strip_prefix("sqlite:").ok_or_else(unknown)?);
    let name = path.file_name().ok_or_else(unknown)?;
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    Ok((directory.into(), Path::new("..").join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_has_its_keys_beside_it() {
        for (given, directory, file) in [
            ("sqlite:portcullis.db", "portcullis.db.d", "../portcullis.db"),
            ("sqlite:/var/lib/notes/auth.db", "/var/lib/notes/auth.db.d", "../auth.db"),
        ] {
            assert_eq!(place(given).unwrap(), (directory.into(), file.into()), "{given}");
        }
        for wrong in ["postgres://h/db", "portcullis.db", "sqlite:", "sqlite:/"] {
            assert!(matches!(place(wrong), Err(BuildError::Database(_))), "{wrong}");
        }
    }
}
