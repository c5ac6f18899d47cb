//! Identity providers that people of an embedding program sign in through.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_rules::federation::Joining;
use portcullis_rules::groups::Group;
use portcullis_server::{ProviderKind, ProviderSettings};
use portcullis_sso::oidc::{self, Preset};
use portcullis_sso::{ClaimPath, EmailTrust, Fault, Mapping};
use portcullis_wire::token::Sealed;

use crate::builder::BuildError;

/// Longest name of a provider, in bytes: it stands in addresses.
const NAME: usize = 40;

/// An identity provider that people sign in through: [`Builder::provider`](crate::Builder::provider).
///
/// Enter `<issuer>/callback/<name>` there as the redirect address. Whoever comes back for the first time gets an account
/// of their own unless [`known_people_only`](Self::known_people_only) is said; what a claim means here is said by the
/// other calls.
#[derive(Clone, Debug)]
#[must_use = "a provider does nothing until it is given to a builder"]
pub struct Provider {
    settings: ProviderSettings,
    /// Groups that are no names of groups.
    odd: Vec<String>,
    /// Said so, of a provider where anybody may have an account.
    everybody: bool,
}

impl Provider {
    /// An OpenID provider by its issuer (OpenID Connect Discovery §4), byte for byte as it writes it.
    pub fn oidc(name: &str, issuer: &str, client_id: &str) -> Self {
        Self::of(name, Preset::Generic, issuer.to_owned(), client_id)
    }

    /// Okta, by the issuer of its authorization server.
    pub fn okta(name: &str, issuer: &str, client_id: &str) -> Self {
        Self::of(name, Preset::Okta, issuer.to_owned(), client_id)
    }

    /// Auth0, by its issuer.
    pub fn auth0(name: &str, issuer: &str, client_id: &str) -> Self {
        Self::of(name, Preset::Auth0, issuer.to_owned(), client_id)
    }

    /// Keycloak, by the issuer of its realm.
    pub fn keycloak(name: &str, issuer: &str, client_id: &str) -> Self {
        Self::of(name, Preset::Keycloak, issuer.to_owned(), client_id)
    }

    /// Google. Name the organisation with [`domains`](Self::domains); without that, people without an account here are
    /// let in only by [`everybody`](Self::everybody).
    pub fn google(name: &str, client_id: &str) -> Self {
        Self::of(name, Preset::Google, String::new(), client_id)
    }

    /// GitHub, by OAuth: the number of the account is who somebody is. People without an account here are let in only by
    /// [`accounts_for_groups`](Self::accounts_for_groups), [`accounts_for_domains`](Self::accounts_for_domains) or
    /// [`everybody`](Self::everybody).
    pub fn github(name: &str, client_id: &str) -> Self {
        Self::of(name, Preset::GitHub, String::new(), client_id)
    }

    /// Microsoft Entra ID, by the id of the tenant.
    ///
    /// # Errors
    /// A tenant that is not named by its id: `common` would let everybody in.
    pub fn entra(name: &str, tenant: &str, client_id: &str) -> Result<Self, Fault> {
        Ok(Self::of(name, Preset::Entra, oidc::entra_issuer(tenant)?, client_id))
    }

    /// A SAML 2.0 provider, by its metadata. Enter `<issuer>/saml/<name>/metadata` there.
    #[cfg(feature = "saml")]
    pub fn saml(name: &str, metadata: impl Into<Vec<u8>>) -> Self {
        use portcullis_sso::saml;
        let settings = saml::Settings {
            // The server fills in its own addresses.
            entity_id: String::new(),
            acs: String::new(),
            issuer: None,
            idp: saml::Source::Metadata(metadata.into()),
            names: saml::Names::PersistentOnly,
            private_network: false,
        };
        Self::with(name, ProviderKind::Saml(Box::new(settings)), Mapping::saml())
    }

    fn of(name: &str, preset: Preset, issuer: String, client_id: &str) -> Self {
        let settings = oidc::Settings::new(preset, issuer, client_id);
        Self::with(name, ProviderKind::Oidc(Box::new(settings)), preset.mapping())
    }

    fn with(name: &str, kind: ProviderKind, mapping: Mapping) -> Self {
        let (name, label) = (name.to_owned(), name.to_owned());
        let settings =
            ProviderSettings { name, label, kind, mapping, joining: Joining::default(), domains: Vec::new() };
        Self { settings, odd: Vec::new(), everybody: false }
    }

    fn change_oidc(mut self, change: impl FnOnce(&mut oidc::Settings)) -> Self {
        // With SAML switched off there is no other kind.
        #[cfg_attr(
            not(feature = "saml"),
            expect(irrefutable_let_patterns, reason = "there is one kind then")
        )]
        if let ProviderKind::Oidc(oidc) = &mut self.settings.kind {
            change(oidc);
        }
        self
    }

    /// This server's secret there. Without one it is a public client, by PKCE alone.
    pub fn secret(self, secret: impl Into<String>) -> Self {
        let secret = Sealed::new(secret.into());
        self.change_oidc(|oidc| oidc.client_secret = Some(secret))
    }

    /// What people read on its button.
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.settings.label);
        self
    }

    /// Domains of work addresses that lead to it. At Google they are the organisations that are let in, too.
    pub fn domains<S: Into<String>>(mut self, domains: impl IntoIterator<Item = S>) -> Self {
        self.settings.domains =
            domains.into_iter().map(|domain| domain.into().to_ascii_lowercase()).collect();
        let domains = self.settings.domains.clone();
        self.change_oidc(|oidc| {
            if oidc.preset == Preset::Google {
                oidc.hosted_domains = domains;
            }
        })
    }

    /// It stands on a private address, or on another port than 443. Encryption is asked for all the same.
    pub fn private_network(mut self) -> Self {
        match &mut self.settings.kind {
            ProviderKind::Oidc(oidc) => oidc.private_network = true,
            #[cfg(feature = "saml")]
            ProviderKind::Saml(saml) => saml.private_network = true,
        }
        self
    }

    /// A group there and what it is here. With any such call, its people's groups are what it says at every sign-in.
    pub fn group(mut self, theirs: &str, ours: &str) -> Self {
        match Group::parse(ours) {
            Some(group) => {
                self.settings.mapping.group_names.insert(theirs.to_owned(), group.as_str().to_owned());
            }
            None => self.odd.push(ours.to_owned()),
        }
        self
    }

    /// Where its groups and roles stand: claims by name, or by a path into objects such as `realm_access.roles`.
    pub fn groups_from<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.settings.mapping.groups = claims.into_iter().map(ClaimPath::new).collect();
        self
    }

    /// Takes its addresses for verified though it does not say so. You vouch for them.
    pub fn trust_email(mut self) -> Self {
        self.settings.mapping.email_trust = EmailTrust::Administrator;
        self
    }

    /// A verified address leads to the account that has it; never to an administrator's.
    pub fn link_by_email(mut self) -> Self {
        self.settings.joining.link_by_email = true;
        self
    }

    /// Nobody new gets an account.
    pub fn known_people_only(mut self) -> Self {
        self.settings.joining.create = false;
        self
    }

    /// Whoever has an account at Google or GitHub gets one here.
    pub fn everybody(mut self) -> Self {
        self.everybody = true;
        self
    }

    /// Somebody new gets an account only with a verified address in one of these domains.
    pub fn accounts_for_domains<S: Into<String>>(mut self, domains: impl IntoIterator<Item = S>) -> Self {
        self.settings.joining.domains =
            domains.into_iter().map(|domain| domain.into().to_ascii_lowercase()).collect();
        self
    }

    /// Somebody new gets an account only in one of these groups, by our names.
    pub fn accounts_for_groups<S: AsRef<str>>(mut self, groups: impl IntoIterator<Item = S>) -> Self {
        let mut named = BTreeSet::new();
        for group in groups {
            match Group::parse(group.as_ref()) {
                Some(group) => drop(named.insert(group)),
                None => self.odd.push(group.as_ref().to_owned()),
            }
        }
        self.settings.joining.groups = named;
        self
    }

    /// How long a sign-in there counts; 30 days unless said. After that, agents of the person sleep until they sign in
    /// there again.
    pub fn proof_lasts(mut self, lasts: Duration) -> Self {
        self.settings.joining.lasts = lasts;
        self
    }
}

/// All of them, as the server takes them.
pub(crate) fn settings(providers: Vec<Provider>) -> Result<Vec<ProviderSettings>, BuildError> {
    let mut names = BTreeSet::new();
    let mut all = Vec::with_capacity(providers.len());
    for Provider { mut settings, odd, everybody } in providers {
        let name = &settings.name;
        let fits = (1..=NAME).contains(&name.len())
            && !name.starts_with('-')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits || !names.insert(name.clone()) {
            return Err(BuildError::ProviderName(name.clone()));
        }
        if let Some(group) = odd.into_iter().next() {
            return Err(BuildError::Group(group));
        }
        let is_public = match &settings.kind {
            ProviderKind::Oidc(oidc) => {
                oidc.preset.known_issuer().is_some() && oidc.hosted_domains.is_empty()
            }
            #[cfg(feature = "saml")]
            ProviderKind::Saml(_) => false,
        };
        let joining = &mut settings.joining;
        if is_public && !everybody && joining.domains.is_empty() && joining.groups.is_empty() {
            joining.create = false;
        }
        all.push(settings);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_addresses_and_for_one_provider() {
        for (name, given, holds) in [
            ("two", vec!["acme", "other-2"], true),
            ("none", vec![], true),
            ("empty", vec![""], false),
            ("with a capital", vec!["Acme"], false),
            ("with a slash", vec!["a/b"], false),
            ("beginning with a dash", vec!["-a"], false),
            ("twice", vec!["acme", "acme"], false),
        ] {
            let providers = given.iter().map(|name| Provider::github(name, "id")).collect();
            assert_eq!(settings(providers).is_ok(), holds, "{name}");
        }
    }

    #[test]
    fn t_link_nobody_new_comes_from_where_anybody_may_be_unless_that_is_said() {
        for (name, provider, creates) in [
            ("GitHub", Provider::github("p", "id"), false),
            ("GitHub, said", Provider::github("p", "id").everybody(), true),
            ("GitHub, an organisation", Provider::github("p", "id").accounts_for_groups(["staff"]), true),
            ("Google", Provider::google("p", "id"), false),
            ("Google, an organisation", Provider::google("p", "id").domains(["acme.example"]), true),
            ("a company", Provider::oidc("p", "https://login.acme.example", "id"), true),
        ] {
            assert_eq!(settings(vec![provider]).unwrap()[0].joining.create, creates, "{name}");
        }
    }

    #[test]
    fn t_canary_a_secret_is_not_printed() {
        let provider = Provider::oidc("acme", "https://login.acme.example", "id").secret("s3cr3t-canary");
        assert!(!format!("{provider:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_is_no_group_is_told() {
        let provider = Provider::github("hub", "id").group("acme", "not a group!");
        assert!(matches!(settings(vec![provider]), Err(BuildError::Group(_))));
        assert!(Provider::entra("m", "common", "id").is_err());
    }
}
