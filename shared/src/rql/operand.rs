//! The values that a query compares fields with: decoded, typed, and matched against JSON.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use serde_json::{Number, Value};

use super::order;

/// The largest compiled pattern of a `re:` or `glob:` value.
const PATTERN_LIMIT_BYTES: usize = 256 * 1024;

/// A value of a query.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    text: String,
    typed: Typed,
    /// Without a cast the type is a guess, so that a string field with the same text is equal as well.
    cast: bool,
}

#[derive(Debug, Clone)]
enum Typed {
    Null,
    Boolean(bool),
    Number(Number),
    Instant(Timestamp),
    Text,
    Pattern(Regex),
}

impl Operand {
    /// Reads a decoded value, with or without a cast, or says which rule it breaks.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Some((cast, rest)) = text.split_once(':') else {
            return Ok(Self { text: text.to_owned(), typed: guessed(text), cast: false });
        };
        let wrong = |what: &str| format!("`{rest}` is not a valid {what}");
        let typed = match cast {
            "string" => Typed::Text,
            "number" => Typed::Number(number(rest).ok_or_else(|| wrong("number"))?),
            "boolean" => Typed::Boolean(rest.parse().map_err(|_| wrong("boolean"))?),
            "date" => Typed::Instant(instant(rest).ok_or_else(|| wrong("ISO 8601 date"))?),
            "epoch" => Typed::Instant(epoch(rest).ok_or_else(|| wrong("time in milliseconds since 1970"))?),
            "re" => Typed::Pattern(pattern(rest).ok_or_else(|| wrong("regular expression"))?),
            "glob" => Typed::Pattern(pattern(&glob(rest)).ok_or_else(|| wrong("glob"))?),
            // Many values have a colon and no cast: times, URLs, tags.
            _ => return Ok(Self { text: text.to_owned(), typed: guessed(text), cast: false }),
        };
        Ok(Self { text: rest.to_owned(), typed, cast: true })
    }

    /// Returns the text if only that very text is meant.
    pub(super) fn exact_text(&self) -> Option<&str> {
        (!self.cast || matches!(self.typed, Typed::Text)).then_some(&*self.text)
    }

    /// Tells whether the value is a pattern, which has no order.
    pub(super) fn is_pattern(&self) -> bool {
        matches!(self.typed, Typed::Pattern(_))
    }

    /// Tells whether a field's value equals this one.
    pub(super) fn equals(&self, value: &Value) -> bool {
        match (&self.typed, value) {
            (Typed::Null, Value::Null) => true,
            (Typed::Pattern(pattern), Value::String(text)) => pattern.is_match(text),
            _ => self.compare(value) == Some(Ordering::Equal) || self.has_text(value),
        }
    }

    /// Orders a field's value against this one; `None` if the two have no order.
    pub(super) fn compare(&self, value: &Value) -> Option<Ordering> {
        match (&self.typed, value) {
            (Typed::Boolean(right), Value::Bool(left)) => Some(left.cmp(right)),
            (Typed::Number(right), Value::Number(left)) => order::numbers(left, right),
            (Typed::Instant(right), Value::String(left)) if instant(left).is_some() => Some(instant(left)?.cmp(right)),
            (Typed::Instant(right), Value::Number(left)) => Some(left.as_i64()?.cmp(&right.as_millisecond())),
            (Typed::Text, Value::String(left)) => Some(left.as_str().cmp(&self.text)),
            (_, Value::String(left)) if !self.cast => Some(left.as_str().cmp(&self.text)),
            _ => None,
        }
    }

    fn has_text(&self, value: &Value) -> bool {
        self.exact_text().is_some_and(|text| value.as_str() == Some(text))
    }
}

/// Decodes a value until nothing changes, at most twice: client libraries encode twice, people once or not at all.
pub(super) fn decoded(raw: &str) -> Option<String> {
    let once = decode(raw)?;
    Some(decode(&once).unwrap_or(once))
}

/// Decodes percent escapes; what is not an escape stays as it is. `None` if the outcome is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = if *first == b'%' { tail.first_chunk::<2>() } else { None };
        let digits = escape.and_then(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?));
        bytes.push(digits.unwrap_or(*first));
        rest = if digits.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn guessed(text: &str) -> Typed {
    match text {
        "null" => Typed::Null,
        "true" => Typed::Boolean(true),
        "false" => Typed::Boolean(false),
        _ => number(text).map(Typed::Number).or_else(|| instant(text).map(Typed::Instant)).unwrap_or(Typed::Text),
    }
}

/// Reads what JSON calls a number, no more.
fn number(text: &str) -> Option<Number> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if plain { serde_json::from_str(text).ok() } else { None }
}

/// Reads an ISO date, with a time or without; one without an offset is in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    // Most texts are not dates, and parsing is expensive; an ISO date starts with a year.
    let year = text.get(..5)?.as_bytes();
    if !(year[..4].iter().all(u8::is_ascii_digit) && year[4] == b'-') {
        return None;
    }
    let zoned = || text.parse::<Timestamp>().ok();
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    zoned().or_else(|| local().or_else(date).map(|time| time.timestamp()))
}

fn epoch(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}

/// Compiles a pattern; the engine's time is linear in the text, and its memory is bounded here.
fn pattern(source: &str) -> Option<Regex> {
    let mut builder = RegexBuilder::new(source);
    builder.case_insensitive(true).size_limit(PATTERN_LIMIT_BYTES).dfa_size_limit(PATTERN_LIMIT_BYTES);
    builder.build().ok()
}

/// Turns `*` (any text) and `?` (one character) into a regular expression for the whole text.
fn glob(source: &str) -> String {
    let parts = source.chars().map(|character| match character {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        other => regex::escape(other.encode_utf8(&mut [0; 4])),
    });
    format!("(?s)^{}$", parts.collect::<String>())
}
