//! JSON at the door: read strictly, with errors in plain words that name the field.
//!
//! Nothing is accepted that is not understood: a field that a type does not have is refused with the nearest one that it
//! has, an array is never taken for an object, and no text nests deeper than [`DEPTH_LIMIT`]. So types of bodies need no
//! attributes of their own for this. Types that are read by [`read`] and [`from_value`] must not hold a `RawValue`, and
//! enums in them are texts; untagged and internally tagged enums would be read loosely and are not used.

mod strict;

use std::fmt::{self, Display};

use serde::de::{self, DeserializeOwned, Deserializer, Expected, Unexpected};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::strict::{Plain, Strict};
use crate::error::Refusal;
use crate::nearest;

/// How deep JSON that comes in may nest.
///
/// Parsers that read it later have a limit of 128, and envelopes, commands and records add levels of their own.
pub const DEPTH_LIMIT: usize = 64;

/// What is wrong with a value, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    path: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The field at the path is missing.
    Missing,
    /// The object at the path has a field that it must not have; the text says which and what was probably meant.
    Unknown(String),
    /// What is at the path breaks this rule, as in "must be a string".
    Rule(String),
}

/// JSON that nests deeper than [`DEPTH_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSON nests more than {DEPTH_LIMIT} levels deep")]
pub struct TooDeep;

/// Reads a body into a type, or says which field breaks which rule.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    from_value(parse(bytes)?).map_err(Refusal::from)
}

/// Parses a body, whatever it says.
pub fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::empty_body());
    }
    check_depth(bytes).map_err(|too_deep| Refusal::body_format(too_deep.to_string()))?;
    let parsed: Result<Plain<true>, _> = serde_json::from_slice(bytes);
    let parsed = parsed.map_err(|cause| match cause.is_data() {
        true => Refusal::body_format(format!("the body has a {cause}")),
        false => Refusal::body_format(format!("the body is not valid JSON: {cause}")),
    });
    parsed.map(|Plain(value)| value)
}

/// Parses JSON that somebody else has written, who may name a field twice: the last one counts.
///
/// It refuses names of fields to which the JSON library itself gives a meaning, and nesting of more than 127 levels.
pub fn foreign(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes).map(|Plain::<false>(value)| value)
}

/// Why JSON that somebody else has written cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It nests too deep.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
    /// It is not JSON, or has a name that nobody may give.
    #[error(transparent)]
    Invalid(#[from] serde_json::Error),
}

/// Parses what [`foreign`] takes, if it nests no deeper than [`DEPTH_LIMIT`].
pub fn foreign_within_limit(bytes: &[u8]) -> Result<Value, Unreadable> {
    check_depth(bytes)?;
    Ok(foreign(bytes)?)
}

/// Turns a value into a type as strictly as [`read`].
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    T::deserialize(Strict(value))
}

/// Reads a field whose null is a value and not its absence, for `serde(default, deserialize_with)`.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Tells whether a name of a field means something to the JSON library itself, which would take another value for its object.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("$serde_json::private::")
}

/// Refuses JSON text that nests deeper than [`DEPTH_LIMIT`], without parsing it.
pub fn check_depth(bytes: &[u8]) -> Result<(), TooDeep> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                if depth > DEPTH_LIMIT {
                    return Err(TooDeep);
                }
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Leaves out the white space between the parts of a JSON text.
pub fn without_spaces(text: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_part = |char: &char| {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ => {}
        }
        is_text || !char.is_ascii_whitespace()
    };
    text.chars().filter(is_part).collect()
}

/// A whole number from `LOW` to `HIGH`, which may be written as text: a template has turned it into that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct WholeNumber<const LOW: i64, const HIGH: i64>(i64);

impl<const LOW: i64, const HIGH: i64> WholeNumber<LOW, HIGH> {
    /// Returns the number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<'de, const LOW: i64, const HIGH: i64> Deserialize<'de> for WholeNumber<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = whole_number(&Value::deserialize(deserializer)?, LOW, HIGH);
        number.map(Self).map_err(de::Error::custom)
    }
}

/// Reads a whole number in a range, which may be written as text, or says the rule.
pub fn whole_number(value: &Value, low: i64, high: i64) -> Result<i64, String> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    let rule = || format!("must be a whole number from {low} to {high}");
    number.filter(|number| (low..=high).contains(number)).ok_or_else(rule)
}

/// Counts the levels of a value; a scalar has none.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Counts the bytes of a value's JSON without keeping them.
pub fn size_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

impl Problem {
    /// A field breaks a rule, as in "must be a string".
    pub fn field(name: &str, rule: impl Into<String>) -> Self {
        Self { path: name.to_owned(), kind: Kind::Rule(rule.into()) }
    }

    /// A field is missing.
    pub fn missing(name: &str) -> Self {
        Self { path: name.to_owned(), kind: Kind::Missing }
    }

    /// A field is not one of those that are known.
    pub fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        Self { path: String::new(), kind: Kind::Unknown(nearest::unknown("field", name, known)) }
    }

    fn rule(rule: impl Into<String>) -> Self {
        Self::field("", rule)
    }

    /// Moves the problem into the member or element of this name, such as `inner` or `[3]`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind } = self;
        let place = if path.is_empty() { "the body".to_owned() } else { format!("`{path}`") };
        match kind {
            Kind::Missing => write!(f, "{place} is required"),
            Kind::Unknown(hint) if path.is_empty() => f.write_str(hint),
            Kind::Unknown(hint) => write!(f, "{place}: {hint}"),
            Kind::Rule(rule) => write!(f, "{place} {rule}"),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let mut refusal = match &problem.kind {
            Kind::Missing => Self::missing_field(""),
            Kind::Unknown(_) | Kind::Rule(_) => Self::field("", ""),
        };
        refusal.message = problem.to_string();
        refusal
    }
}

impl de::Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Self::rule(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::rule(format!("must be {}", plain(&expected.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::rule(format!("must be {}", plain(&expected.to_string())))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::rule(format!("must be {}", plain(&expected.to_string())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::rule(format!("has the {}", nearest::unknown("value", variant, expected.iter().copied())))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing(field)
    }
}

/// Says in plain words what serde expected.
fn plain(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "an object",
        "a sequence" => "an array",
        "unit" => "null",
        "a borrowed string" | "a character" | "string or map" | "variant identifier" => "a string",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("a tuple") || expected.starts_with("an array") => "an array",
        _ if expected.starts_with("enum ") => "a string",
        _ => expected,
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Thing {
        name: String,
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        map: BTreeMap<String, Inner>,
        mode: Option<Mode>,
        #[serde(default)]
        free: Value,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        count: u32,
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Slow,
    }

    fn refused(body: &str) -> Refusal {
        read::<Thing>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_said_with_the_field_and_the_rule() {
        let check = |body: &str, code: u32, message: &str| {
            let refusal = refused(body);
            assert_eq!((refusal.code, refusal.message.as_str()), (code, message), "{body}");
        };
        check("", 13, "the request needs a JSON body");
        check("  \n", 13, "the request needs a JSON body");
        check("{}", 14, "`name` is required");
        check(r#"{"name": 5}"#, 15, "`name` must be a string");
        check("[]", 15, "the body must be an object");
        check(r#"["a"]"#, 15, "the body must be an object");
        check(
            r#"{"name": "a", "inner": {"count": -1}}"#,
            15,
            "`inner.count` must be a whole number from 0 to 4294967295",
        );
        check(r#"{"name": "a", "inner": {}}"#, 14, "`inner.count` is required");
        check(r#"{"name": "a", "inner": [5]}"#, 15, "`inner` must be an object");
        check(r#"{"name": "a", "list": [{"count": 1}, [2]]}"#, 15, "`list[1]` must be an object");
        check(r#"{"name": "a", "list": {}}"#, 15, "`list` must be an array");
        check(
            r#"{"name": "a", "map": {"k": {"count": 1.5}}}"#,
            15,
            "`map.k.count` must be a whole number from 0 to 4294967295",
        );
        check(r#"{"nmae": "a"}"#, 15, "unknown field `nmae`: did you mean `name`?");
        check(
            r#"{"name": "a", "list": [{"cuont": 1}]}"#,
            15,
            "`list[0]`: unknown field `cuont`: did you mean `count`?",
        );
        check(r#"{"name": "a", "mode": "fats"}"#, 15, "`mode` has the unknown value `fats`: did you mean `fast`?");
        check(r#"{"name": "a", "mode": {"fast": 1}}"#, 15, "`mode` must be a string");
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        for body in [r#"{"name": "a", "name": "b"}"#, r#"{"name": "a", "free": [{"name": 1, "name": 1}]}"#] {
            let refusal = refused(body);
            assert!(refusal.code == 22 && refusal.message.contains("a second field `name`"), "{}", refusal.message);
        }
    }

    #[test]
    fn a_field_whose_name_the_library_reads_otherwise_is_refused() {
        for name in ["RawValue", "Number"] {
            let body = format!(r#"{{"name": "a", "free": [{{"$serde_json::private::{name}": "[1]"}}]}}"#);
            let refusal = refused(&body);
            assert!(refusal.code == 22 && refusal.message.contains("a field with the reserved name"), "{refusal:?}");
        }
        let text = r#"{"name": "$serde_json::private::RawValue"}"#;
        assert!(read::<Value>(text.as_bytes()).is_ok(), "it is no name here");
    }

    #[test]
    fn white_space_is_left_out_between_the_parts_only() {
        let text = " { \"a \\\" \\\\\" : [ 1 ,\t\"  \" ,\r\n true ] , \"é\" : {  } } ";
        assert_eq!(without_spaces(text), "{\"a \\\" \\\\\":[1,\"  \",true],\"é\":{}}");
    }

    #[test]
    fn what_others_write_may_name_a_field_twice_but_no_reserved_one() {
        assert_eq!(foreign(br#"{"a": [1, {"b": 1, "b": 2}]}"#).unwrap(), json!({"a": [1, {"b": 2}]}));
        assert!(foreign(br#"{"a": [{"$serde_json::private::RawValue": "[1]"}]}"#).unwrap_err().is_data());
        assert!(foreign(b"{").unwrap_err().is_eof());
    }

    #[test]
    fn a_key_may_be_a_number_and_is_then_written_as_one() {
        let read = |value: Value| from_value::<BTreeMap<u16, Inner>>(value);
        assert_eq!(read(json!({"503": {"count": 1}})).unwrap(), BTreeMap::from([(503, Inner { count: 1 })]));
        let problem = read(json!({"5xx": {"count": 1}})).unwrap_err().to_string();
        assert_eq!(problem, "the body must be a whole number from 0 to 65535");
        let modes: BTreeMap<Mode, u8> = from_value(json!({"fast": 1})).unwrap();
        assert_eq!(modes, BTreeMap::from([(Mode::Fast, 1)]));
    }

    #[test]
    fn what_is_not_json_is_refused_as_that() {
        for body in ["{", r#"{"name": "a"} x"#, "nul", "\u{feff}{}"] {
            let refusal = refused(body);
            assert_eq!(refusal.code, 22, "{body}");
            assert!(refusal.message.contains("not valid JSON"), "{body}: {}", refusal.message);
        }
    }

    #[test]
    fn sixty_four_levels_are_taken_and_one_more_is_not() {
        let body =
            |levels: usize| format!(r#"{{"name": "[[[\"", "free": {}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let read: Thing = read(body(DEPTH_LIMIT - 1).as_bytes()).unwrap();
        assert_eq!(depth(&read.free), DEPTH_LIMIT - 1);
        let refusal = refused(&body(DEPTH_LIMIT));
        assert_eq!((refusal.code, refusal.message.contains("64 levels")), (22, true), "{}", refusal.message);
        assert_eq!(refused(&"[".repeat(1_000_000)).code, 22);
    }

    #[test]
    fn a_whole_number_may_be_text() {
        let check = |value: Value, expected: Option<i64>| {
            let read = from_value::<WholeNumber<-5, 60>>(value.clone());
            assert_eq!(read.as_ref().ok().map(|number| number.get()), expected, "{value}");
            let rule = "the body must be a whole number from -5 to 60";
            assert!(
                read.is_ok_and(|_| true) || from_value::<WholeNumber<-5, 60>>(value).unwrap_err().to_string() == rule
            );
        };
        check(json!(60), Some(60));
        check(json!(" -5 "), Some(-5));
        for wrong in
            [json!(61), json!(-6), json!(1.5), json!("1.5"), json!("soon"), json!(null), json!([1]), json!(true)]
        {
            check(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn free_values_are_read_as_serde_json_reads_them(text in r#"\PC{0,40}"#, number: i64, float: f64) {
            let free = json!({"a": [text, number, null, true], "b": {"c": float, "d": u64::MAX}});
            let thing: Thing = from_value(json!({"name": "n", "free": free})).unwrap();
            prop_assert_eq!(thing.free, free);
        }

        #[test]
        fn the_depth_of_a_text_is_the_depth_of_its_value(levels in 0usize..130, text in r#"[\\"\[\]{}a]{0,12}"#) {
            let value = (0..levels).fold(json!(text), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({"k]": inner}) });
            prop_assert_eq!(depth(&value), levels);
            prop_assert_eq!(check_depth(value.to_string().as_bytes()).is_ok(), levels <= DEPTH_LIMIT);
        }
    }
}
