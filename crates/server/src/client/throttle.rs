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
#[path = "throttle_tests.rs"]
mod tests;
