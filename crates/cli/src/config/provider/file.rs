//! One `[[provider]]`, as written.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::fault::Fault;
use crate::config::reader::{At, Reader};

/// One `[[provider]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProviderFile {
    pub(crate) line: usize,
    pub(crate) name: Option<At<String>>,
    pub(crate) label: Option<At<String>>,
    pub(crate) kind: Option<At<String>>,
    pub(crate) issuer: Option<At<String>>,
    pub(crate) tenant: Option<At<String>>,
    pub(crate) client_id: Option<At<String>>,
    pub(crate) client_secret_file: Option<At<PathBuf>>,
    pub(crate) client_secret_env: Option<At<String>>,
    pub(crate) client_auth: Option<At<String>>,
    pub(crate) scopes: Option<Vec<At<String>>>,
    pub(crate) metadata_file: Option<At<PathBuf>>,
    pub(crate) metadata_url: Option<At<String>>,
    pub(crate) metadata_fingerprint: Option<At<String>>,
    pub(crate) reassignable_names: Option<At<bool>>,
    pub(crate) domains: Option<Vec<At<String>>>,
    pub(crate) private_network: Option<At<bool>>,
    pub(crate) accounts: Option<At<String>>,
    pub(crate) account_domains: Option<Vec<At<String>>>,
    pub(crate) account_groups: Option<Vec<At<String>>>,
    pub(crate) link_by_email: Option<At<bool>>,
    pub(crate) trust_email: Option<At<bool>>,
    pub(crate) proof_lasts: Option<At<Duration>>,
    pub(crate) name_claim: Option<At<String>>,
    pub(crate) email_claim: Option<At<String>>,
    pub(crate) groups_claim: Option<Vec<At<String>>>,
    /// Theirs to ours, as written.
    pub(crate) groups: Option<Vec<(String, At<String>)>>,
}

impl ProviderFile {
    pub(crate) fn from_table(table: &mut Reader<'_>) -> Self {
        Self {
            line: table.line(),
            name: table.text("name"),
            label: table.text("label"),
            kind: table.text("kind"),
            issuer: table.text("issuer"),
            tenant: table.text("tenant"),
            client_id: table.text("client_id"),
            client_secret_file: table.path("client_secret_file"),
            client_secret_env: table.text("client_secret_env"),
            client_auth: table.text("client_auth"),
            scopes: table.texts("scopes"),
            metadata_file: table.path("metadata_file"),
            metadata_url: table.text("metadata_url"),
            metadata_fingerprint: table.text("metadata_fingerprint"),
            reassignable_names: table.flag("reassignable_names"),
            domains: table.texts("domains"),
            private_network: table.flag("private_network"),
            accounts: table.text("accounts"),
            account_domains: table.texts("account_domains"),
            account_groups: table.texts("account_groups"),
            link_by_email: table.flag("link_by_email"),
            trust_email: table.flag("trust_email"),
            proof_lasts: table.span("proof_lasts"),
            name_claim: table.text("name_claim"),
            email_claim: table.text("email_claim"),
            groups_claim: table.texts("groups_claim"),
            groups: table.map("groups"),
        }
    }

    /// The setting that says which provider it is, and its line.
    pub(super) fn known_by(&self) -> (&'static str, Option<usize>) {
        match &self.metadata_file {
            Some(at) => ("metadata_file", Some(at.line)),
            None => ("issuer", self.issuer.as_ref().map(|at| at.line)),
        }
    }

    pub(super) fn fault(&self, at: Option<usize>, key: &str, message: impl std::fmt::Display) -> Fault {
        Fault::new(at.filter(|line| *line > 0).unwrap_or(self.line), &format!("provider.{key}"), message)
    }
}
