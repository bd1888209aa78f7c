//! The values that a query compares fields with: decoded, typed, and matched against JSON.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use serde_json::{Number, Value};

use super::order;
use super::shape::Values;
use crate::nearest;

/// The largest compiled pattern of a `re:` or `glob:` value.
const PATTERN_LIMIT_BYTES: usize = 256 * 1024;

/// A number above that of every time that a text can be.
const LATEST_MILLISECOND: f64 = 1e15;

/// A value of a query.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    text: String,
    typed: Typed,
    /// Without a cast the type is a guess, so that a string field with the same text is equal as well.
    cast: Option<Cast>,
}

/// How a query says what a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    String,
    Number,
    Boolean,
    Date,
    Epoch,
    Pattern,
    Glob,
}

impl Cast {
    const ALL: [Self; 7] =
        [Self::String, Self::Number, Self::Boolean, Self::Date, Self::Epoch, Self::Pattern, Self::Glob];

    fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Epoch => "epoch",
            Self::Pattern => "re",
            Self::Glob => "glob",
        }
    }
}

/// The text and the cast are all that the rest is read from.
impl PartialEq for Operand {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.cast) == (&other.text, other.cast)
    }
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
        let (name, rest) = raw.split_once(':').unwrap_or_default();
        // Many values have a colon and no cast: times, URLs, tags.
        let Some(cast) = Cast::ALL.into_iter().find(|cast| cast.name() == name) else {
            let text = decoded(raw)?;
            return Some(Ok(Self { typed: guessed(&text), text, cast: None }));
        };
        let text = decoded(rest)?;
        let typed = match cast {
            Cast::String => Some(Typed::Text),
            Cast::Number => number(&text).map(Typed::Number),
            Cast::Boolean => text.parse().ok().map(Typed::Boolean),
            Cast::Date => instant(&text).map(Typed::Instant),
            Cast::Epoch => epoch(&text).map(Typed::Instant),
            Cast::Pattern | Cast::Glob => {
                let is_glob = cast == Cast::Glob;
                let pattern = if is_glob { pattern(&glob(&text)) } else { pattern(&text) };
                let Some(pattern) = pattern else {
                    let what = if is_glob { "glob" } else { "regular expression" };
                    return Some(Err(format!("`{text}` is not a valid {what}")));
                };
                Some(Typed::Pattern(pattern))
            }
        };
        Some(Ok(Self { typed: typed.unwrap_or(Typed::Text), text, cast: Some(cast) }))
    }

    /// Returns the text if of all texts only that very one equals the value.
    /// Returns a text in lower case; a pattern ignores case as it is.
    pub(super) fn lowered(self) -> Self {
        match self.typed {
            Typed::Pattern(_) => self,
            _ => Self { text: self.text.to_lowercase(), ..self },
        }
    }

    /// Returns the text that equals this value alone, if there is one.
    pub(super) fn exact_text(&self) -> Option<&str> {
        let is_exact = match &self.typed {
            Typed::Text => true,
            Typed::Boolean(_) => self.cast.is_none(),
            // A text that is a time equals the same time in milliseconds.
            Typed::Number(number) => {
                self.cast.is_none() && number.as_f64().is_some_and(|number| number.abs() > LATEST_MILLISECOND)
            }
            Typed::Null | Typed::Instant(_) | Typed::Pattern(_) => false,
        };
        is_exact.then_some(&*self.text)
    }

    /// Writes the value as a query has it.
    pub(super) fn print(&self, out: &mut String) {
        if let Some(cast) = self.cast {
            out.push_str(cast.name());
            out.push(':');
        }
        encode(&self.text, out);
    }

    /// Tells whether the value is a pattern, which has no order.
    pub(super) fn is_pattern(&self) -> bool {
        matches!(self.typed, Typed::Pattern(_))
    }

    /// Says why no field with such values can equal the value, or come before or after it.
    pub(super) fn mismatch(&self, values: &Values) -> Option<String> {
        let text = &self.text;
        match (values, &self.typed) {
            (_, Typed::Null | Typed::Pattern(_)) | (Values::Any, _) | (Values::Booleans, Typed::Boolean(_)) => None,
            (Values::Times, _) if self.millisecond().is_some() => None,
            (Values::OneOf(texts), _) if texts.contains(text) => None,
            (Values::Times, _) => Some(format!(
                "`{text}` is no time: write `2026-01-31`, `2026-01-31T08:00:00Z`, or milliseconds since 1970"
            )),
            (Values::Booleans, _) => Some(format!("`{text}` is neither `true` nor `false`")),
            (Values::OneOf(texts), _) => Some(nearest::unknown("value", text, texts.iter().map(String::as_str))),
        }
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
            (_, Value::String(left)) if self.cast.is_none() => Some(left.as_str().cmp(&self.text)),
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

    /// Returns the whole number of milliseconds since 1970 that the value as a time begins with, and whether it is just
    /// that; `None` if it cannot be a time.
    pub(super) fn whole_millisecond(&self) -> Option<(i128, bool)> {
        match &self.typed {
            Typed::Instant(time) => {
                let nanoseconds = time.as_nanosecond();
                Some((nanoseconds.div_euclid(order::NANOSECONDS), nanoseconds.rem_euclid(order::NANOSECONDS) == 0))
            }
            Typed::Number(number) => match number.as_i128() {
                Some(whole) => Some((whole, true)),
                None => number.as_f64().map(|number| (number.floor() as i128, number.fract() == 0.0)),
            },
            _ => None,
        }
    }

    fn has_text(&self, value: &Value) -> bool {
        let is_text = self.cast.is_none() || matches!(self.typed, Typed::Text);
        is_text && value.as_str() == Some(&self.text)
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

/// Encodes a text so that [`decoded`] returns it: once what has a meaning of its own, twice what begins an escape.
pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' | b'*' | b'/' | b'@' | b'$' => {
                out.push(char::from(byte));
            }
            b'%' => out.push_str("%2525"),
            _ => {
                let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
                out.push('%');
                out.extend(digits.map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
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
