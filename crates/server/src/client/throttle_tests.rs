//! The waits and the buckets, by the table and by hand-moved time.

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
    let held: Vec<_> = (0..SIGN_IN_FREE_FAILURES).map(|_| try_it(&throttle, "ada", HERE, at(0))).collect();
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
