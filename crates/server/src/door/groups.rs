//! Who is in which group, for rules that ask while a call waits.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use portcullis_gateway::door::Groups;
use portcullis_rules::model::User;
use portcullis_store::{Store, StoreError};

/// The groups of everyone who is in any, by the `sub` of their tokens.
#[derive(Default)]
pub(crate) struct Membership(RwLock<HashMap<String, Arc<[String]>>>);

impl Membership {
    /// Reads everyone's.
    pub(crate) async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let membership = Self::default();
        store.users().await?.iter().for_each(|user| membership.note(user));
        Ok(membership)
    }

    /// Takes note of one person's.
    pub(crate) fn note(&self, user: &User) {
        let groups: Arc<[String]> = user.groups.iter().map(|group| group.as_str().to_owned()).collect();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match groups.is_empty() {
            true => all.remove(&user.id.to_string()),
            false => all.insert(user.id.to_string(), groups),
        };
    }
}

impl Groups for Membership {
    fn of(&self, subject: &str) -> Arc<[String]> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(subject).cloned().unwrap_or_default()
    }
}
