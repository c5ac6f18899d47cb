//! Spans of time as people write them: `90s`, `10m`, `8h`, `30d`.

use std::time::Duration;

/// Reads a span. None for what is no number with one unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// Writes a span in the largest unit that holds it evenly.
pub(crate) fn print(span: Duration) -> String {
    let seconds = span.as_secs();
    for (unit, size) in [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (given, seconds, printed) in [
            ("0s", 0, "0s"),
            ("90s", 90, "90s"),
            ("10m", 600, "10m"),
            ("60m", 3600, "1h"),
            ("24h", 86_400, "1d"),
            ("365d", 31_536_000, "365d"),
        ] {
            let span = parse(given).unwrap();
            assert_eq!((span.as_secs(), print(span).as_str()), (seconds, printed), "{given}");
        }
        for wrong in
            ["", "10", "m", "-1m", "1.5h", "10 m", "1y", "10ms", "99999999999999999999d", "9999999999999999d"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
