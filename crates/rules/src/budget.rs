//! Limits: how much an agent may use in a window of time.
//!
//! Everything here is a plain function of a small counter and `now`; whoever keeps the counters decides where. Short
//! windows slide: the part of the window before that still overlaps is counted as if it had been used evenly, so that
//! nobody gets twice the limit around a boundary. Windows of [`DURABLE_FROM`] or more are fixed and begin at multiples
//! of their length since 1970 (a day begins at midnight UTC); what was used of them is written down, so that a restart
//! gives nobody a new budget.

use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;

use crate::canonical;

/// Windows from this length on are fixed, and survive a restart.
pub const DURABLE_FROM: Duration = Duration::from_secs(60 * 60);

/// The longest window there may be. What was used before it need not be remembered.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The shortest window there may be.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Every request.
    Requests,
    /// Tool calls.
    Calls,
}

/// For whom each a count of its own is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Each {
    /// For each agent.
    Agent,
    /// For each client, whoever it acts for.
    Client,
    /// For each person, all their agents together; a machine counts by itself.
    Person,
    /// For each resource, all agents together.
    Resource,
    /// For each tool of each resource, all agents together. Names that no server has count as one.
    Tool,
}

impl Each {
    /// The word in configuration and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Client => "client",
            Self::Person => "person",
            Self::Resource => "resource",
            Self::Tool => "tool",
        }
    }
}

/// Which use a limit is for; what is not named is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// This agent.
    pub agent: Option<GrantId>,
    /// This client.
    pub client: Option<ClientId>,
    /// Tools whose names this pattern matches: `*` stands for any text, everything else for itself.
    pub tool: Option<String>,
    /// This resource.
    pub resource: Option<Resource>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub of: Of,
    /// How many there may be in a window.
    pub most: u32,
    /// The window, between [`SHORTEST_WINDOW`] and [`LONGEST_WINDOW`].
    pub window: Duration,
    /// Which use it is for.
    pub only: Only,
    /// For whom each a count is kept.
    pub each: Each,
}

/// One use.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The agent.
    pub grant: GrantId,
    /// Its client.
    pub client: &'a ClientId,
    /// Its person; none for a machine.
    pub person: Option<UserId>,
    /// Where.
    pub resource: &'a Resource,
    /// The tool, if one is called.
    pub tool: Option<&'a str>,
    /// Whether the resource is known to have that tool.
    pub is_known: bool,
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Limit {
    /// Whether this use counts.
    pub fn counts(&self, what: &Use<'_>) -> bool {
        let only = &self.only;
        (self.of == Of::Requests || what.tool.is_some())
            && (self.each != Each::Tool || what.tool.is_some())
            && only.agent.is_none_or(|agent| agent == what.grant)
            && only.client.as_ref().is_none_or(|client| client == what.client)
            && only.resource.as_ref().is_none_or(|resource| resource.is_same(what.resource))
            && only.tool.as_ref().is_none_or(|pattern| what.tool.is_some_and(|tool| fits(pattern, tool)))
    }

    /// What names the count of this use: the limit, whatever its number, and for whom it is kept. A limit that is
    /// changed in anything but its number begins anew.
    pub fn key(&self, what: &Use<'_>) -> Digest {
        let agent = self.only.agent.map(|agent| agent.to_string()).unwrap_or_default();
        let whose = match self.each {
            Each::Agent => what.grant.to_string(),
            Each::Client => what.client.to_string(),
            Each::Person => what.person.map_or_else(|| what.grant.to_string(), |person| person.to_string()),
            Each::Resource => what.resource.to_string(),
            // Two servers may each have a tool of one name; using up the one leaves the other alone. Names that no server
            // has count as one: a count for each would let whoever invents them fill the place that all counts share.
            Each::Tool => {
                format!("{} {}", what.resource, what.tool.filter(|_| what.is_known).unwrap_or_default())
            }
        };
        canonical::digest(
            "count of a limit",
            &[
                if self.of == Of::Requests { "requests" } else { "calls" },
                &self.window.as_millis().to_string(),
                &agent,
                self.only.client.as_ref().map_or("", ClientId::as_str),
                self.only.tool.as_deref().unwrap_or_default(),
                self.only.resource.as_ref().map_or("", Resource::as_str),
                self.each.as_str(),
                &whose,
            ],
        )
    }

    /// Whether its window is fixed and what was used of it is written down.
    pub fn is_durable(&self) -> bool {
        self.window >= DURABLE_FROM
    }

    /// When the window that holds `now` began.
    pub fn window_start(&self, now: UnixTime) -> UnixTime {
        UnixTime::from_millis(now.millis() - now.millis().rem_euclid(self.length()))
    }

    fn length(&self) -> i64 {
        i64::try_from(self.window.clamp(SHORTEST_WINDOW, LONGEST_WINDOW).as_millis()).unwrap_or(i64::MAX)
    }

    /// The limit in words, such as `100 calls in 60 s for each agent`.
    pub fn words(&self) -> String {
        let of = match self.of {
            Of::Requests => "requests",
            Of::Calls => "calls",
        };
        let seconds = self.window.as_secs();
        let window = match seconds {
            86_400 => "a day".to_owned(),
            3_600 => "an hour".to_owned(),
            60 => "a minute".to_owned(),
            1 => "a second".to_owned(),
            _ if seconds.is_multiple_of(86_400) => format!("in {} days", seconds / 86_400),
            _ if seconds.is_multiple_of(3_600) => format!("in {} hours", seconds / 3_600),
            _ if seconds.is_multiple_of(60) => format!("in {} minutes", seconds / 60),
            _ => format!("in {seconds} seconds"),
        };
        let tool = self.only.tool.as_ref().map(|tool| format!(" of `{tool}`")).unwrap_or_default();
        format!("{} {of}{tool} {window} for each {}", self.most, self.each.as_str())
    }
}

/// What was used of one limit by one of those it is kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// When the present window began.
    start: UnixTime,
    /// What was used of it.
    used: u32,
    /// What was used of the one before.
    before: u32,
}

impl Counter {
    /// A counter as it was written down.
    pub fn restored(window_start: UnixTime, used: u32) -> Self {
        Self { start: window_start, used, before: 0 }
    }

    /// Moves on to the window that holds `now`. A clock that went back changes nothing.
    fn turn(&mut self, limit: &Limit, now: UnixTime) {
        let start = limit.window_start(now);
        if start <= self.start {
            return;
        }
        let next = self.start.millis().saturating_add(limit.length()) == start.millis();
        self.before = if next { self.used } else { 0 };
        self.used = 0;
        self.start = start;
    }

    /// Whether one more is free, and if not, when there will be.
    ///
    /// # Errors
    /// How long to wait: at least a millisecond, at most the window and a millisecond, which a window that was filled in its
    /// first one takes to slide.
    pub fn has_room(&mut self, limit: &Limit, now: UnixTime) -> Result<(), Duration> {
        self.turn(limit, now);
        let (length, most) = (limit.length(), i64::from(limit.most));
        let passed = (now.millis() - self.start.millis()).clamp(0, length);
        let before = if limit.is_durable() { 0 } else { i64::from(self.before) };
        let used = i64::from(self.used);
        // What is left of the window before, weighed by how much of it still overlaps.
        if used + before * (length - passed) / length < most {
            return Ok(());
        }
        let wait = if limit.is_durable() || most == 0 {
            length - passed
        } else if used >= most {
            // Room comes in the next window, once enough of this one has slid out of sight.
            (length - passed) + length * (used - most) / used.max(1) + 1
        } else {
            // used + before × (length − at) / length < most
            let at = length - length * (most - used) / before.max(1);
            (at - passed).max(0) + 1
        };
        Err(Duration::from_millis(wait.clamp(1, length + 1).unsigned_abs()))
    }

    /// Counts one.
    pub fn add(&mut self, limit: &Limit, now: UnixTime) {
        self.turn(limit, now);
        self.used = self.used.saturating_add(1);
    }

    /// The present window's beginning and what was used of it, to be written down.
    pub fn present(&self) -> (UnixTime, u32) {
        (self.start, self.used)
    }

    /// Whether it tells nothing any more, so that it can be dropped.
    pub fn is_over(&self, limit: &Limit, now: UnixTime) -> bool {
        let length = limit.length();
        now.millis() >= self.start.millis().saturating_add(length.saturating_mul(2))
    }
}

/// What was used of a durable window, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// [`Limit::key`].
    pub key: Digest,
    /// When the window began.
    pub window_start: UnixTime,
    /// How much.
    pub used: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples;

    fn limit(most: u32, seconds: u64) -> Limit {
        Limit {
            of: Of::Calls,
            most,
            window: Duration::from_secs(seconds),
            only: Only::default(),
            each: Each::Agent,
        }
    }

    fn take(counter: &mut Counter, limit: &Limit, now: UnixTime) -> Result<(), Duration> {
        counter.has_room(limit, now)?;
        counter.add(limit, now);
        Ok(())
    }

    #[test]
    fn patterns_stand_for_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "x", true),
            ("", "", true),
            ("", "x", false),
            ("delete_*", "delete_note", true),
            ("delete_*", "undelete_note", false),
            ("*_note", "delete_note", true),
            ("*_note", "delete_notes", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("aba", "aba", true),
            ("ab*ba", "aba", false),
            ("*ä*", "xäy", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_limit_counts_what_it_is_for_and_names_it() {
        let (one, two) = (samples::grant(), samples::public_client());
        let what = Use {
            grant: one.id,
            client: &two.id,
            person: Some(samples::user().id),
            resource: &one.resource,
            tool: Some("delete_note"),
            is_known: true,
        };
        let request = Use { tool: None, ..what };
        let other = Use { grant: GrantId::from_number(99), ..what };
        let only = |only| Limit { only, ..limit(1, 60) };
        for (name, limit, fits, request_fits) in [
            ("calls", limit(1, 60), true, false),
            ("requests", Limit { of: Of::Requests, ..limit(1, 60) }, true, true),
            ("the agent", only(Only { agent: Some(one.id), ..Only::default() }), true, false),
            ("another", only(Only { agent: Some(other.grant), ..Only::default() }), false, false),
            ("the client", only(Only { client: Some(two.id.clone()), ..Only::default() }), true, false),
            ("the tool", only(Only { tool: Some("delete_*".into()), ..Only::default() }), true, false),
            ("another tool", only(Only { tool: Some("read_*".into()), ..Only::default() }), false, false),
            ("here", only(Only { resource: Some(one.resource.clone()), ..Only::default() }), true, false),
        ] {
            assert_eq!(limit.counts(&what), fits, "{name}");
            assert_eq!(limit.counts(&request), request_fits, "{name}");
        }
        let each = |each| Limit { each, ..limit(1, 60) };
        assert_ne!(each(Each::Agent).key(&what), each(Each::Agent).key(&other));
        assert_eq!(each(Each::Client).key(&what), each(Each::Client).key(&other));
        assert_eq!(each(Each::Person).key(&what), each(Each::Person).key(&other));
        assert_ne!(each(Each::Client).key(&what), each(Each::Person).key(&what));
        let elsewhere = Resource::parse("https://h.example/other").unwrap();
        let there = Use { resource: &elsewhere, ..what };
        assert_eq!(each(Each::Tool).key(&what), each(Each::Tool).key(&other));
        assert_ne!(
            each(Each::Tool).key(&what),
            each(Each::Tool).key(&there),
            "a tool of that name elsewhere"
        );
        let [one, two] =
            ["invented", "another"].map(|tool| Use { tool: Some(tool), is_known: false, ..what });
        assert_eq!(each(Each::Tool).key(&one), each(Each::Tool).key(&two), "what no server has is one");
        assert_ne!(each(Each::Tool).key(&one), each(Each::Tool).key(&what));
        assert_eq!(limit(1, 60).key(&what), limit(9, 60).key(&what), "its number may change");
        assert_eq!(limit(5, 86_400).words(), "5 calls a day for each agent");
    }

    #[test]
    fn a_day_is_fixed_and_goes_on_after_a_restart() {
        let day = limit(3, 86_400);
        let noon = UnixTime::from_seconds(86_400 * 20_000 + 43_200);
        let mut counter = Counter::default();
        for _ in 0..3 {
            assert_eq!(take(&mut counter, &day, noon), Ok(()));
        }
        assert_eq!(take(&mut counter, &day, noon), Err(Duration::from_secs(43_200)));
        let (start, used) = counter.present();
        assert_eq!((start, used), (UnixTime::from_seconds(86_400 * 20_000), 3));
        let mut restored = Counter::restored(start, used);
        assert!(take(&mut restored, &day, noon).is_err());
        let midnight = UnixTime::from_seconds(86_400 * 20_001);
        assert_eq!(take(&mut restored, &day, midnight), Ok(()));
        assert!(!restored.is_over(&day, midnight) && restored.is_over(&day, midnight + 2 * day.window));
    }

    #[test]
    fn a_window_filled_in_its_first_millisecond_has_room_after_the_wait_that_was_named() {
        let minute = limit(2, 10);
        let begun = minute.window_start(samples::NOW);
        let mut counter = Counter::default();
        assert_eq!(take(&mut counter, &minute, begun), Ok(()));
        assert_eq!(take(&mut counter, &minute, begun), Ok(()));
        let wait = take(&mut counter, &minute, begun).unwrap_err();
        assert_eq!(wait, minute.window + Duration::from_millis(1));
        let mut sooner = counter;
        assert!(sooner.has_room(&minute, begun + minute.window).is_err());
        assert_eq!(counter.has_room(&minute, begun + wait), Ok(()));
    }

    proptest! {
        /// After the wait that was named there is room; before it, one millisecond earlier, there was none; and no
        /// window, wherever it lies, holds more than the limit and what the evenly-used estimate may miss.
        #[test]
        fn a_short_window_slides(most in 1_u32..20, steps in proptest::collection::vec(0_u64..3_000, 1..120)) {
            let minute = limit(most, 10);
            let mut counter = Counter::default();
            let mut now = samples::NOW;
            let mut taken: Vec<UnixTime> = Vec::new();
            for step in steps {
                now = now + Duration::from_millis(step);
                match take(&mut counter, &minute, now) {
                    Ok(()) => taken.push(now),
                    Err(wait) => {
                        prop_assert!(wait <= minute.window + Duration::from_millis(1) && !wait.is_zero());
                        let mut later = counter;
                        prop_assert_eq!(later.has_room(&minute, now + wait), Ok(()));
                    }
                }
            }
            for (index, start) in taken.iter().enumerate() {
                let within = taken[index..].iter().filter(|at| at.since(*start) < minute.window).count();
                prop_assert!(within < 2 * most as usize + 1);
            }
        }
    }
}
