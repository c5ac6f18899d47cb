//! What the door of a resource asks of the server: its ports, over the store.

mod approvals;
mod assertion;
mod budgets;
mod fold;
mod groups;
mod journal;
mod personal;
mod seals;
mod tools;

use std::sync::Arc;

use portcullis_gateway::Assertions;
use portcullis_gateway::door::DoorSettings;
use portcullis_gateway::ports::Ports;
use portcullis_rules::tools::NewTools;
use portcullis_store::StoreError;
use portcullis_wire::resource::Resource;

pub(crate) use self::approvals::Questions;
use self::assertion::Statements;
pub(crate) use self::budgets::Counters;
pub(crate) use self::groups::Membership;
pub(crate) use self::journal::{Trail, Want};
pub(crate) use self::personal::PersonalTokens;
pub(crate) use self::seals::Sealed;
use self::tools::Book;
pub(crate) use self::tools::Books;
use crate::app::App;

impl App {
    /// The ports of the door to one resource. `new` says what becomes of tools that its owner has not seen.
    ///
    /// # Errors
    /// [`StoreError`] if what is known of its tools cannot be read.
    pub async fn ports(self: &Arc<Self>, resource: &Resource, new: NewTools) -> Result<Ports, StoreError> {
        Ok(Ports {
            journal: Arc::clone(&self.trail) as _,
            approvals: Arc::new(Questions(Arc::clone(self))),
            budgets: Arc::clone(&self.counters) as _,
            tools: Arc::new(Book::open(Arc::clone(self), resource.clone(), new).await?),
            seals: Arc::clone(&self.seals) as _,
        })
    }

    /// How a door behaves here: by our clock, and knowing who is in which group.
    pub fn door_settings(&self) -> DoorSettings {
        DoorSettings::new(Arc::clone(&self.clock)).groups(Arc::clone(&self.membership) as _)
    }

    /// Signs statements of who calls, for upstreams that want to know.
    pub fn assertions(self: &Arc<Self>) -> Arc<dyn Assertions> {
        Arc::new(Statements(Arc::clone(self)))
    }
}
