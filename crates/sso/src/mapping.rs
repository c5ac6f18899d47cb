//! What a provider's claims mean here: a name, an e-mail address and whether it counts, groups. A pure function of the
//! claims, whose every step is told, so that `portcullis sso test` can show it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use portcullis_wire::limit;
use portcullis_wire::text::displayable;
use serde_json::{Map, Value};

use crate::Identity;

/// Longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3, without its brackets).
pub const EMAIL: usize = 254;
/// Longest value of a claim that is shown, in characters.
const SHOWN: usize = 120;

/// Where a claim stands: the name of a member, or a path of names with dots between, into objects.
///
/// A member of exactly that name comes first, so that names that are URLs, or hold dots of their own, need no escape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimPath(String);

impl ClaimPath {
    /// The path as an owner writes it: `groups`, `realm_access.roles`, `https://acme.example/roles`.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands there.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        find(claims, &self.0).map(|(_, value)| value)
    }
}

/// The value, and the name of the outermost claim it stands in.
fn find<'a, 'p>(claims: &'a Map<String, Value>, path: &'p str) -> Option<(&'p str, &'a Value)> {
    if let Some(value) = claims.get(path) {
        return Some((path, value));
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (head, rest) = (path.get(..at)?, path.get(at + 1..)?);
        let Some(Value::Object(inner)) = claims.get(head) else { return None };
        find(inner, rest).map(|(_, value)| (head, value))
    })
}

/// On whose word an e-mail address counts as the person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailTrust {
    /// The provider says so, in a claim that must be the boolean `true` (OpenID Connect Core §5.1).
    Claim(ClaimPath),
    /// The administrator vouches for every address this provider names.
    Administrator,
    /// Nobody does.
    Never,
}

/// What the claims of one provider mean here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where the person's name stands; the first that is a text counts.
    pub name: Vec<ClaimPath>,
    /// Where the e-mail address stands.
    pub email: ClaimPath,
    /// On whose word it counts.
    pub email_trust: EmailTrust,
    /// Where names of groups and roles stand; all of them count together.
    pub groups: Vec<ClaimPath>,
    /// Their names to ours.
    pub group_names: BTreeMap<String, String>,
    /// Whether groups without an entry keep their own names, if those are fit to be ours.
    pub keep_other_groups: bool,
}

/// An e-mail address. It is a person's data: `Debug` keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// The address, its domain in small letters.
    pub address: String,
    /// Whether it counts as the person's.
    pub verified: bool,
}

/// What a claim became.
#[derive(Clone, PartialEq, Eq)]
pub struct Traced {
    /// The claim, or the path to it.
    pub claim: String,
    /// Its value, cleaned and shortened for a terminal.
    pub value: String,
    /// What it became, in words.
    pub became: String,
}

/// What an identity means here. It is a person's data: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mapped {
    /// How the person is called.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// The groups, under our names; `None` where no mapping of groups is configured, so that they are not this
    /// provider's to say. With a mapping, a claim that is absent means no groups.
    pub groups: Option<BTreeSet<String>>,
    /// Every claim that was received, and every one that was looked for in vain.
    pub trace: Vec<Traced>,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("verified", &self.verified).finish_non_exhaustive()
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").field("claim", &self.claim).finish_non_exhaustive()
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped").field("claims", &self.trace.len()).finish_non_exhaustive()
    }
}

impl Mapping {
    /// For OpenID Connect: the standard claims (Core §5.1), and `groups`, which many providers send.
    #[must_use]
    pub fn oidc() -> Self {
        Self {
            name: vec![ClaimPath::new("name"), ClaimPath::new("preferred_username")],
            email: ClaimPath::new("email"),
            email_trust: EmailTrust::Claim(ClaimPath::new("email_verified")),
            groups: vec![ClaimPath::new("groups")],
            group_names: BTreeMap::new(),
            keep_other_groups: false,
        }
    }

    /// For SAML: the attribute names that need the least explaining at a provider. No assertion says whether it has
    /// verified an address, so none counts until the administrator vouches.
    #[must_use]
    pub fn saml() -> Self {
        Self {
            name: vec![
                ClaimPath::new("name"),
                ClaimPath::new("displayName"),
                ClaimPath::new("urn:oid:2.16.840.1.113730.3.1.241"),
                ClaimPath::new("http://schemas.microsoft.com/identity/claims/displayname"),
            ],
            email_trust: EmailTrust::Never,
            ..Self::oidc()
        }
    }

    /// Whether this mapping says anything of groups.
    #[must_use]
    pub fn says_groups(&self) -> bool {
        !self.groups.is_empty() && (self.keep_other_groups || !self.group_names.is_empty())
    }

    /// What `identity` means here.
    #[must_use]
    pub fn apply(&self, identity: &Identity) -> Mapped {
        let mut reading = Reading { claims: &identity.claims, used: BTreeSet::new(), trace: Vec::new() };
        let name = self.name(&mut reading);
        let email = self.email(&mut reading);
        let groups = self.groups(&mut reading);
        let trace = reading.finish();
        Mapped { name, email, groups, trace }
    }

    fn name(&self, reading: &mut Reading<'_>) -> Option<String> {
        let mut name = None;
        for path in &self.name {
            let Some(value) = reading.take(path) else { continue };
            let text = one_text(value).map(|text| displayable(text, limit::ACCOUNT_NAME));
            let became = match (&name, text.filter(|text| !text.is_empty())) {
                (_, None) => "not used: not a text",
                (Some(_), Some(_)) => "not used: an earlier claim gave the name",
                (None, Some(text)) => {
                    name = Some(text);
                    "the name"
                }
            };
            reading.tell(path, value, became);
        }
        name
    }

    fn email(&self, reading: &mut Reading<'_>) -> Option<Email> {
        let value = reading.take(&self.email);
        let verified = match &self.email_trust {
            EmailTrust::Administrator => true,
            EmailTrust::Never => false,
            EmailTrust::Claim(path) => match reading.take(path) {
                Some(value) => {
                    let is_true = *value == Value::Bool(true);
                    let became = match (is_true, value) {
                        (true, _) => "the e-mail address counts",
                        (false, Value::Bool(false)) => "the e-mail address does not count",
                        (false, _) => "the e-mail address does not count: this is not the boolean true",
                    };
                    reading.tell(path, value, became);
                    is_true
                }
                None => {
                    if value.is_some() {
                        reading.missing(path, "the e-mail address does not count");
                    }
                    false
                }
            },
        };
        let Some(value) = value else {
            reading.missing(&self.email, "no e-mail address");
            return None;
        };
        let text = match (&self.email_trust, value) {
            (EmailTrust::Claim(_), Value::String(text)) => Some(text.as_str()),
            (EmailTrust::Claim(_), _) => None,
            _ => one_text(value),
        };
        let address = text.and_then(address);
        let became = match (&address, verified) {
            (None, _) => "not used: not an e-mail address",
            (Some(_), true) => "the e-mail address, which counts as the person's",
            (Some(_), false) => "an e-mail address, which nobody vouches for",
        };
        reading.tell(&self.email, value, became);
        address.map(|address| Email { address, verified })
    }

    fn groups(&self, reading: &mut Reading<'_>) -> Option<BTreeSet<String>> {
        if !self.says_groups() {
            for path in &self.groups {
                if let Some(value) = reading.take(path) {
                    reading.tell(path, value, "not used: no groups are mapped for this provider");
                }
            }
            return None;
        }
        // A group here that is given to one of theirs by name is not for another of theirs to take by its own name.
        let given: BTreeSet<&str> = self.group_names.values().map(String::as_str).collect();
        let (mut ours, mut kept) = (BTreeSet::new(), Vec::new());
        for path in &self.groups {
            let Some(value) = reading.take(path) else {
                reading.missing(path, "no groups from here");
                continue;
            };
            let one = [value.clone()];
            for value in value.as_array().map_or(&one[..], Vec::as_slice) {
                let Value::String(theirs) = value else {
                    reading.tell(path, value, "not used: not the name of a group");
                    continue;
                };
                match self.group_names.get(theirs) {
                    Some(name) => {
                        reading.tell(path, value, &format!("the group {name}"));
                        ours.insert(name.clone());
                    }
                    None if !self.keep_other_groups => reading.tell(path, value, "not used: not mapped"),
                    None => kept.push((path, value.clone(), fit(theirs))),
                }
            }
            if value.as_array().is_some_and(Vec::is_empty) {
                reading.tell(path, value, "no groups");
            }
        }
        for (path, value, name) in kept {
            match name {
                None => reading.tell(path, &value, "not used: not fit to be the name of a group here"),
                Some(name) if given.contains(name.as_str()) => {
                    reading.tell(
                        path,
                        &value,
                        "not used: a group of that name here stands for another of theirs",
                    );
                }
                Some(name) if ours.contains(&name) || ours.len() < limit::GROUPS => {
                    reading.tell(path, &value, &format!("the group {name}"));
                    ours.insert(name);
                }
                Some(_) => reading.tell(path, &value, "not used: beyond the most groups one person may have"),
            }
        }
        Some(ours)
    }
}

/// The claims on their way through a mapping.
struct Reading<'a> {
    claims: &'a Map<String, Value>,
    used: BTreeSet<String>,
    trace: Vec<Traced>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, path: &ClaimPath) -> Option<&'a Value> {
        let (outermost, value) = find(self.claims, path.as_str())?;
        self.used.insert(outermost.to_owned());
        Some(value)
    }

    fn tell(&mut self, path: &ClaimPath, value: &Value, became: &str) {
        self.trace.push(Traced {
            claim: path.as_str().to_owned(),
            value: shown(value),
            became: became.to_owned(),
        });
    }

    fn missing(&mut self, path: &ClaimPath, became: &str) {
        self.trace.push(Traced {
            claim: path.as_str().to_owned(),
            value: "(absent)".to_owned(),
            became: became.to_owned(),
        });
    }

    /// The claims nobody took come last. An object of which a part was taken is told whole as well, since nothing that
    /// was received is left out.
    fn finish(mut self) -> Vec<Traced> {
        for (name, value) in self.claims {
            if self.trace.iter().any(|traced| traced.claim == *name) {
                continue;
            }
            let became = match name.as_str() {
                _ if self.used.contains(name) => "used in part",
                "iss" | "sub" => "the account: issuer and subject name it",
                "aud" | "azp" | "exp" | "iat" | "nbf" | "nonce" | "at_hash" | "auth_time" => "checked",
                _ => "not used",
            };
            self.trace.push(Traced {
                claim: displayable(name, SHOWN),
                value: shown(value),
                became: became.to_owned(),
            });
        }
        self.trace
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => displayable(text, SHOWN),
        other => displayable(&other.to_string(), SHOWN),
    }
}

/// A text, or the only value of an attribute.
fn one_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(values) => match values.as_slice() {
            [Value::String(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// An address as it is compared: one `@`, something on both sides, no white space, no control or non-ASCII characters
/// (a look-alike letter would be somebody else's address), its domain in small letters.
fn address(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let is_plain = text.len() <= EMAIL && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_whole =
        !local.is_empty() && domain.contains('.') && !domain.contains(['@', ',', ';', '<', '>', '"']);
    let has_labels = domain.split('.').all(|label| !label.is_empty());
    (is_plain && is_whole && has_labels).then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// A name as ours are: small letters, digits, `-`, `_`, `.` and `@`, beginning with a letter or digit.
fn fit(theirs: &str) -> Option<String> {
    let name = theirs.to_ascii_lowercase();
    let is_fit = name.len() <= limit::GROUP_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@'));
    is_fit.then_some(name)
}

#[cfg(test)]
mod tests;
