//! How often: token buckets by key, and the waits before another password may be tried. In memory and bounded; the
//! time comes in as a value.
//!
//! A table that is full gives up the entry that has least to say. Whoever floods it gains at most a fresh allowance
//! per entry they filled, and paid more attempts than that for it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_rules::model::account_key;
use portcullis_wire::digest::Digest;
use portcullis_wire::time::UnixTime;

/// Bits of an IPv6 address that name one subscriber: the usual delegation to a household.
const IPV6_PREFIX: u32 = 56;
/// The wait after the last free failure; it doubles with each further one.
pub const SIGN_IN_FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait.
pub const SIGN_IN_LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Pairs of account and source remembered at once.
pub const SIGN_IN_PAIRS: usize = 16 * 1024;
/// Passwords tried from one source, whatever the account: room for an office behind one address, none for a list of
/// names tried with one password.
pub const SIGN_IN_PER_SOURCE: Rate = Rate { burst: 60, refill: Duration::from_secs(1), keys: 16 * 1024 };
/// Refusals of one account that are told, to the audit trail for one, whatever their sources. Each is a row that stays.
pub const SIGN_IN_REFUSALS_TOLD: Rate =
    Rate { burst: 8, refill: Duration::from_secs(15 * 60), keys: 16 * 1024 };
/// The wait told to one whose other attempt is still being judged.
const ATTEMPT_WAIT: Duration = Duration::from_secs(1);

/// Where a request comes from, as far as one subscriber can choose it: an IPv4 address, or an IPv6 prefix of 56 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix(IpAddr);

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}/32"),
            IpAddr::V6(address) => write!(f, "{address}/{IPV6_PREFIX}"),
        }
    }
}

/// The prefix `ip` lies in. An IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) is that IPv4 address.
#[must_use]
pub fn source_prefix(ip: IpAddr) -> Prefix {
    Prefix(match ip.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from(address.to_bits())),
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - IPV6_PREFIX);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}

/// How fast a bucket fills, how much it holds, and how many buckets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Takes that succeed at once from a full bucket; 0 counts as 1.
    pub burst: u32,
    /// The time in which one more take is earned.
    pub refill: Duration,
    /// Buckets kept at once; 0 counts as 1.
    pub keys: usize,
}

/// Token buckets by key. A key that was never seen has a full bucket.
pub struct Buckets<K> {
    rate: Rate,
    /// When each bucket will be full again: all there is to know of it.
    full_at: Mutex<HashMap<K, UnixTime>>,
}

impl<K> fmt::Debug for Buckets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Buckets of one rate, all full.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::default() }
    }

    /// Takes one token from the bucket of `key`.
    ///
    /// # Errors
    /// How long until one would be there. A refused take costs nothing.
    pub fn take(&self, key: K, now: UnixTime) -> Result<(), Duration> {
        let slack = self.rate.refill.saturating_mul(self.rate.burst.max(1) - 1);
        let mut buckets = unpoisoned(&self.full_at);
        // No bucket is emptier than empty: a clock that was set back must not lengthen anybody's wait.
        let emptiest = now + slack + self.rate.refill;
        let full_at = buckets.get(&key).copied().unwrap_or(now).clamp(now, emptiest);
        let earliest = full_at - slack;
        if earliest > now {
            return Err(earliest.since(now));
        }
        if !buckets.contains_key(&key) {
            make_room(&mut buckets, self.rate.keys, |full_at| *full_at <= now, |full_at| *full_at);
        }
        buckets.insert(key, full_at + self.rate.refill);
        Ok(())
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        unpoisoned(&self.full_at).len()
    }

    /// Whether every bucket is full.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is held against one account from one source.
#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    blocked_until: UnixTime,
    /// Attempts let in and not yet reported back.
    pending: u32,
    touched: UnixTime,
}

impl Record {
    fn is_over(&self, memory: Duration, now: UnixTime) -> bool {
        now >= self.touched.max(self.blocked_until) + memory
    }
}

/// Who tries a password, as far as it is known before the password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Anybody.
    Stranger,
    /// A browser that signed in to this very account before, or is signed in to it now. It has a counter of its own,
    /// and neither waits for strangers nor yields its place to them.
    Known,
}

/// Slows down guessing at passwords without locking anybody out: what counts is the account *and* where the guess
/// comes from, so a stranger's failures are not the person's. Accounts that do not exist are counted alike, so the
/// waits tell nothing.
///
/// [`check`](Self::check) once for each password that is then really judged, and report on the [`Attempt`]. Attempts
/// still being judged count, so many at once are no way round the waits. Account names are brought to their one
/// spelling here.
pub struct SignInThrottle {
    /// Failed passwords that cost no wait, per account and source.
    free_failures: u32,
    /// How long failures are remembered once nothing more is held against the pair.
    memory: Duration,
    pairs: Mutex<HashMap<(Digest, Prefix), Record>>,
    sources: Buckets<Prefix>,
    told: Buckets<Digest>,
}

impl fmt::Debug for SignInThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInThrottle").finish_non_exhaustive()
    }
}

/// An attempt that was let in. Dropped without a report, it was never judged, and nothing is held against anybody.
#[derive(Debug)]
#[must_use = "an attempt that is not reported on counts as never made"]
pub struct Attempt<'a> {
    throttle: &'a SignInThrottle,
    key: (Digest, Prefix),
    is_open: bool,
}

impl Attempt<'_> {
    /// The password was wrong, or there is no such account. True if that used up what was free, and should be told:
    /// once for a pair as long as it is remembered, and no oftener than [`SIGN_IN_REFUSALS_TOLD`] for an account.
    pub fn fail(mut self, now: UnixTime) -> bool {
        self.is_open = false;
        self.throttle.fail(self.key, now)
    }

    /// The password was right: nothing is held against the pair any more.
    pub fn succeed(mut self) {
        self.is_open = false;
        let mut pairs = unpoisoned(&self.throttle.pairs);
        if let Some(record) = pairs.get_mut(&self.key) {
            let pending = record.pending.saturating_sub(1);
            *record = Record { failures: 0, blocked_until: record.touched, pending, ..*record };
            if pending == 0 {
                pairs.remove(&self.key);
            }
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_open
            && let Some(record) = unpoisoned(&self.throttle.pairs).get_mut(&self.key)
        {
            record.pending = record.pending.saturating_sub(1);
        }
    }
}

impl SignInThrottle {
    /// With nothing held against anybody: so many failures are free, counted for so long.
    #[must_use]
    pub fn new(free_failures: u32, memory: Duration) -> Self {
        Self {
            free_failures: free_failures.max(1),
            memory,
            pairs: Mutex::default(),
            sources: Buckets::new(SIGN_IN_PER_SOURCE),
            told: Buckets::new(SIGN_IN_REFUSALS_TOLD),
        }
    }

    fn known(
        &self,
        pairs: &HashMap<(Digest, Prefix), Record>,
        key: &(Digest, Prefix),
        now: UnixTime,
    ) -> Record {
        let clean = Record { failures: 0, blocked_until: now, pending: 0, touched: now };
        let Some(record) = pairs.get(key) else { return clean };
        if record.is_over(self.memory, now) {
            return Record { pending: record.pending, ..clean };
        }
        // A clock that was set back must not lengthen anybody's wait.
        let blocked_until = record.blocked_until.min(now + SIGN_IN_LONGEST_WAIT);
        Record { blocked_until, ..*record }
    }

    fn keep(
        &self,
        pairs: &mut HashMap<(Digest, Prefix), Record>,
        key: (Digest, Prefix),
        record: Record,
        now: UnixTime,
    ) {
        if !pairs.contains_key(&key) {
            make_room(
                pairs,
                SIGN_IN_PAIRS,
                |old| old.pending == 0 && old.is_over(self.memory, now),
                |old| (old.blocked_until, old.touched),
            );
        }
        pairs.insert(key, record);
    }

    /// Lets an attempt in. What one source may try of all accounts together is no limit for the known: behind one
    /// proxy, or one address of an office, strangers would use it up for them.
    ///
    /// # Errors
    /// How long to wait. The password must then not be looked at.
    pub fn check(
        &self,
        account: &str,
        source: IpAddr,
        standing: Standing,
        now: UnixTime,
    ) -> Result<Attempt<'_>, Duration> {
        let key = pair(account, source);
        let mut pairs = unpoisoned(&self.pairs);
        let mut record = self.known(&pairs, &key, now);
        if record.blocked_until > now {
            return Err(record.blocked_until.since(now));
        }
        if record.pending > 0 && record.failures.saturating_add(record.pending) >= self.free_failures {
            return Err(ATTEMPT_WAIT);
        }
        if standing == Standing::Stranger {
            self.sources.take(key.1, now)?;
        }
        record.pending = record.pending.saturating_add(1);
        record.touched = now;
        self.keep(&mut pairs, key, record, now);
        Ok(Attempt { throttle: self, key, is_open: true })
    }

    fn fail(&self, key: (Digest, Prefix), now: UnixTime) -> bool {
        let mut pairs = unpoisoned(&self.pairs);
        let mut record = self.known(&pairs, &key, now);
        record.failures = record.failures.saturating_add(1);
        record.pending = record.pending.saturating_sub(1);
        record.touched = now;
        if let Some(beyond) = record.failures.checked_sub(self.free_failures) {
            let factor = 1_u32.checked_shl(beyond).filter(|factor| *factor > 0).unwrap_or(u32::MAX);
            record.blocked_until = now + SIGN_IN_FIRST_WAIT.saturating_mul(factor).min(SIGN_IN_LONGEST_WAIT);
        }
        self.keep(&mut pairs, key, record, now);
        record.failures == self.free_failures && self.told.take(key.0, now).is_ok()
    }
}

fn pair(account: &str, source: IpAddr) -> (Digest, Prefix) {
    (Digest::of(account_key(account).as_bytes()), source_prefix(source))
}

/// Makes room for one more: entries that say nothing go first, then the one that says least.
pub(super) fn make_room<K: Eq + Hash + Clone, V, W: Ord>(
    table: &mut HashMap<K, V>,
    most: usize,
    is_over: impl Fn(&V) -> bool,
    weight: impl Fn(&V) -> W,
) {
    if table.len() < most {
        return;
    }
    table.retain(|_, value| !is_over(value));
    while table.len() >= most.max(1) {
        let Some(least) = table.iter().min_by_key(|(_, value)| weight(value)).map(|(key, _)| key.clone())
        else {
            return;
        };
        table.remove(&least);
    }
}

/// A panic elsewhere leaves these tables whole: every change is one insert or one remove.
pub(super) fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGN_IN_FREE_FAILURES: u32 = 5;
    const SIGN_IN_MEMORY: Duration = Duration::from_secs(15 * 60);

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(1_000_000 + seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn try_it<'a>(
        throttle: &'a SignInThrottle,
        account: &str,
        source: &str,
        now: UnixTime,
    ) -> Result<Attempt<'a>, Duration> {
        throttle.check(account, ip(source), Standing::Stranger, now)
    }

    const HERE: &str = "198.51.100.7";
    const ELSEWHERE: &str = "203.0.113.9";

    #[test]
    fn one_subscriber_is_one_prefix() {
        for (name, one, other, same) in [
            ("itself", "198.51.100.7", "198.51.100.7", true),
            ("neighbour", "198.51.100.7", "198.51.100.8", false),
            ("written as IPv6", "198.51.100.7", "::ffff:198.51.100.7", true),
            ("same /56", "2001:db8:0:aa00::1", "2001:db8:0:aaff:1:2:3:4", true),
            ("next /56", "2001:db8:0:aa00::1", "2001:db8:0:ab00::1", false),
        ] {
            assert_eq!(source_prefix(ip(one)) == source_prefix(ip(other)), same, "{name}");
        }
        assert_eq!(format!("{:?}", source_prefix(ip("2001:db8:0:aaff::1"))), "2001:db8:0:aa00::/56");
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(Rate { burst: 3, refill: Duration::from_secs(10), keys: 8 });
        for (second, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(10)),
            (4, Err(6)),
            (10, Ok(())),
            (10, Err(10)),
            (30, Ok(())),
            (30, Ok(())),
            (30, Err(10)),
            (1000, Ok(())),
            (1000, Ok(())),
            (1000, Ok(())),
            (1000, Err(10)),
        ] {
            let got = buckets.take("a", at(second)).map_err(|wait| wait.as_secs());
            assert_eq!(got, expected, "at {second} s");
        }
        assert_eq!(buckets.take("b", at(1000)), Ok(()), "another key has its own bucket");
    }

    #[test]
    fn a_clock_set_back_lengthens_no_wait() {
        let buckets = Buckets::new(Rate { burst: 1, refill: Duration::from_secs(10), keys: 8 });
        assert_eq!(buckets.take("a", at(100_000)), Ok(()));
        assert_eq!(buckets.take("a", at(0)), Err(Duration::from_secs(10)));
    }

    #[test]
    fn r20_buckets_are_bounded_and_the_emptiest_stay() {
        let buckets = Buckets::new(Rate { burst: 2, refill: Duration::from_secs(10), keys: 4 });
        assert_eq!(buckets.take(0, at(0)), Ok(()));
        assert_eq!(buckets.take(0, at(0)), Ok(()));
        for key in 1..100 {
            assert_eq!(buckets.take(key, at(0)), Ok(()));
            assert!(buckets.len() <= 4);
        }
        assert!(buckets.take(0, at(0)).is_err(), "an empty bucket is not forgotten for fuller ones");
        assert_eq!(buckets.take(200, at(60)), Ok(()));
        assert_eq!(buckets.len(), 1, "full buckets need no memory");
    }

    #[test]
    fn a31_failures_are_free_five_times_and_then_cost_doubling_waits() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        let mut now = at(0);
        for failure in 1..=SIGN_IN_FREE_FAILURES {
            let told = try_it(&throttle, "ada", HERE, now).unwrap().fail(now);
            assert_eq!(told, failure == SIGN_IN_FREE_FAILURES, "the last free one is told");
        }
        for wait in [30, 60, 120, 240, 480, 900, 900, 900] {
            assert_eq!(try_it(&throttle, "ada", HERE, now).err(), Some(Duration::from_secs(wait)));
            now = now + Duration::from_secs(wait);
            assert!(!try_it(&throttle, "ada", HERE, now).unwrap().fail(now), "and no other");
        }
        now = now + SIGN_IN_LONGEST_WAIT + SIGN_IN_MEMORY;
        for _ in 0..SIGN_IN_FREE_FAILURES {
            try_it(&throttle, "ada", HERE, now).expect("a quiet while clears the slate").fail(now);
        }
    }

    #[test]
    fn r20_a_stranger_locks_nobody_out() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        for _ in 0..SIGN_IN_FREE_FAILURES {
            try_it(&throttle, "ada", ELSEWHERE, at(0)).unwrap().fail(at(0));
        }
        assert!(try_it(&throttle, "ada", ELSEWHERE, at(0)).is_err());
        assert!(try_it(&throttle, "ada", HERE, at(0)).is_ok());
        assert!(try_it(&throttle, "bea", ELSEWHERE, at(0)).is_ok());
    }

    #[test]
    fn r20_strangers_behind_the_same_proxy_do_not_slow_a_known_browser() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        while try_it(&throttle, "name", HERE, at(0)).is_ok() {}
        assert!(try_it(&throttle, "ada", HERE, at(0)).is_err());
        for _ in 0..SIGN_IN_FREE_FAILURES {
            let attempt = throttle.check("ada\0browser", ip(HERE), Standing::Known, at(0));
            attempt.expect("it waits for no stranger").fail(at(0));
        }
        let attempt = throttle.check("ada\0browser", ip(HERE), Standing::Known, at(0));
        assert_eq!(attempt.err(), Some(SIGN_IN_FIRST_WAIT), "its own failures count");
    }

    #[test]
    fn r20_many_sources_write_few_rows_about_one_account() {
        let throttle = SignInThrottle::new(1, SIGN_IN_MEMORY);
        let told = (0..200)
            .filter(|n| try_it(&throttle, "ada", &format!("203.0.113.{n}"), at(0)).unwrap().fail(at(0)))
            .count();
        assert_eq!(told, SIGN_IN_REFUSALS_TOLD.burst as usize);
        assert!(try_it(&throttle, "bea", HERE, at(0)).unwrap().fail(at(0)), "another account has its own");
    }

    #[test]
    fn t_canon_spellings_of_an_account_are_counted_together() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        for name in ["ada l", " Ada L", "ADA  L ", "ada\tl", "aDa l"] {
            try_it(&throttle, name, HERE, at(0)).unwrap().fail(at(0));
        }
        assert!(try_it(&throttle, "Ada L", HERE, at(0)).is_err());
    }

    #[test]
    fn a31_success_clears_and_attempts_at_once_are_no_way_round() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        let five = || -> Vec<Attempt<'_>> {
            (0..SIGN_IN_FREE_FAILURES).map(|_| try_it(&throttle, "ada", HERE, at(0)).unwrap()).collect()
        };
        let mut judged = five();
        assert_eq!(try_it(&throttle, "ada", HERE, at(0)).err(), Some(ATTEMPT_WAIT), "five are being judged");
        judged.remove(0).succeed();
        assert!(try_it(&throttle, "ada", HERE, at(0)).is_ok());
    }

    #[test]
    fn a31_an_attempt_that_was_given_up_is_forgotten_at_once() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        for _ in 0..2 * SIGN_IN_FREE_FAILURES {
            drop(try_it(&throttle, "ada", HERE, at(0)).expect("nobody was judged yet"));
        }
        let held: Vec<_> =
            (0..SIGN_IN_FREE_FAILURES).map(|_| try_it(&throttle, "ada", HERE, at(0))).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(try_it(&throttle, "ada", HERE, at(60)).err(), Some(ATTEMPT_WAIT), "however long it takes");
    }

    #[test]
    fn a31_one_source_cannot_try_a_list_of_names() {
        let throttle = SignInThrottle::new(SIGN_IN_FREE_FAILURES, SIGN_IN_MEMORY);
        let let_in = (0..200).filter(|n| try_it(&throttle, &format!("name{n}"), HERE, at(0)).is_ok()).count();
        assert_eq!(let_in, SIGN_IN_PER_SOURCE.burst as usize);
        assert!(try_it(&throttle, "ada", ELSEWHERE, at(0)).is_ok());
    }
}
