//! A task as it is shown: every field as it was given, and what became of those that were not.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::schedule::timing::Timing;
use crate::store::schedule::{Program, Schedule};

/// A task as it is answered, by the names of its fields.
pub(crate) type Answered = BTreeMap<String, Box<RawValue>>;

/// Shows a task; `None` for a schedule that runs a function.
pub(crate) fn document(schedule: &Schedule) -> Option<Map<String, Value>> {
    let Program::Script { script, config } = &schedule.program else { return None };
    let extra = schedule.extra.as_deref().unwrap_or("{}");
    let mut fields: Map<String, Value> = serde_json::from_str(extra).unwrap_or_default();
    let mut fill = |name: &str, value: Option<Value>| {
        if let Some(value) = value
            && fields.get(name).is_none_or(Value::is_null)
        {
            fields.insert(name.to_owned(), value);
        }
    };
    fill("init", Some(shown(schedule.init)));
    fill("end", schedule.end.map(shown));
    if let Timing::Interval { interval_ms } = schedule.timing {
        fill("interval", Some(interval_ms.into()));
    }
    fields.insert("id".to_owned(), schedule.schedule_id.clone().into());
    fields.insert("script".to_owned(), script.clone().into());
    fields.insert("running".to_owned(), schedule.running.into());
    fields.insert("config".to_owned(), serde_json::from_str(config).unwrap_or_default());
    Some(fields)
}

/// The same as it is answered: with the members of `config` in the order in which they were sent.
pub(crate) fn answered(schedule: &Schedule) -> Option<Answered> {
    let Program::Script { config, .. } = &schedule.program else { return None };
    Some(verbatim(&document(schedule)?, config))
}

fn verbatim(document: &Map<String, Value>, config: &str) -> Answered {
    let text = |name: &str, value: &Value| match name {
        "config" => RawValue::from_string(config.to_owned()).ok(),
        _ => to_raw_value(value).ok(),
    };
    document.iter().filter_map(|(name, value)| Some((name.clone(), text(name, value)?))).collect()
}

fn shown(time: Timestamp) -> Value {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string().into()
}

/// Tells whether a task has every one of these properties.
pub(crate) fn has_all(document: &Map<String, Value>, properties: &Map<String, Value>) -> bool {
    properties.iter().all(|(name, value)| document.get(name) == Some(value))
}

/// Tells whether a task has every property that a query names.
///
/// A text matches the property that is the text, or a number or a boolean that is written so.
pub(crate) fn matches(document: &Map<String, Value>, query: &[(String, String)]) -> bool {
    query.iter().all(|(name, text)| match document.get(name) {
        Some(Value::String(property)) => property == text,
        Some(property @ (Value::Number(_) | Value::Bool(_))) => *text == format!("{property}"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_config_is_answered_as_it_was_sent() {
        let config = r#"{"z": 1.0, "a": {"y": 1e2, "b": 12345678901234567890}}"#;
        let document = json!({"id": "t", "config": serde_json::from_str::<Value>(config).unwrap()});
        let answered = serde_json::to_string(&verbatim(document.as_object().unwrap(), config)).unwrap();
        assert_eq!(answered, format!(r#"{{"config":{config},"id":"t"}}"#));
    }

    #[test]
    fn a_query_names_properties_by_their_text() {
        let document =
            json!({"id": "a b", "script": "s", "interval": 5000, "text": "5000", "running": true, "config": {}});
        let document = document.as_object().unwrap();
        let check = |query: &[(&str, &str)], expected: bool| {
            let query: Vec<_> = query.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            assert_eq!(matches(document, &query), expected, "{query:?}");
        };
        check(&[], true);
        check(&[("id", "a b")], true);
        check(&[("script", "s"), ("interval", "5000")], true);
        check(&[("running", "true"), ("text", "5000")], true);
        check(&[("running", "false")], false);
        check(&[("id", "a")], false);
        check(&[("config", "{}")], false);
        check(&[("nothing", "")], false);
    }
}
