//! The relying parties, by the names of their providers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use portcullis_fetch::Fetcher;
use portcullis_rules::federation::{Joining, ProviderState};
use portcullis_sso::oidc::RelyingParty;
#[cfg(feature = "saml")]
use portcullis_sso::saml::ServiceProvider;
use portcullis_sso::{Act, Fault, Finding, Mapping};
use portcullis_store::{Store, StoreError};
use portcullis_wire::time::UnixTime;
use tokio::sync::Semaphore;

use super::settings::{ProviderKind, ProviderSettings};
use crate::settings::Settings;

/// Sign-ins of one provider that wait for its answer at once: one that hangs keeps no more than these, and nobody of
/// another provider waits for it.
const AT_ONCE: usize = 64;

/// What speaks to a provider.
pub(crate) enum Party {
    Oidc(Box<RelyingParty>),
    #[cfg(feature = "saml")]
    Saml(Box<ServiceProvider>),
}

impl Party {
    /// Looks at the provider without a person.
    pub(crate) async fn check(&self, now: UnixTime) -> Vec<Finding> {
        match self {
            Self::Oidc(party) => party.check(now).await,
            #[cfg(feature = "saml")]
            Self::Saml(party) => party.check(now).await,
        }
    }

    /// The word in output.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            #[cfg(feature = "saml")]
            Self::Saml(_) => "saml",
        }
    }
}

/// A provider as it is configured.
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) issuer: String,
    pub(crate) party: Party,
    pub(crate) mapping: Mapping,
    pub(crate) joining: Joining,
    pub(crate) domains: Vec<String>,
    pub(crate) room: Semaphore,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({}, {})", self.name, self.party.kind())
    }
}

/// All of them, in the owner's order.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    all: Vec<Arc<Provider>>,
    by_name: HashMap<String, usize>,
}

impl Providers {
    /// Makes the relying parties; none of them speaks to its provider yet.
    ///
    /// # Errors
    /// The provider's name, and what is wrong with its settings.
    pub(crate) fn new(settings: &Settings, fetcher: &Fetcher) -> Result<Self, (String, Fault)> {
        let mut made = Self::default();
        for one in &settings.providers {
            let provider = provider(one, settings, fetcher).map_err(|fault| (one.name.clone(), fault))?;
            if let Some(other) = made.by_issuer(&provider.issuer) {
                return Err((one.name.clone(), twice(&other.name)));
            }
            made.by_name.insert(provider.name.clone(), made.all.len());
            made.all.push(Arc::new(provider));
        }
        Ok(made)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn all(&self) -> &[Arc<Provider>] {
        &self.all
    }

    /// The one of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Provider>> {
        self.all.get(*self.by_name.get(name)?)
    }

    /// The one an account belongs to.
    pub(crate) fn by_issuer(&self, issuer: &str) -> Option<&Arc<Provider>> {
        self.all.iter().find(|provider| provider.issuer == issuer)
    }

    /// The one a work address leads to: by the domain behind its last `@`, whole.
    pub(crate) fn by_address(&self, address: &str) -> Option<&Arc<Provider>> {
        let (_, domain) = address.trim().rsplit_once('@')?;
        let domain = domain.to_ascii_lowercase();
        self.all.iter().find(|provider| provider.domains.contains(&domain))
    }

    /// Those that let people in at the moment: a switch of an administrator's stands in the store.
    pub(crate) async fn on(&self, store: &dyn Store) -> Result<Vec<Arc<Provider>>, StoreError> {
        if self.all.is_empty() {
            return Ok(Vec::new());
        }
        let rows = store.providers().await?;
        let is_on = |provider: &&Arc<Provider>| {
            rows.iter().any(|row| row.issuer == provider.issuer && row.state == ProviderState::On)
        };
        Ok(self.all.iter().filter(is_on).cloned().collect())
    }
}

fn twice(other: &str) -> Fault {
    Fault::new(
        "provider_twice",
        Act::Administrator,
        format!("`{other}` is this very provider"),
        "people are known by issuer and subject, so one of the two would get the other's",
        "name each provider once",
    )
}

fn provider(one: &ProviderSettings, settings: &Settings, fetcher: &Fetcher) -> Result<Provider, Fault> {
    let (party, issuer) = match &one.kind {
        ProviderKind::Oidc(oidc) => {
            let party = RelyingParty::new((**oidc).clone(), fetcher.clone())?;
            let issuer = party.issuer().to_owned();
            (Party::Oidc(Box::new(party)), issuer)
        }
        #[cfg(feature = "saml")]
        ProviderKind::Saml(saml) => {
            let mut saml = (**saml).clone();
            saml.entity_id = settings.url(&format!("/saml/{}/metadata", one.name));
            saml.acs = settings.url(&format!("/saml/{}/acs", one.name));
            let party = ServiceProvider::new(saml, fetcher.clone())?;
            let issuer = party.issuer().to_owned();
            (Party::Saml(Box::new(party)), issuer)
        }
    };
    let _used_by_saml_alone = settings;
    Ok(Provider {
        name: one.name.clone(),
        label: one.label.clone(),
        issuer,
        party,
        mapping: one.mapping.clone(),
        joining: one.joining.clone(),
        domains: one.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
        room: Semaphore::new(AT_ONCE),
    })
}

#[cfg(test)]
mod tests {
    use portcullis_rules::catalog::Catalog;
    use portcullis_sso::oidc::{self, Preset};
    use portcullis_wire::resource::Issuer;

    use super::*;

    #[test]
    fn t_link_one_provider_under_two_names_is_refused() {
        let given = |name: &str, issuer: &str| ProviderSettings {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: ProviderKind::Oidc(Box::new(oidc::Settings::new(Preset::Generic, issuer, "id"))),
            mapping: Mapping::oidc(),
            joining: Joining::default(),
            domains: Vec::new(),
        };
        let issuer = Issuer::parse("https://auth.example").unwrap();
        let fetcher = Fetcher::new(portcullis_fetch::Settings::default()).unwrap();
        for (other, holds) in [("https://other.example", true), ("https://acme.example", false)] {
            let mut settings = Settings::new(issuer.clone(), Catalog::new(Vec::new()).unwrap());
            settings.providers = vec![given("a", "https://acme.example"), given("b", other)];
            let made = Providers::new(&settings, &fetcher).map(drop);
            assert_eq!(
                made.map_err(|(name, fault)| (name, fault.code)),
                match holds {
                    true => Ok(()),
                    false => Err(("b".to_owned(), "provider_twice")),
                }
            );
        }
    }
}
