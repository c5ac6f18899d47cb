//! The providers we know by name, and what is peculiar about each.

use super::fault;
use crate::mapping::{ClaimPath, EmailTrust, Mapping};
use crate::{Act, Fault};

/// Which provider it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Any provider by the book.
    #[default]
    Generic,
    /// Google: one issuer for everybody, so that `hd` alone says which organisation a person belongs to; no groups; no
    /// proof of a fresh sign-in (`max_age` is not heeded).
    Google,
    /// Microsoft Entra ID: an issuer per tenant, and `common` has none; it never says whether an address is verified
    /// (its users may type in any); beyond 200 groups it sends a link in their place; it refuses `resource`.
    Entra,
    /// Okta: the organisation's own server, or a custom one below `/oauth2/…`; `groups` must be added there as a claim
    /// and asked for as a scope; the ID token is thin, so that the rest comes from userinfo.
    Okta,
    /// Auth0: the issuer ends in a slash; claims of one's own are named by URLs.
    Auth0,
    /// Keycloak: often on a private network; roles stand inside objects (`realm_access.roles`).
    Keycloak,
    /// GitHub: OAuth without OpenID Connect. Who the person is comes from its API; the number of the account is the
    /// subject, since names are given anew. Organisations are the groups (scope `read:org`).
    GitHub,
}

/// Where GitHub's own people sign in.
pub(crate) const GITHUB: &str = "https://github.com";

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 7] =
        [Self::Generic, Self::Google, Self::Entra, Self::Okta, Self::Auth0, Self::Keycloak, Self::GitHub];

    /// Its word in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "oidc",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Auth0 => "auth0",
            Self::Keycloak => "keycloak",
            Self::GitHub => "github",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == word)
    }

    /// The issuer, where there is one for everybody.
    #[must_use]
    pub const fn known_issuer(self) -> Option<&'static str> {
        match self {
            Self::Google => Some("https://accounts.google.com"),
            Self::GitHub => Some(GITHUB),
            _ => None,
        }
    }

    /// What is asked for unless the owner says otherwise.
    #[must_use]
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Generic | Self::Google | Self::Entra | Self::Auth0 | Self::Keycloak => {
                &["openid", "profile", "email"]
            }
            Self::Okta => &["openid", "profile", "email", "groups"],
            Self::GitHub => &["read:user", "user:email"],
        }
    }

    /// Where its claims stand.
    #[must_use]
    pub fn mapping(self) -> Mapping {
        let paths = |names: &[&str]| names.iter().map(|name| ClaimPath::new(*name)).collect();
        let mut mapping = Mapping::oidc();
        match self {
            Self::Generic | Self::Okta | Self::Auth0 | Self::Google => {}
            Self::Entra => {
                mapping.groups = paths(&["groups", "roles"]);
                mapping.email_trust = EmailTrust::Never;
            }
            Self::Keycloak => mapping.groups = paths(&["groups", "realm_access.roles"]),
            Self::GitHub => {
                mapping.name = paths(&["name", "login"]);
                mapping.groups = paths(&["orgs"]);
            }
        }
        mapping
    }

    /// The issuer a configured one means.
    pub(crate) fn issuer(self, configured: &str) -> String {
        match self.known_issuer() {
            Some(known) if configured.is_empty() => known.to_owned(),
            _ if self == Self::Auth0 && !configured.ends_with('/') => format!("{configured}/"),
            _ => configured.to_owned(),
        }
    }

    /// Whether claims beyond the ID token's are fetched. Google's and Entra's userinfo say no more than their ID tokens.
    pub(crate) const fn asks_userinfo(self) -> bool {
        !matches!(self, Self::Google | Self::Entra | Self::GitHub)
    }

    /// Whether it can prove that somebody has signed in anew.
    pub(crate) const fn proves_again(self) -> bool {
        !matches!(self, Self::Google | Self::GitHub)
    }
}

/// The tenant of everybody's own account at Microsoft, which `consumers` stands for.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The issuer of a tenant of Microsoft Entra ID.
///
/// # Errors
/// A tenant that is not named by its id: `common`, `organizations` and `consumers` let anybody in who has an account at
/// Microsoft, and their documents name no issuer; a domain name leads to a document with another issuer than asked for.
pub fn entra_issuer(tenant: &str) -> Result<String, Fault> {
    let groups = tenant.split('-').map(str::len);
    let is_id =
        groups.eq([8, 4, 4, 4, 12]) && tenant.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if is_id && !tenant.eq_ignore_ascii_case(CONSUMERS) {
        return Ok(format!("https://login.microsoftonline.com/{}/v2.0", tenant.to_ascii_lowercase()));
    }
    let why = match &*tenant.to_ascii_lowercase() {
        "common" | "organizations" | "consumers" | CONSUMERS => {
            "it stands for every tenant there is: whoever has an account at Microsoft could sign in, and its tokens \
             name an issuer that nobody has configured"
        }
        _ => {
            "issuers there are named by the tenant's id, and another spelling never equals what a token says"
        }
    };
    Err(fault::administrator(
        "entra_tenant",
        format!("the tenant `{}` is not a tenant's id", portcullis_wire::text::displayable(tenant, 60)),
        why,
        "set `tenant` to the Directory (tenant) ID that the Overview page of the Entra admin center shows",
    ))
}

/// What Entra sends in place of more groups than fit (its "overage").
pub(crate) fn groups_overage(claims: &serde_json::Map<String, serde_json::Value>) -> Option<Fault> {
    let elsewhere = claims.get("_claim_names").and_then(|names| names.get("groups")).is_some();
    (elsewhere || claims.contains_key("hasgroups")).then(|| {
        Fault::new(
            "groups_overage",
            Act::Provider,
            "the person is in more groups than Entra puts into a token",
            "it sent a link in their place, and without the groups nobody can say what the person may do",
            "in the app registration, emit only `Groups assigned to the application`, or use app roles, which are \
             always sent (`groups_claim = [\"roles\"]`)",
        )
    })
}
