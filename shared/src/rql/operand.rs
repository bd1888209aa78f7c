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
    /// Reads a value as it is written, with or without a cast; `None` if it is not UTF-8.
    ///
    /// A cast is one only if its colon is not encoded. What cannot be what its cast says is a text.
    pub(super) fn read(raw: &str) -> Option<Result<Self, String>> {
        let (cast, rest) = raw.split_once(':').unwrap_or_default();
        let rest = decoded(rest)?;
        let wrong = |what: &str| format!("`{rest}` is not a valid {what}");
        let typed = match cast {
            "string" => Some(Typed::Text),
            "number" => number(&rest).map(Typed::Number),
            "boolean" => rest.parse().ok().map(Typed::Boolean),
            "date" => instant(&rest).map(Typed::Instant),
            "epoch" => epoch(&rest).map(Typed::Instant),
            "re" | "glob" => {
                let source = if cast == "glob" { glob(&rest) } else { rest.clone() };
                let what = if cast == "glob" { "glob" } else { "regular expression" };
                let Some(pattern) = pattern(&source) else { return Some(Err(wrong(what))) };
                Some(Typed::Pattern(pattern))
            }
            // Many values have a colon and no cast: times, URLs, tags.
            _ => {
                let text = decoded(raw)?;
                return Some(Ok(Self { typed: guessed(&text), text, cast: false }));
            }
        };
        Some(Ok(Self { typed: typed.unwrap_or(Typed::Text), text: rest, cast: true }))
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
            (Typed::Instant(right), Value::Number(left)) => order::time_with(*right, left).map(Ordering::reverse),
            (Typed::Number(right), Value::String(left)) if instant(left).is_some() => {
                order::time_with(instant(left)?, right)
            }
            (Typed::Text, Value::String(left)) => Some(left.as_str().cmp(&self.text)),
            (_, Value::String(left)) if !self.cast => Some(left.as_str().cmp(&self.text)),
            _ => None,
        }
    }

    /// Returns the time in milliseconds since 1970 that the value is, if it can be one.
    pub(super) fn millisecond(&self) -> Option<i64> {
        match &self.typed {
            Typed::Instant(time) => Some(time.as_millisecond()),
            Typed::Number(number) => number.as_i64(),
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
pub(super) fn instant(text: &str) -> Option<Timestamp> {
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
