//! One call in the trail: written when it ends, however it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use super::who::Who;
use crate::ports::{Call, Ending};

/// Tells how long something takes, by the runtime's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(tokio::time::sleep(Duration::ZERO).deadline())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A call that is under way.
pub(crate) struct Noted {
    core: Arc<Core>,
    who: Arc<Who>,
    call: Option<Call>,
    watch: Watch,
    ending: Option<Ending>,
}

impl Noted {
    pub(crate) const fn new(core: Arc<Core>, who: Arc<Who>, call: Option<Call>, watch: Watch) -> Self {
        Self { core, who, call, watch, ending: None }
    }

    /// How it ended. The first word counts.
    pub(crate) fn ends(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// A message answered it that was seen as `ending`, or it ended in this way.
    pub(crate) fn close(mut self, ending: Ending) {
        self.ends(ending);
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        let ending = self.ending.unwrap_or_else(|| {
            let is_cut = self.core.guard.recheck(&self.who.agent, self.core.now());
            match is_cut {
                Err(portcullis_guard::Denied::Token(portcullis_guard::TokenFault::Revoked)) => Ending::Cut,
                _ => Ending::Left,
            }
        });
        self.core.ports.journal.note(call, Some(ending), self.watch.elapsed());
    }
}
