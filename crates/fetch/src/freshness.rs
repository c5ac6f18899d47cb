//! How long the far side says its document stays fresh (RFC 9111 §4.2, §5.2). Where the answer contradicts
//! itself or cannot be read, it is stale at once. The caller holds the result within bounds of its own.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, HeaderMap};

/// RFC 9111 §1.2.2: a greater number of seconds means this one.
const SECONDS_MOST: u64 = 1 << 31;

/// `None` when the answer says nothing. `Expires` is ignored: its clock is the far side's.
pub(crate) fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let (mut private, mut shared) = (None, None);
    for value in headers.get_all(CACHE_CONTROL) {
        let Ok(text) = value.to_str() else { return Some(Duration::ZERO) };
        for directive in text.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return Some(Duration::ZERO),
                "max-age" => &mut private,
                "s-maxage" => &mut shared,
                _ => continue,
            };
            let told = seconds(argument);
            *slot = Some(slot.map_or(told, |earlier: u64| earlier.min(told)));
        }
    }
    // One copy here serves every person: a shared cache, for which `s-maxage` wins (RFC 9111 §5.2.2.10).
    let lifetime = shared.or(private)?;
    let age = headers.get(AGE).map_or(0, |value| value.to_str().map_or(SECONDS_MOST, age_seconds));
    Some(Duration::from_secs(lifetime.saturating_sub(age)))
}

/// A lifetime that cannot be read is none (RFC 9111 §4.2.1).
fn seconds(argument: &str) -> u64 {
    let trimmed = argument.trim();
    let bare = trimmed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(trimmed);
    number(bare).unwrap_or(0)
}

/// An age that cannot be read is beyond every lifetime.
fn age_seconds(text: &str) -> u64 {
    number(text.trim()).unwrap_or(SECONDS_MOST)
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(SECONDS_MOST).min(SECONDS_MOST))
}

#[cfg(test)]
mod tests {
    use http::header::{EXPIRES, HeaderValue};

    use super::*;

    #[test]
    fn c09_freshness_follows_the_answer_and_doubt_means_stale() {
        for (name, given, age, expected) in [
            ("nothing said", "", None, None),
            ("public alone", "public", None, None),
            ("max-age", "public, max-age=3600", None, Some(3600)),
            ("in capitals", "Max-Age=60", None, Some(60)),
            ("quoted", "max-age=\"60\"", None, Some(60)),
            ("no-store wins", "max-age=3600, no-store", None, Some(0)),
            ("no-cache with fields", "no-cache=\"set-cookie, x\", max-age=9", None, Some(0)),
            ("shared beats private", "max-age=10, s-maxage=20", None, Some(20)),
            ("twice: the lesser", "max-age=10, max-age=99", None, Some(10)),
            ("negative", "max-age=-1", None, Some(0)),
            ("no number", "max-age", None, Some(0)),
            ("words", "max-age=1e9", None, Some(0)),
            ("beyond u64", "max-age=99999999999999999999999", None, Some(SECONDS_MOST)),
            ("age is taken off", "max-age=100", Some("30"), Some(70)),
            ("older than fresh", "max-age=100", Some("300"), Some(0)),
            ("unreadable age", "max-age=100", Some("old"), Some(0)),
        ] {
            let mut headers = HeaderMap::new();
            if !given.is_empty() {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(given));
            }
            if let Some(age) = age {
                headers.insert(AGE, HeaderValue::from_static(age));
            }
            headers.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Dec 2094 16:00:00 GMT"));
            assert_eq!(fresh_for(&headers), expected.map(Duration::from_secs), "{name}");
        }
    }

    #[test]
    fn c09_bytes_that_are_no_text_mean_stale() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_bytes(b"max-age=5\xff").unwrap());
        assert_eq!(fresh_for(&headers), Some(Duration::ZERO));
    }
}
