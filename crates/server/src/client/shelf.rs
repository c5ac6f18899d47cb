//! What was fetched and found good, kept for a while, and one fetch at a time for each URL. Failures are told to
//! those who wait for them and then forgotten (protocol C09).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_wire::time::UnixTime;
use tokio::sync::OnceCell;

use super::fault::DocumentFault;
use super::throttle::{make_room, unpoisoned};

type Flight<T> = OnceCell<Result<Arc<T>, DocumentFault>>;

struct Held<T> {
    value: Arc<T>,
    fresh_until: UnixTime,
    used: UnixTime,
}

/// Values by URL.
pub(super) struct Shelf<T> {
    held: Mutex<HashMap<String, Held<T>>>,
    flights: Mutex<HashMap<String, Arc<Flight<T>>>>,
    values: usize,
    at_once: usize,
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("values", &self.values).finish_non_exhaustive()
    }
}

impl<T> Shelf<T> {
    /// Room for so many values, and so many fetches at once.
    pub(super) fn new(values: usize, at_once: usize) -> Self {
        Self { held: Mutex::default(), flights: Mutex::default(), values, at_once }
    }

    /// The value of `url`, while it is fresh.
    pub(super) fn fresh(&self, url: &str, now: UnixTime) -> Option<Arc<T>> {
        let mut held = unpoisoned(&self.held);
        let found = held.get_mut(url).filter(|held| now < held.fresh_until)?;
        found.used = now;
        Some(Arc::clone(&found.value))
    }

    /// Whether `url` has a value, fresh or not.
    pub(super) fn knows(&self, url: &str) -> bool {
        unpoisoned(&self.held).contains_key(url)
    }

    /// Fetches the value of `url`, or joins those who already wait for it. `admit` is asked only when this call
    /// would start the fetch; `load` answers with the value and how long it stays fresh.
    pub(super) async fn fetch<F>(
        &self,
        url: &str,
        now: UnixTime,
        admit: impl FnOnce() -> Result<(), DocumentFault>,
        load: impl FnOnce() -> F,
    ) -> Result<Arc<T>, DocumentFault>
    where
        F: Future<Output = Result<(T, Duration), DocumentFault>>,
    {
        let seat = self.seat(url, admit)?;
        let settled = seat.flight.get_or_init(|| async {
            let (value, fresh_for) = load().await?;
            let value = Arc::new(value);
            self.put(url, Held { value: Arc::clone(&value), fresh_until: now + fresh_for, used: now }, now);
            Ok(value)
        });
        settled.await.clone()
    }

    fn seat(
        &self,
        url: &str,
        admit: impl FnOnce() -> Result<(), DocumentFault>,
    ) -> Result<Seat<'_, T>, DocumentFault> {
        let mut flights = unpoisoned(&self.flights);
        let flight = match flights.get(url) {
            Some(flight) => Arc::clone(flight),
            None if flights.len() >= self.at_once => return Err(DocumentFault::Throttled),
            None => {
                admit()?;
                let flight = Arc::new(Flight::new());
                flights.insert(url.to_owned(), Arc::clone(&flight));
                flight
            }
        };
        Ok(Seat { shelf: self, url: url.to_owned(), flight })
    }

    fn put(&self, url: &str, fetched: Held<T>, now: UnixTime) {
        let mut held = unpoisoned(&self.held);
        if !held.contains_key(url) {
            make_room(&mut held, self.values, |old| old.fresh_until <= now, |old| old.used);
        }
        held.insert(url.to_owned(), fetched);
    }
}

/// A place among those who wait for one fetch. The last to leave, or the first once it has settled, ends it; so a
/// caller that goes away takes no one else's answer with it and leaves nothing behind.
struct Seat<'a, T> {
    shelf: &'a Shelf<T>,
    url: String,
    flight: Arc<Flight<T>>,
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut flights = unpoisoned(&self.shelf.flights);
        let is_ours = flights.get(&self.url).is_some_and(|known| Arc::ptr_eq(known, &self.flight));
        // Two holders are the table and this seat; seats are taken under the same lock.
        if is_ours && (self.flight.initialized() || Arc::strong_count(&self.flight) == 2) {
            flights.remove(&self.url);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn flights<T>(shelf: &Shelf<T>) -> usize {
        unpoisoned(&shelf.flights).len()
    }

    #[tokio::test]
    async fn r20_fetches_at_once_are_bounded_and_those_given_up_make_room() {
        let shelf: Shelf<u8> = Shelf::new(4, 2);
        {
            let first = shelf.fetch("a", NOW, || Ok(()), pending);
            let second = shelf.fetch("b", NOW, || Ok(()), pending);
            let again = shelf.fetch("b", NOW, || Err(DocumentFault::Throttled), pending);
            let third = async {
                let refused = shelf.fetch("c", NOW, || Ok(()), pending).await;
                assert_eq!(refused, Err(DocumentFault::Throttled), "two are under way");
                assert_eq!(flights(&shelf), 2, "the same URL is one of them");
            };
            tokio::select! {
                biased;
                _ = first => panic!("it is never answered"),
                _ = second => panic!("it is never answered"),
                joined = again => panic!("it waits with the second, unasked: {joined:?}"),
                () = third => {}
            }
        }
        assert_eq!(flights(&shelf), 0);
        let fetched = shelf.fetch("c", NOW, || Ok(()), || ready(Ok((3, HOUR)))).await;
        assert_eq!(fetched.as_deref(), Ok(&3));
        assert_eq!(flights(&shelf), 0);
    }

    #[tokio::test]
    async fn r20_values_are_bounded_and_the_least_used_goes_first() {
        let shelf: Shelf<u8> = Shelf::new(3, 2);
        let at = |n: i64| NOW + Duration::from_secs(n.unsigned_abs());
        for (n, url) in ["a", "b", "c"].into_iter().enumerate() {
            let now = at(n as i64);
            assert!(shelf.fetch(url, now, || Ok(()), || ready(Ok((0, HOUR)))).await.is_ok());
        }
        assert!(shelf.fresh("a", at(10)).is_some());
        assert!(shelf.fetch("d", at(11), || Ok(()), || ready(Ok((0, HOUR)))).await.is_ok());
        let known: Vec<bool> = ["a", "b", "c", "d"].iter().map(|url| shelf.knows(url)).collect();
        assert_eq!(known, [true, false, true, true]);
    }

    #[tokio::test]
    async fn c09_a_refused_or_failed_fetch_leaves_no_value() {
        let shelf: Shelf<u8> = Shelf::new(3, 2);
        let throttled =
            shelf.fetch("a", NOW, || Err(DocumentFault::Throttled), || ready(Ok((1, HOUR)))).await;
        assert_eq!(throttled, Err(DocumentFault::Throttled));
        let failed = shelf.fetch("a", NOW, || Ok(()), || ready(Err(DocumentFault::Mismatch))).await;
        assert_eq!(failed, Err(DocumentFault::Mismatch));
        assert!(!shelf.knows("a") && flights(&shelf) == 0);
    }
}
