//! How much one agent may have under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bounds::{IN_FLIGHT_PER_AGENT, STREAMS_PER_AGENT};
use super::who::AgentKey;

/// Counts what is under way. It remembers only agents that have something under way.
#[derive(Default)]
pub(crate) struct Places {
    taken: Mutex<HashMap<Arc<str>, Taken>>,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    calls: usize,
    streams: usize,
}

/// What takes a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A request that ends with its answer.
    Call,
    /// A stream that ends when somebody ends it.
    Stream,
}

/// A place, given back when it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    agent: Arc<str>,
    takes: Takes,
}

impl Places {
    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>, agent: &AgentKey, takes: Takes) -> Option<Place> {
        let mut taken = self.taken();
        let entry = taken.entry(Arc::clone(&agent.0)).or_default();
        let (count, most) = entry.of(takes);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), agent: Arc::clone(&agent.0), takes })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Arc<str>, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    const fn of(&mut self, takes: Takes) -> (&mut usize, usize) {
        match takes {
            Takes::Call => (&mut self.calls, IN_FLIGHT_PER_AGENT),
            Takes::Stream => (&mut self.streams, STREAMS_PER_AGENT),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        let Some(entry) = taken.get_mut(&self.agent) else { return };
        let (count, _) = entry.of(self.takes);
        *count = count.saturating_sub(1);
        if entry.calls == 0 && entry.streams == 0 {
            taken.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_caps_an_agent_has_so_many_places_and_others_have_theirs() {
        let places = Arc::new(Places::default());
        let [one, other] = ["one", "other"].map(|key| AgentKey(key.into()));
        for (takes, most) in [(Takes::Call, IN_FLIGHT_PER_AGENT), (Takes::Stream, STREAMS_PER_AGENT)] {
            let mut held: Vec<_> = (0..most).map(|_| places.take(&one, takes).unwrap()).collect();
            assert!(places.take(&one, takes).is_none(), "{takes:?}");
            assert!(places.take(&other, takes).is_some(), "{takes:?}");
            held.pop();
            held.extend(places.take(&one, takes));
            assert_eq!(held.len(), most, "{takes:?}");
        }
        assert!(places.taken().is_empty());
    }
}
