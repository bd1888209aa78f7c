//! `$Dateformat`: a time in the tokens of its format, in UTC.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;

/// What can be formatted.
pub(super) const RULE: &str = "takes a time such as 2026-01-02, 2026-01-02T03:04:05Z or milliseconds since 1970";
/// How many bytes a byte of a format makes at most: `MMMM` in September, `dddd` on a Wednesday.
pub(super) const MOST_BYTES_PER_BYTE: usize = 6;

/// The tokens, longer ones before those that they begin with, each with how `strftime` writes it.
const TOKENS: [(&str, &str); 21] = [
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("DD", "%d"),
    ("D", "%-d"),
    ("dddd", "%A"),
    ("ddd", "%a"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("hh", "%I"),
    ("h", "%-I"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("s", "%-S"),
    ("SSS", "%3f"),
    ("A", "%p"),
    ("a", "%P"),
];

/// Reads a time: of a day its beginning, and one without an offset in UTC.
pub(super) fn time(value: &Value) -> Option<Zoned> {
    let timestamp = match value {
        Value::Number(number) => {
            let whole = super::number::Number::of_json(number)?.whole()?;
            Timestamp::from_millisecond(i64::try_from(whole).ok()?).ok()
        }
        Value::String(text) => {
            let text = text.trim();
            let in_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
            let timestamp = text.parse::<Timestamp>().ok();
            let time = || text.parse::<DateTime>().ok().and_then(in_utc);
            let day = || text.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0)).and_then(in_utc);
            timestamp.or_else(time).or_else(day)
        }
        _ => None,
    };
    timestamp.map(|timestamp| timestamp.to_zoned(TimeZone::UTC))
}

/// Writes a time; what is no token stays as it is, and so does everything in square brackets, without them.
pub(super) fn formatted(time: &Zoned, format: &str) -> String {
    let mut written = String::new();
    let mut rest = format;
    while let Some(char) = rest.chars().next() {
        if let Some((literal, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            written.push_str(literal);
            rest = after;
        } else if let Some((token, directive)) = TOKENS.iter().find(|(token, _)| rest.starts_with(token)) {
            written.push_str(&time.strftime(directive).to_string());
            rest = &rest[token.len()..];
        } else {
            written.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    written
}
