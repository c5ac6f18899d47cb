//! Revocation in memory: the cuts by number, and which agents were seen.
//!
//! A token carries `rev`, the counter its facts saw; a cut that touches it and is greater refuses it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use portcullis_guard::{BoxFuture, Clock, Revocations};
use portcullis_jose::claims::AccessClaims;
use portcullis_rules::model::{Cut, CutTarget};
use portcullis_wire::id::GrantId;
use portcullis_wire::time::UnixTime;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Agents whose use is remembered between two flushes; beyond it a use goes unnoticed, never unjudged.
const SEEN_AT_MOST: usize = 64 * 1024;

/// The last cut of one target.
struct Last {
    number: u64,
    at: UnixTime,
    /// When we heard of it, by a clock that nobody sets.
    heard: Instant,
}

#[derive(Default)]
struct Numbers {
    grants: HashMap<String, Last>,
    clients: HashMap<String, Last>,
    domains: HashMap<String, Last>,
    people: HashMap<String, Last>,
    keys: HashMap<String, Last>,
}

impl Numbers {
    fn slot(&mut self, target: &CutTarget) -> (&mut HashMap<String, Last>, String) {
        match target {
            CutTarget::Grant(id) => (&mut self.grants, id.to_string()),
            CutTarget::Client(id) => (&mut self.clients, id.to_string()),
            CutTarget::Domain(host) => (&mut self.domains, host.clone()),
            CutTarget::Person(id) => (&mut self.people, id.to_string()),
            CutTarget::Key(kid) => (&mut self.keys, kid.clone()),
        }
    }
    fn all(&mut self) -> [&mut HashMap<String, Last>; 5] {
        [&mut self.grants, &mut self.clients, &mut self.domains, &mut self.people, &mut self.keys]
    }
}

/// The live cuts.
pub(crate) struct Cuts {
    numbers: RwLock<Numbers>,
    /// How many there are: with none, nothing is looked up.
    count: AtomicUsize,
    seen: Mutex<HashMap<GrantId, UnixTime>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Cuts {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            numbers: RwLock::default(),
            count: AtomicUsize::new(0),
            seen: Mutex::default(),
            changed: Arc::default(),
            clock,
        }
    }

    /// Applies cuts: after their commit, before the answer.
    pub(crate) fn apply(&self, cuts: &[Cut]) {
        if cuts.is_empty() {
            return;
        }
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        for cut in cuts {
            let (map, key) = numbers.slot(&cut.target);
            let heard = Instant::now();
            let last = map.entry(key).or_insert(Last { number: cut.number, at: cut.at, heard });
            *last = Last { number: last.number.max(cut.number), at: last.at.max(cut.at), heard };
        }
        let count = numbers.all().into_iter().map(|map| map.len()).sum();
        self.count.store(count, Ordering::Release);
        drop(numbers);
        self.changed.notify_waiters();
    }

    /// Has open streams ask again whether they may flow, since time alone ends them too.
    pub(crate) fn tick(&self) {
        self.changed.notify_waiters();
    }

    /// Forgets the cuts before `oldest`, once they are known for `life`, the longest that an access token is asked about:
    /// a clock that stands ahead for a moment must not bring back what was revoked. The answer is the time before which
    /// all are forgotten.
    pub(crate) fn forget(&self, oldest: UnixTime, life: Duration) -> UnixTime {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        let mut forgotten = oldest;
        for map in numbers.all() {
            map.retain(|_, last| last.at >= oldest || last.heard.elapsed() < life);
            forgotten = map.values().fold(forgotten, |forgotten, last| forgotten.min(last.at));
        }
        let count = numbers.all().into_iter().map(|map| map.len()).sum();
        self.count.store(count, Ordering::Release);
        forgotten
    }

    /// Whether a cut later than the token touches it. A token without `rev` is older than any cut.
    pub(crate) fn touches(&self, claims: &AccessClaims, kid: &str) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let rev = claims.rev.unwrap_or(0);
        let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        let later =
            |map: &HashMap<String, Last>, key: &str| map.get(key).is_some_and(|last| last.number > rev);
        later(&numbers.grants, claims.grant.as_deref().unwrap_or_default())
            || later(&numbers.clients, &claims.client_id)
            || later(&numbers.people, &claims.sub)
            || later(&numbers.keys, kid)
            || (!numbers.domains.is_empty()
                && host(&claims.client_id).is_some_and(|host| later(&numbers.domains, &host)))
    }

    /// Takes the agents seen since the last time.
    pub(crate) fn take_seen(&self) -> Vec<(GrantId, UnixTime)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen).into_iter().collect()
    }
}

fn host(client_id: &str) -> Option<String> {
    url::Url::parse(client_id).ok()?.host_str().map(str::to_owned)
}

impl Revocations for Cuts {
    fn is_cut(&self, claims: &AccessClaims, kid: &str) -> bool {
        self.touches(claims, kid)
    }

    fn used(&self, claims: &AccessClaims) {
        let Some(grant) = claims.grant.as_deref().and_then(|grant| grant.parse().ok()) else { return };
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < SEEN_AT_MOST || seen.contains_key(&grant) {
            seen.insert(grant, now);
        }
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(Arc::clone(&self.changed).notified_owned())
    }
}

impl std::fmt::Debug for Cuts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cuts({})", self.count.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_jose::claims::Audience;
    use portcullis_wire::id::{ClientId, UserId};

    use super::*;

    struct Frozen;
    impl Clock for Frozen {
        fn now(&self) -> UnixTime {
            UnixTime::from_seconds(100)
        }
    }

    fn claims(rev: Option<u64>) -> AccessClaims {
        AccessClaims {
            iss: "https://h.example".into(),
            sub: UserId::from_number(1).to_string(),
            aud: Audience::one("https://h.example/mcp"),
            client_id: "https://claude.example/client".into(),
            exp: 200,
            iat: 100,
            nbf: None,
            jti: "j".into(),
            scope: None,
            grant: Some(GrantId::from_number(7).to_string()),
            rev,
        }
    }

    #[test]
    fn t_revoke_lattice_every_kind_of_cut_refuses_what_is_older_and_nothing_else() {
        let targets = [
            (CutTarget::Grant(GrantId::from_number(7)), CutTarget::Grant(GrantId::from_number(8))),
            (
                CutTarget::Client(ClientId::parse("https://claude.example/client").unwrap()),
                CutTarget::Client(ClientId::parse("x").unwrap()),
            ),
            (CutTarget::Domain("claude.example".into()), CutTarget::Domain("example".into())),
            (CutTarget::Person(UserId::from_number(1)), CutTarget::Person(UserId::from_number(2))),
            (CutTarget::Key("k".into()), CutTarget::Key("other".into())),
        ];
        for (own, other) in targets {
            let at = UnixTime::from_seconds(100);
            let cuts = Cuts::new(Arc::new(Frozen));
            cuts.apply(&[Cut { number: 5, target: other.clone(), at }]);
            assert!(!cuts.is_cut(&claims(Some(4)), "k"), "{other:?}");
            cuts.apply(&[Cut { number: 6, target: own.clone(), at }]);
            assert!(cuts.is_cut(&claims(Some(5)), "k"), "{own:?}");
            assert!(cuts.is_cut(&claims(None), "k"), "{own:?}: no rev is oldest");
            assert!(!cuts.is_cut(&claims(Some(6)), "k"), "{own:?}: minted after the cut");
            let oldest = cuts.forget(UnixTime::from_seconds(101), Duration::ZERO);
            assert_eq!(oldest, UnixTime::from_seconds(101));
            assert!(!cuts.is_cut(&claims(Some(5)), "k"), "{own:?}: forgotten");
        }
    }

    #[test]
    fn a_clock_that_stands_ahead_for_a_moment_brings_nothing_back() {
        let (at, life) = (UnixTime::from_seconds(100), Duration::from_secs(24 * 60 * 60));
        let cuts = Cuts::new(Arc::new(Frozen));
        cuts.apply(&[Cut { number: 5, target: CutTarget::Grant(GrantId::from_number(7)), at }]);
        let years_ahead = UnixTime::from_seconds(1_000_000_000);
        assert_eq!(cuts.forget(years_ahead, life), at, "and the store keeps it too");
        assert!(cuts.is_cut(&claims(Some(4)), "k"));
        assert_eq!(cuts.forget(at, Duration::ZERO), at, "nor does one that stands behind");
        assert!(cuts.is_cut(&claims(Some(4)), "k"));
        assert_eq!(cuts.forget(years_ahead, Duration::ZERO), years_ahead);
        assert!(!cuts.is_cut(&claims(Some(4)), "k"));
    }
}
