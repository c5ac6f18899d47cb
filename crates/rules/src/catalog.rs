//! The guarded resources and the scopes each offers, as configured.

use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{OFFLINE_ACCESS, Scope, Scopes};

use crate::groups::{Admission, Admitted, People};
use crate::model::User;
use crate::refusal::Refusal;

/// What a scope lets an agent do, for the person who judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It reads.
    Reads,
    /// It changes data.
    Changes,
    /// It deletes or spends.
    Deletes,
}

/// One scope of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeEntry {
    /// The scope.
    pub scope: Scope,
    /// What it allows, in human words.
    pub title: String,
    /// What it does.
    pub effect: Effect,
    /// The tools it opens, for display.
    pub tools: Vec<String>,
    /// Whether it is given to a client that names no scope.
    pub default: bool,
    /// Which people may have it, of those who may use the resource. Machines have what was entered for them.
    pub people: People,
}

/// One guarded resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceEntry {
    /// Its canonical URI: the `aud` of its tokens.
    pub resource: Resource,
    /// Its name for people.
    pub name: String,
    /// Its scopes.
    pub scopes: Vec<ScopeEntry>,
    /// Whether its tokens are signed with RS256, for servers that know nothing else (RFC 9068 §2.1).
    pub rs256: bool,
    /// Which people may use it. Machines may use what was entered for them.
    pub people: People,
}

impl ResourceEntry {
    /// Every scope it offers.
    pub fn offered(&self) -> Scopes {
        self.scopes.iter().map(|entry| entry.scope.clone()).collect()
    }

    /// What a person may have here today, by their groups: none if the resource is not for them.
    pub fn admitted(&self, user: &User) -> Option<Admitted> {
        let mut relies_on = Vec::new();
        let mut rely = |by: Admission| {
            if let Admission::ByGroup(group) = by
                && !relies_on.contains(&group)
            {
                relies_on.push(group);
            }
        };
        rely(self.people.admit(user)?);
        let mut scopes = Scopes::none();
        for entry in &self.scopes {
            if let Some(by) = entry.people.admit(user) {
                rely(by);
                scopes.insert(entry.scope.clone());
            }
        }
        Some(Admitted { scopes, relies_on })
    }

    /// What a client gets that names no scope: not everything (protocol A15).
    pub fn default_scopes(&self) -> Scopes {
        self.scopes.iter().filter(|entry| entry.default).map(|entry| entry.scope.clone()).collect()
    }
}

/// Two resources that cannot be told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the resources {0} and {1} differ only in what is not compared: host case, default port, or a trailing slash"
)]
pub struct SameResource(pub Resource, pub Resource);

/// Every guarded resource of one installation.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: Vec<ResourceEntry>,
}

impl Catalog {
    /// Takes the entries; the first is the default where there is more than one and none is named.
    ///
    /// # Errors
    /// [`SameResource`] if two are equal modulo what is not compared.
    pub fn new(entries: Vec<ResourceEntry>) -> Result<Self, SameResource> {
        for (index, entry) in entries.iter().enumerate() {
            if let Some(other) = entries[..index].iter().find(|other| other.resource.is_same(&entry.resource))
            {
                return Err(SameResource(other.resource.clone(), entry.resource.clone()));
            }
        }
        Ok(Self { entries })
    }

    /// All of them.
    pub fn entries(&self) -> &[ResourceEntry] {
        &self.entries
    }

    /// The entry of exactly this resource.
    pub fn entry(&self, resource: &Resource) -> Option<&ResourceEntry> {
        self.entries.iter().find(|entry| entry.resource.is_same(resource))
    }

    /// Every scope of every resource.
    pub fn all_scopes(&self) -> Scopes {
        self.entries.iter().fold(Scopes::none(), |all, entry| all.union(&entry.offered()))
    }

    /// The resource a request names (RFC 8707 §2): none is the default one, the same twice is once.
    ///
    /// # Errors
    /// [`Refusal::ResourceUnknown`] or [`Refusal::ResourceMany`].
    pub fn named(&self, asked: &[String]) -> Result<&ResourceEntry, Refusal> {
        let mut found: Option<&ResourceEntry> = None;
        for text in asked {
            let resource = Resource::parse(text).map_err(|_| Refusal::ResourceUnknown)?;
            let entry = self.entry(&resource).ok_or(Refusal::ResourceUnknown)?;
            if found.is_some_and(|earlier| earlier != entry) {
                return Err(Refusal::ResourceMany);
            }
            found = Some(entry);
        }
        match found {
            Some(entry) => Ok(entry),
            None => self.entries.first().ok_or(Refusal::ResourceUnknown),
        }
    }

    /// The scopes a request asks for at `entry`: unknown ones are left out, none is the default set, and a
    /// request in which nothing is known is refused (RFC 6749 §3.3).
    ///
    /// # Errors
    /// [`Refusal::ScopeUnknown`].
    pub fn asked(
        &self,
        entry: &ResourceEntry,
        scope: Option<&str>,
        ceiling: Option<&Scopes>,
    ) -> Result<Scopes, Refusal> {
        let offered = match ceiling {
            Some(ceiling) => entry.offered().intersection(ceiling),
            None => entry.offered(),
        };
        let asked = Scopes::parse(scope.unwrap_or_default()).map_err(|_| Refusal::ScopeUnknown)?;
        let named = asked.without(OFFLINE_ACCESS);
        let granted = if named.is_empty() {
            entry.default_scopes().intersection(&offered)
        } else {
            named.intersection(&offered)
        };
        if granted.is_empty() { Err(Refusal::ScopeUnknown) } else { Ok(granted) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entry(uri: &str) -> ResourceEntry {
        let scope = |text: &str, effect, default| ScopeEntry {
            scope: Scope::parse(text).unwrap(),
            title: text.to_owned(),
            effect,
            tools: vec![],
            default,
            people: People::Everyone,
        };
        ResourceEntry {
            resource: Resource::parse(uri).unwrap(),
            name: "Notes".to_owned(),
            scopes: vec![scope("read", Effect::Reads, true), scope("write", Effect::Changes, false)],
            rs256: false,
            people: People::Everyone,
        }
    }

    pub(crate) fn catalog() -> Catalog {
        Catalog::new(vec![entry("https://h.example/mcp"), entry("https://h.example/other")]).unwrap()
    }

    /// The same resources, for one group alone.
    pub(crate) fn closed_to(group: &str) -> Catalog {
        let people = People::Groups([crate::groups::Group::parse(group).unwrap()].into());
        let entries = catalog().entries;
        Catalog::new(
            entries.into_iter().map(|entry| ResourceEntry { people: people.clone(), ..entry }).collect(),
        )
        .unwrap()
    }

    #[test]
    fn a10_to_a13_resources_by_name() {
        let catalog = catalog();
        for (given, expected) in [
            (vec![], Ok("https://h.example/mcp")),
            (vec!["https://h.example/other"], Ok("https://h.example/other")),
            (vec!["https://H.example:443/mcp/"], Ok("https://h.example/mcp")),
            (vec!["https://h.example/mcp", "https://h.example/mcp/"], Ok("https://h.example/mcp")),
            (vec!["https://h.example/mcp", "https://h.example/other"], Err(Refusal::ResourceMany)),
            (vec!["https://h.example/none"], Err(Refusal::ResourceUnknown)),
            (vec!["/mcp"], Err(Refusal::ResourceUnknown)),
            (vec!["https://h.example/mcp#x"], Err(Refusal::ResourceUnknown)),
        ] {
            let asked: Vec<String> = given.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(catalog.named(&asked).map(|e| e.resource.as_str()), expected, "{given:?}");
        }
        assert!(Catalog::new(vec![entry("https://h.example/mcp"), entry("https://h.example/mcp/")]).is_err());
    }

    #[test]
    fn a14_a15_unknown_scopes_narrow_and_none_is_the_default() {
        let catalog = catalog();
        let entry = &catalog.entries()[0];
        for (given, ceiling, expected) in [
            (None, None, Ok("read")),
            (Some("offline_access"), None, Ok("read")),
            (Some("read write"), None, Ok("read write")),
            (Some("write unknown"), None, Ok("write")),
            (Some("unknown"), None, Err(Refusal::ScopeUnknown)),
            (Some("a  b"), None, Err(Refusal::ScopeUnknown)),
            (Some("read write"), Some("read"), Ok("read")),
            (Some("write"), Some("read"), Err(Refusal::ScopeUnknown)),
        ] {
            let ceiling = ceiling.map(|c| Scopes::parse(c).unwrap());
            assert_eq!(
                catalog.asked(entry, given, ceiling.as_ref()).map(|s| s.to_string()),
                expected.map(str::to_owned),
                "{given:?}"
            );
        }
    }
}
