//! Times as senders write them: a count since 1970 in any of the usual units, RFC 3339, or the date of an HTTP header.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

const SECOND_NS: i128 = 1_000_000_000;

/// Reads a time; a count since 1970 may have a fraction.
///
/// The size of a count tells its unit: seconds have up to 11 digits until the year 5138, milliseconds have 12 to 14 since
/// 1973, microseconds 15 to 17, nanoseconds 18 or 19.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    count(text).or_else(|| rfc3339(text)).or_else(|| http_date(text))
}

fn count(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(digits) || !fraction.is_none_or(|fraction| is_number(fraction) && fraction.len() <= 9) {
        return None;
    }
    let unit_ns = match digits.len() {
        ..12 => SECOND_NS,
        12..15 => SECOND_NS / 1_000,
        15..18 => SECOND_NS / 1_000_000,
        18..20 => 1,
        _ => return None,
    };
    let fraction = fraction.unwrap_or("0");
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let part_ns = fraction.parse::<i128>().ok()? * unit_ns / scale;
    let whole_ns = digits.parse::<i128>().ok()?.checked_mul(unit_ns)?;
    let ns = whole_ns.checked_add(part_ns)?;
    Timestamp::from_nanosecond(if whole.starts_with('-') { -ns } else { ns }).ok()
}

/// Reads `2026-01-02T03:04:05Z`, but none of the annotations that later standards allow behind it.
fn rfc3339(text: &str) -> Option<Timestamp> {
    if text.contains('[') { None } else { text.parse().ok() }
}

/// Reads `Fri, 02 Jan 2026 03:04:05 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_read_in_each_notation() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse(text), expected.map(|time| time.parse().unwrap()), "{text}");
        };
        check("1767323045", Some("2026-01-02T03:04:05Z"));
        check("1767323045678", Some("2026-01-02T03:04:05.678Z"));
        check("1767323045678901", Some("2026-01-02T03:04:05.678901Z"));
        check("1767323045678901234", Some("2026-01-02T03:04:05.678901234Z"));
        check("1767323045.678", Some("2026-01-02T03:04:05.678Z"));
        check("1767323045678.5", Some("2026-01-02T03:04:05.6785Z"));
        check("0", Some("1970-01-01T00:00:00Z"));
        check("-1.5", Some("1969-12-31T23:59:58.5Z"));
        check("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05Z"));
        check("2026-01-02t03:04:05.678z", Some("2026-01-02T03:04:05.678Z"));
        check("2026-01-02T05:04:05.678+02:00", Some("2026-01-02T03:04:05.678Z"));
        check("Fri, 02 Jan 2026 03:04:05 GMT", Some("2026-01-02T03:04:05Z"));
        check("Fri, 02 Jan 2026 04:04:05 +0100", Some("2026-01-02T03:04:05Z"));
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1e3",
            " 1",
            "1 ",
            "+1",
            "now",
            "1.5.5",
            "0x1",
            "1_000",
            "1.1234567890",
            "99999999999999999999",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05Z[UTC]",
            "\u{0661}",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn the_units_agree(ms in 100_000_000_000_i64..4_000_000_000_000) {
            let time = Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(parse(&ms.to_string()), Some(time));
            prop_assert_eq!(parse(&format!("{}.{:03}", ms / 1_000, ms % 1_000)), Some(time));
            prop_assert_eq!(parse(&time.to_string()), Some(time));
        }
    }
}
