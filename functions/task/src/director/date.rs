//! Dates as `new Date()` of JavaScript takes them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use serde_json::Value;

/// What a date must be.
pub(crate) const DATE_RULE: &str = "must be a date such as 2026-01-02T03:04:05Z, or milliseconds since 1970, \
    up to the year 9999";

/// The orders of day, month and year that are read besides those of ISO 8601.
const DATES: [&str; 11] = [
    "%a %b %d %Y",
    "%a, %d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%B %d %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%m-%d-%Y",
];
/// What may follow a date.
const TIMES: [&str; 7] = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M %z", " %H:%M:%S %z"];
/// The fewest digits of milliseconds that are written as text: a shorter number is a year, or means seconds.
const MILLISECONDS_DIGITS: usize = 11;

/// The length of a date without a time.
const DATE_CHARACTERS: usize = 10;

/// Reads a date; one without a time zone is in UTC.
pub(crate) fn date(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(ms) => Timestamp::from_millisecond(whole(ms.as_f64()?)?).ok(),
        Value::String(text) => of_text(text.trim()),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<Timestamp> {
    if text.len() >= MILLISECONDS_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_millisecond(text.parse().ok()?).ok();
    }
    text.parse().ok().or_else(|| iso(text)).or_else(|| other(text)).map(shared::clock::truncate)
}

/// Reads what ISO 8601 lets out: the time zone, the time, the day and the month.
fn iso(text: &str) -> Option<Timestamp> {
    let starts_with_year = text.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
    let is_whole = |length: usize| text.len() == length && starts_with_year;
    match () {
        () if is_whole(4) => utc(format!("{text}-01-01").parse::<Date>().ok()?.into()),
        () if is_whole(7) => utc(format!("{text}-01").parse::<Date>().ok()?.into()),
        () if starts_with_year && text.get(4..5) == Some("-") => {
            // Minutes without seconds in a time zone.
            let with_zone = BrokenDownTime::parse("%Y-%m-%dT%H:%M%:z", text.replace('Z', "+00:00")).ok();
            let zoned = with_zone.and_then(|time| time.to_timestamp().ok());
            let has_minutes = text.len() == DATE_CHARACTERS || text.contains(':');
            zoned.or_else(|| utc(text.parse::<DateTime>().ok().filter(|_| has_minutes)?))
        }
        () => None,
    }
}

/// Reads the forms of mail headers, of `Date.prototype.toString` and of American usage.
fn other(text: &str) -> Option<Timestamp> {
    let text = text.split_once(" (").map_or(text, |(text, _)| text);
    let text = text.replace(" GMT+", " +").replace(" GMT-", " -");
    let text = [" GMT", " UTC", " Z"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(&text);
    DATES.iter().flat_map(|date| TIMES.iter().map(move |time| format!("{date}{time}"))).find_map(|format| {
        let parsed = BrokenDownTime::parse(&format, text).ok()?;
        match parsed.offset() {
            Some(_) => parsed.to_timestamp().ok(),
            None => utc(parsed.to_datetime().or_else(|_| parsed.to_date().map(DateTime::from)).ok()?),
        }
    })
}

fn utc(time: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(time).ok()
}

/// Returns a number that is whole.
#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and what is out of range is no date")]
pub(crate) fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_date_is_read_as_javascript_reads_it() {
        let check = |value: Value, expected: &str| {
            assert_eq!(date(&value).map(|time| time.to_string()).as_deref(), Some(expected), "{value}");
        };
        check(json!("2022-06-24T10:30:00.123Z"), "2022-06-24T10:30:00.123Z");
        check(json!("2022-06-24T10:30:00+02:00"), "2022-06-24T08:30:00Z");
        check(json!("2022-06-24T10:30Z"), "2022-06-24T10:30:00Z");
        check(json!("2022-06-24T10:30-03:00"), "2022-06-24T13:30:00Z");
        check(json!("2022-06-24T10:30"), "2022-06-24T10:30:00Z");
        check(json!("2022-06-24T10:30:05"), "2022-06-24T10:30:05Z");
        check(json!("2022-06-24 10:30:05"), "2022-06-24T10:30:05Z");
        check(json!("2022-06-24"), "2022-06-24T00:00:00Z");
        check(json!("2022-06"), "2022-06-01T00:00:00Z");
        check(json!("2022"), "2022-01-01T00:00:00Z");
        check(json!("Fri, 24 Jun 2022 10:30:05 GMT"), "2022-06-24T10:30:05Z");
        check(json!("Fri Jun 24 2022 10:30:05 GMT+0200 (Central European Summer Time)"), "2022-06-24T08:30:05Z");
        check(json!("Fri Jun 24 2022"), "2022-06-24T00:00:00Z");
        check(json!("June 24, 2022 10:30"), "2022-06-24T10:30:00Z");
        check(json!("Jun 24, 2022"), "2022-06-24T00:00:00Z");
        check(json!("24 June 2022"), "2022-06-24T00:00:00Z");
        check(json!("6/24/2022"), "2022-06-24T00:00:00Z");
        check(json!("06/24/2022 1:05 PM"), "2022-06-24T13:05:00Z");
        check(json!("2022/06/24 10:30"), "2022-06-24T10:30:00Z");
        check(json!(1_656_066_600_000_i64), "2022-06-24T10:30:00Z");
        check(json!(1_656_066_600_000.0), "2022-06-24T10:30:00Z");
        check(json!("1656066600000"), "2022-06-24T10:30:00Z");
        check(json!(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_date_in_javascript_is_none_here() {
        let texts = [
            "24/06/2022",
            "2022-13-01",
            "2022-02-30",
            "tomorrow",
            "",
            " ",
            "2022-06-24T25:00:00Z",
            "1656066600",
            "Invalid Date",
            "06/24",
            "2022-06-24T10",
            "99999999999999999999",
            "é022",
        ];
        for text in texts {
            assert_eq!(date(&json!(text)), None, "{text}");
        }
        for value in [json!(true), json!([]), json!({}), json!(1.5), json!(1e300), json!(null)] {
            assert_eq!(date(&value), None, "{value}");
        }
    }
}
