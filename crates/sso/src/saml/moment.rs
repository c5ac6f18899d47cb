//! Moments as SAML writes them (SAML Core §1.3.3): xs:dateTime in UTC, so with `Z` and nothing else.

use portcullis_wire::time::UnixTime;

/// Days in a year's months before each, without a leap day.
const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Reads `2026-01-31T09:30:00.25Z`. Fractions beyond milliseconds are cut off; an offset, a leap second and the hour
/// 24 are refused.
pub(crate) fn read(text: &str) -> Option<UnixTime> {
    let body = text.strip_suffix('Z')?;
    let (whole, fraction) = match body.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (body, None),
    };
    let bytes = whole.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
        return None;
    }
    let year = digits(whole.get(0..4)?)?;
    let month = digits(whole.get(5..7)?)?;
    let day = digits(whole.get(8..10)?)?;
    let (hour, minute, second) =
        (digits(whole.get(11..13)?)?, digits(whole.get(14..16)?)?, digits(whole.get(17..19)?)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let index = usize::try_from(month - 1).ok()?;
    let before = BEFORE.get(index)?;
    let next = BEFORE.get(index + 1).copied().unwrap_or(365);
    let length = next - before + i64::from(leap && month == 2);
    if year < 1 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let past = year - 1;
    let days =
        past * 365 + past / 4 - past / 100 + past / 400 + before + i64::from(leap && month > 2) + day - 1;
    const EPOCH: i64 = 719_162; // days from 0001-01-01 to 1970-01-01
    let seconds = (days - EPOCH) * 86_400 + hour * 3600 + minute * 60 + second;
    let millis = match fraction {
        None => 0,
        Some(fraction) if !(1..=20).contains(&fraction.len()) => return None,
        Some(fraction) => {
            digits(fraction.get(..fraction.len().min(15))?)?;
            digits(fraction.get(fraction.len().min(15)..).filter(|it| !it.is_empty()).unwrap_or("0"))?;
            digits(format!("{fraction:0<3}").get(..3)?)?
        }
    };
    Some(UnixTime::from_millis(seconds * 1000 + millis))
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// Writes a moment, to the second.
pub(crate) fn write(at: UnixTime) -> String {
    let seconds = at.seconds().clamp(0, 253_402_300_799);
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = 365 + i64::from(leap);
        if days < length {
            let mut month = 12;
            loop {
                let before = BEFORE.get(month - 1).copied().unwrap_or(0) + i64::from(leap && month > 2);
                if days >= before {
                    let day = days - before + 1;
                    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
                    return format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
                }
                month -= 1;
            }
        }
        days -= length;
        year += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saml_core_1_3_3_times_are_in_utc_and_say_so() {
        for (given, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T12:30:15Z", Some(1_709_209_815_000)),
            ("2026-11-23T04:00:00.123Z", Some(1_795_406_400_123)),
            ("2026-11-23T04:00:00.1234567Z", Some(1_795_406_400_123)),
            ("2026-11-23T04:00:00.5Z", Some(1_795_406_400_500)),
            ("2000-12-31T23:59:59Z", Some(978_307_199_000)),
            ("2026-11-23T04:00:00", None),
            ("2026-11-23T04:00:00+00:00", None),
            ("2026-11-23T04:00:00z", None),
            ("2026-11-23 04:00:00Z", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T23:59:60Z", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00.1e3Z", None),
            ("-2026-01-01T00:00:00Z", None),
            ("+026-01-01T00:00:00Z", None),
            (" 2026-01-01T00:00:00Z", None),
            ("2026-1-01T00:00:00Z", None),
            ("", None),
            ("Z", None),
        ] {
            assert_eq!(read(given).map(UnixTime::millis), expected, "{given}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for seconds in (0..4_000_000_000).step_by(8_640_001) {
            let at = UnixTime::from_seconds(seconds);
            assert_eq!(read(&write(at)), Some(at));
        }
    }
}
