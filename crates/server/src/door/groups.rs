//! Who is in which group, for rules that ask while a call waits.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use portcullis_gateway::door::Groups;
use portcullis_rules::model::User;
use portcullis_store::{Store, StoreError};
use portcullis_wire::id::UserId;

/// The groups of everyone who is in any, by the `sub` of their tokens.
#[derive(Default)]
pub(crate) struct Membership {
    all: RwLock<HashMap<String, Arc<[String]>>>,
    /// Held while someone's groups are changed and noted.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

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
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        match groups.is_empty() {
            true => all.remove(&user.id.to_string()),
            false => all.insert(user.id.to_string(), groups),
        };
    }

    /// Forgets one who is gone.
    pub(crate) fn forget(&self, user: UserId) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(&user.to_string());
    }
}

impl Groups for Membership {
    fn of(&self, subject: &str) -> Arc<[String]> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(subject).cloned().unwrap_or_default()
    }
}
