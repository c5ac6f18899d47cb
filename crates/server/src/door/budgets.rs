//! What agents have used: the counters behind the limits, in memory, and what of them is written down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_gateway::ports::{Budgets, Named, Spent};
use portcullis_guard::{Agent, Clock};
use portcullis_rules::budget::{Counter, Limit, Use, Used};
use portcullis_wire::digest::Digest;
use portcullis_wire::time::UnixTime;

/// Counters kept at once, about 100 bytes each. Those whose windows are over go first; beyond that no new one is begun,
/// and who would need one waits.
const COUNTERS: usize = 256 * 1024;
/// How long whoever finds no place among the counters is asked to wait.
const NO_PLACE: Duration = Duration::from_secs(10);

struct Kept {
    /// Which of the limits it belongs to; none until the first use after a restart tells.
    limit: Option<usize>,
    counter: Counter,
    /// What was used of its window when it was last written down.
    written: (UnixTime, u32),
}

/// The limits, and how far each is used up.
pub(crate) struct Counters {
    limits: Vec<Limit>,
    kept: Mutex<HashMap<Digest, Kept>>,
    /// The second in which room was last looked for.
    looked: AtomicI64,
    clock: Arc<dyn Clock>,
}

impl Counters {
    /// With what was written down of the durable windows before. What belongs to no limit of today is left aside: a limit
    /// recognises its counter at the first use.
    pub(crate) fn new(limits: Vec<Limit>, before: Vec<Used>, clock: Arc<dyn Clock>) -> Self {
        let kept = before.into_iter().map(|used| {
            let counter = Counter::restored(used.window_start, used.used);
            (used.key, Kept { limit: None, counter, written: counter.present() })
        });
        Self { limits, kept: Mutex::new(kept.collect()), looked: AtomicI64::new(i64::MIN), clock }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Digest, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: &Use<'_>) -> Result<(), Spent> {
        let now = self.clock.now();
        let counting: Vec<(usize, &Limit, Digest)> = (self.limits.iter().enumerate())
            .filter(|(_, limit)| limit.counts(what))
            .map(|(index, limit)| (index, limit, limit.key(what)))
            .collect();
        if counting.is_empty() {
            return Ok(());
        }
        let mut kept = self.kept();
        // Once in a second: it takes a look at every counter, and all wait for it.
        if kept.len() + counting.len() > COUNTERS
            && self.looked.swap(now.seconds(), Ordering::Relaxed) != now.seconds()
        {
            self.forget(&mut kept, now);
        }
        for (index, limit, key) in &counting {
            let full = kept.len() >= COUNTERS && !kept.contains_key(key);
            if full {
                return Err(Spent { retry_after: NO_PLACE, rule: limit.words() });
            }
            let one = kept.entry(*key).or_insert_with(|| Kept {
                limit: Some(*index),
                counter: Counter::default(),
                written: (now, 0),
            });
            one.limit = Some(*index);
            one.counter
                .has_room(limit, now)
                .map_err(|retry_after| Spent { retry_after, rule: limit.words() })?;
        }
        // Only what all limits have room for is counted by any.
        for (_, limit, key) in &counting {
            if let Some(one) = kept.get_mut(key) {
                one.counter.add(limit, now);
            }
        }
        Ok(())
    }

    fn forget(&self, kept: &mut HashMap<Digest, Kept>, now: UnixTime) {
        kept.retain(|_, one| match one.limit.and_then(|limit| self.limits.get(limit)) {
            Some(limit) => !one.counter.is_over(limit, now),
            // Nobody has asked yet whose it is: as long as its window may last, it may be somebody's budget.
            None => (self.limits.iter().filter(|limit| limit.is_durable()))
                .any(|limit| one.counter.present().0 >= limit.window_start(now)),
        });
    }

    /// What was used of durable windows since this was last asked, to be added to what is written down.
    pub(crate) fn take_used(&self) -> Vec<Used> {
        if !self.limits.iter().any(Limit::is_durable) {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (key, one) in self.kept().iter_mut() {
            if !one.limit.and_then(|limit| self.limits.get(limit)).is_some_and(Limit::is_durable) {
                continue;
            }
            let (start, used) = one.counter.present();
            let before = if one.written.0 == start { one.written.1 } else { 0 };
            if used > before {
                all.push(Used { key: *key, window_start: start, used: used - before });
                one.written = (start, used);
            }
        }
        all
    }

    /// Takes back what could not be written down, to be written with what is used next.
    pub(crate) fn give_back(&self, unwritten: &[Used]) {
        let mut kept = self.kept();
        for used in unwritten {
            if let Some(one) = kept.get_mut(&used.key)
                && one.written.0 == used.window_start
            {
                one.written.1 = one.written.1.saturating_sub(used.used);
            }
        }
    }

    /// Forgets counters that tell nothing any more.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        self.forget(&mut self.kept(), now);
    }
}

impl Budgets for Counters {
    fn take(&self, agent: &Agent, tool: Option<Named<'_>>) -> Result<(), Spent> {
        // An agent of another issuer has no grant of ours, and no limit of ours.
        let (false, Some(grant)) = (self.limits.is_empty(), agent.grant) else { return Ok(()) };
        self.count(&Use {
            grant,
            client: &agent.client,
            person: agent.subject.parse().ok(),
            resource: &agent.resource,
            tool: tool.map(|tool| tool.name),
            is_known: tool.is_some_and(|tool| tool.is_known),
        })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_rules::budget::{Each, Of, Only};
    use portcullis_wire::id::{ClientId, GrantId};
    use portcullis_wire::resource::Resource;

    use super::*;

    struct Hand(AtomicI64);
    impl Clock for Hand {
        fn now(&self) -> UnixTime {
            UnixTime::from_seconds(self.0.load(Ordering::Relaxed))
        }
    }
    struct Millis(AtomicI64);
    impl Clock for Millis {
        fn now(&self) -> UnixTime {
            UnixTime::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn limit(most: u32, seconds: u64, each: Each) -> Limit {
        Limit { of: Of::Calls, most, window: Duration::from_secs(seconds), only: Only::default(), each }
    }

    fn take(counters: &Counters, grant: u64) -> Result<(), Spent> {
        call(counters, grant, "t", true)
    }

    fn call(counters: &Counters, grant: u64, tool: &str, is_known: bool) -> Result<(), Spent> {
        let client = ClientId::parse("client").unwrap();
        let resource = Resource::parse("https://h.example/mcp").unwrap();
        let what = Use {
            grant: GrantId::from_number(grant),
            client: &client,
            person: None,
            resource: &resource,
            tool: Some(tool),
            is_known,
        };
        counters.count(&what)
    }

    #[test]
    fn t_caps_tools_that_are_invented_take_no_place_among_the_counters() {
        let clock = Arc::new(Hand(AtomicI64::new(1_800_000_000)));
        let limits = vec![limit(100, 3600, Each::Tool), limit(1_000_000, 60, Each::Agent)];
        let counters = Counters::new(limits, Vec::new(), clock);
        let went = (0..1000).filter(|n| call(&counters, 1, &format!("invented_{n}"), false).is_ok());
        assert_eq!(went.count(), 100, "all of them are one tool");
        assert_eq!(counters.kept().len(), 2);
        assert!(call(&counters, 2, "t", true).is_ok(), "nobody else is held up");
    }

    #[test]
    fn t_caps_room_among_the_counters_is_looked_for_once_a_second() {
        let clock = Arc::new(Millis(AtomicI64::new(0)));
        let mut quick = limit(1, 1, Each::Agent);
        quick.window = Duration::from_millis(1250);
        let counters = Counters::new(vec![quick], Vec::new(), Arc::clone(&clock) as _);
        for grant in 0..COUNTERS as u64 {
            assert!(take(&counters, grant).is_ok());
        }
        // Over after 2,500 ms.
        for (at, has_room) in [(1_000, false), (2_400, false), (2_600, false), (3_000, true), (3_001, true)] {
            clock.0.store(at, Ordering::Relaxed);
            assert_eq!(take(&counters, 1_000_000 + at.unsigned_abs()).is_ok(), has_room, "{at}");
        }
        assert_eq!(counters.kept().len(), 2);
    }

    /// What was written down of a window that is over.
    fn old(clock: &Hand) -> Used {
        let start = clock.now() - Duration::from_secs(86_400);
        Used { key: Digest::of(b"of nobody"), window_start: start, used: 1 }
    }

    #[test]
    fn w18_each_agent_has_its_own_count_and_a_refused_use_counts_nowhere() {
        let clock = Arc::new(Hand(AtomicI64::new(1_800_000_000)));
        let limits = vec![limit(2, 60, Each::Agent), limit(3, 60, Each::Client)];
        let counters = Counters::new(limits, Vec::new(), Arc::clone(&clock) as _);
        assert!(take(&counters, 1).is_ok() && take(&counters, 1).is_ok());
        let spent = take(&counters, 1).unwrap_err();
        assert_eq!(spent.rule, "2 calls a minute for each agent");
        assert!(take(&counters, 2).is_ok(), "the refused one took nothing of what the client has");
        assert_eq!(take(&counters, 2).unwrap_err().rule, "3 calls a minute for each client");
        clock.0.fetch_add(120, Ordering::Relaxed);
        assert!(take(&counters, 1).is_ok());
    }

    #[test]
    fn w18_a_daily_budget_survives_a_restart_and_is_written_down_once() {
        let clock: Arc<Hand> = Arc::new(Hand(AtomicI64::new(1_800_000_000)));
        let limits = || vec![limit(3, 86_400, Each::Agent), limit(100, 60, Each::Agent)];
        let counters = Counters::new(limits(), Vec::new(), Arc::clone(&clock) as _);
        assert!(take(&counters, 1).is_ok() && take(&counters, 1).is_ok());
        let used = counters.take_used();
        assert_eq!(used.iter().map(|used| used.used).collect::<Vec<_>>(), [2], "the short window is not");
        assert!(counters.take_used().is_empty());
        let after = Counters::new(limits(), used, Arc::clone(&clock) as _);
        after.sweep();
        assert!(take(&after, 1).is_ok());
        assert_eq!(after.take_used().iter().map(|used| used.used).collect::<Vec<_>>(), [1], "what is new");
        assert!(take(&after, 1).is_err());
        clock.0.fetch_add(2 * 86_400, Ordering::Relaxed);
        assert!(take(&after, 1).is_ok());
        assert_eq!(after.take_used().iter().map(|used| used.used).collect::<Vec<_>>(), [1], "of the new day");
        clock.0.fetch_add(40 * 86_400, Ordering::Relaxed);
        after.sweep();
        assert!(after.kept().is_empty(), "nothing is kept for ever");
        let late = Counters::new(limits(), vec![old(&clock)], Arc::clone(&clock) as _);
        late.sweep();
        assert!(late.kept().is_empty(), "nor what nobody asked for");
    }
}
