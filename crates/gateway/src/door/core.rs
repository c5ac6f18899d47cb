//! What all requests through one door share.

use std::sync::Arc;

use portcullis_guard::{Denied, Guard};
use portcullis_policy::Policy;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::bounds::{ANSWERS_HELD, TASKS};
use super::held::BLOCK;
use super::lister::Lister;
use super::places::Places;
use super::questions::Questions;
use super::settings::DoorSettings;
use crate::ports::Ports;

pub(crate) struct Core {
    pub(crate) guard: Guard,
    pub(crate) required: Scopes,
    pub(crate) policy: Policy,
    pub(crate) ports: Ports,
    pub(crate) settings: DoorSettings,
    pub(crate) places: Arc<Places>,
    pub(crate) questions: Arc<Questions>,
    pub(crate) lister: Lister,
    /// Room for answers that are held, in blocks of [`BLOCK`].
    pub(crate) room: Arc<Semaphore>,
    /// An agent's tasks, by key and the server's own id, with the sealed form the agent knows.
    pub(crate) tasks: Cache<(Arc<str>, String), Arc<str>>,
}

impl Core {
    pub(crate) fn new(
        guard: Guard,
        required: &Scopes,
        policy: &Policy,
        ports: Ports,
        settings: DoorSettings,
    ) -> Self {
        let policy = policy.clone().require(required);
        Self {
            guard,
            required: policy.table().base().clone(),
            policy,
            ports,
            settings,
            places: Arc::default(),
            questions: Arc::default(),
            lister: Lister::default(),
            room: Arc::new(Semaphore::new(ANSWERS_HELD / BLOCK)),
            tasks: Cache::new(TASKS),
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.settings.clock.now()
    }

    /// Counts a refusal with nobody proven behind it.
    pub(crate) fn unproven(&self, denied: &Denied) {
        let reason = match denied {
            Denied::NoToken => "no_token",
            Denied::TokenInQuery => "token_in_query",
            Denied::Malformed | Denied::TwoCredentials => "malformed_credentials",
            Denied::Token(_) => "invalid_token",
            Denied::Unready => "unready",
            Denied::Origin => "foreign_origin",
            Denied::Host => "foreign_host",
            _ => "other",
        };
        self.ports.journal.unproven(self.guard.resource(), reason);
    }
}
