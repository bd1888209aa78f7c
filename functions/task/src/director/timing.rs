//! When a task runs: `init`, `end` and `interval`, in a body or in the JSON file beside a script.

use jiff::Timestamp;
use serde_json::{Map, Value};
use shared::Refusal;

use super::date::{DATE_RULE, date, whole};
use crate::schedule::timing::{LONGEST_INTERVAL_MS, SHORTEST_INTERVAL_MS};

/// When a task runs, as far as something says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) init: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) interval_ms: Option<i64>,
}

impl Given {
    /// Reads it from the fields of an object; the refusal names the field.
    pub(crate) fn read(fields: &Map<String, Value>) -> Result<Self, Refusal> {
        let given = Self {
            init: read(fields, "init", DATE_RULE, date)?,
            end: read(fields, "end", DATE_RULE, date)?,
            interval_ms: read(fields, "interval", &interval_rule(), interval)?,
        };
        match (given.init, given.end) {
            (Some(init), Some(end)) => check_order(init, end).map(|()| given),
            _ => Ok(given),
        }
    }
}

/// Refuses an end that leaves no time for a run.
pub(crate) fn check_order(init: Timestamp, end: Timestamp) -> Result<(), Refusal> {
    match init < end {
        true => Ok(()),
        false => Err(Refusal::field("end", format!("must be after `init`: {end} is not after {init}"))),
    }
}

/// Reads a field; null is as good as absent.
fn read<T>(
    fields: &Map<String, Value>,
    name: &str,
    rule: &str,
    parse: fn(&Value) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(value) = fields.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    parse(value).map(Some).ok_or_else(|| Refusal::field(name, rule))
}

fn interval_rule() -> String {
    format!("must be a whole number of milliseconds from {SHORTEST_INTERVAL_MS} to {LONGEST_INTERVAL_MS}")
}

/// Reads an interval, which may be written as text.
fn interval(value: &Value) -> Option<i64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    whole(number).filter(|ms| (SHORTEST_INTERVAL_MS..=LONGEST_INTERVAL_MS).contains(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(fields: &Value) -> Result<Given, String> {
        Given::read(fields.as_object().unwrap()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn an_interval_is_a_positive_number_that_may_be_text() {
        let check = |interval: Value, expected: Option<i64>| {
            let read = given(&json!({"interval": interval}));
            match expected {
                Some(ms) => assert_eq!(read.unwrap().interval_ms, Some(ms), "{interval}"),
                None => assert!(read.unwrap_err().starts_with("`interval` must be a whole number"), "{interval}"),
            }
        };
        check(json!(3_600_000), Some(3_600_000));
        check(json!(5000.0), Some(5000));
        check(json!("5000"), Some(5000));
        check(json!(" 5e3 "), Some(5000));
        for wrong in [
            json!(0),
            json!(-1),
            json!(999),
            json!(1.5),
            json!("soon"),
            json!(""),
            json!("NaN"),
            json!("inf"),
            json!(1e300),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            check(wrong, None);
        }
        assert_eq!(given(&json!({"interval": null})).unwrap().interval_ms, None);
    }

    #[test]
    fn the_end_is_after_the_beginning() {
        let check = |init: &str, end: &str, is_fine: bool| {
            let read = given(&json!({"init": init, "end": end}));
            assert_eq!(read.is_ok(), is_fine, "{read:?}");
            assert!(is_fine || read.unwrap_err().starts_with("`end` must be after `init`: "));
        };
        check("2022-06-24", "2022-06-25", true);
        check("2022-06-24", "2022-06-24T00:00:00Z", false);
        check("2022-06-24", "2022-06-23", false);
        assert!(given(&json!({"init": "24/06/2022"})).unwrap_err().starts_with("`init` must be a date"));
        assert!(given(&json!({"end": true})).unwrap_err().starts_with("`end` must be a date"));
    }
}
