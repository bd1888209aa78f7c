//! A new task as clients and steps request it, and the rules of its fields.

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::event::TenantId;
use shared::event::command::TIME_RULE;

use crate::function_body;
use crate::store::task::{Priority, Status, Task};

/// The longest input of a task created over HTTP, as JSON.
const DATA_LIMIT_BYTES: usize = 250 * 1024;
const TAGS_LIMIT: usize = 50;
const TAG_LIMIT_CHARACTERS: usize = 256;

/// A new task.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewTask {
    /// The function to run.
    pub(crate) function_name: String,
    /// Its input.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Map<String, Value>>,
    /// When it starts, as a time or as milliseconds since 1970; at once if absent or past.
    #[serde(default, deserialize_with = "time")]
    start_timestamp: Option<Timestamp>,
    /// Tags to find it by.
    tags: Option<Vec<String>>,
    /// Its priority; by default that of the function.
    #[schema(value_type = Option<i64>)]
    pub(crate) priority: Option<Priority>,
}

impl NewTask {
    /// A task of a function with this input, at once.
    pub(crate) fn of(function_name: &str, data: Option<Map<String, Value>>, priority: Option<Priority>) -> Self {
        Self { function_name: function_name.to_owned(), data, start_timestamp: None, tags: None, priority }
    }

    /// Checks it and builds the task, which waits to be started.
    pub(crate) fn into_task(
        self,
        id: String,
        tenant_id: TenantId,
        now: Timestamp,
        expires_at: i64,
    ) -> Result<Task, Refusal> {
        function_body::check_name("functionName", &self.function_name)?;
        let tags = self.tags.unwrap_or_default();
        if tags.len() > TAGS_LIMIT || tags.iter().any(|tag| tag.chars().count() > TAG_LIMIT_CHARACTERS) {
            let rule = format!("must have at most {TAGS_LIMIT} tags of at most {TAG_LIMIT_CHARACTERS} characters");
            return Err(Refusal::field("tags", rule));
        }
        // A record is kept as long after its time as that of a task that starts at once.
        let delay_s = self.start_timestamp.map_or(0, |start| (start.as_second() - now.as_second()).max(0));
        Ok(Task {
            task_id: id,
            creation_timestamp: now,
            update_timestamp: now,
            status: Status::New,
            status_changed_timestamp: now,
            function_name: self.function_name,
            function_version: None,
            data: Value::Object(self.data.unwrap_or_default()).to_string(),
            script: None,
            action: None,
            schedule: None,
            start_timestamp: self.start_timestamp,
            tags,
            priority: self.priority.map_or(0, Priority::get),
            tenant_id,
            created_by_application_id: None,
            created_by_user_id: None,
            origin: None,
            trace: None,
            direct: false,
            claim: None,
            logs: Vec::new(),
            retried_by_task_id: None,
            retry_for_task_ids: Vec::new(),
            retries_interruption: false,
            journal: None,
            expires_at: expires_at + delay_s,
            open: None,
            sweep_at_ms: None,
            sweeps: 0,
            listed_tenant: None,
        })
    }
}

/// Refuses too many or too long tags.
pub(crate) fn check_tags(tags: &[String]) -> Result<(), Refusal> {
    if tags.len() > TAGS_LIMIT || tags.iter().any(|tag| tag.chars().count() > TAG_LIMIT_CHARACTERS) {
        let rule = format!("must have at most {TAGS_LIMIT} tags of at most {TAG_LIMIT_CHARACTERS} characters");
        return Err(Refusal::field("tags", rule));
    }
    Ok(())
}

/// Refuses an input that is too long.
pub(crate) fn check_data(data: &str) -> Result<(), Refusal> {
    match data.len() > DATA_LIMIT_BYTES {
        true => Err(Refusal::field("data", format!("must have at most {DATA_LIMIT_BYTES} bytes of JSON"))),
        false => Ok(()),
    }
}

/// Reads a time, or milliseconds since 1970.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let time = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        Value::Number(ms) => ms.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        _ => None,
    };
    time.map(Some).ok_or_else(|| D::Error::custom(TIME_RULE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::json::read;

    #[test]
    fn a_start_is_a_time_or_a_number_of_milliseconds() {
        let check = |start: Value, expected: Result<Option<&str>, &str>| {
            let body = json!({"functionName": "f", "startTimestamp": start}).to_string();
            match (read::<NewTask>(body.as_bytes()), expected) {
                (Ok(new), Ok(time)) => {
                    assert_eq!(new.start_timestamp, time.map(|time| time.parse().unwrap()), "{body}");
                }
                (Err(refusal), Err(message)) => assert!(refusal.message.starts_with(message), "{}", refusal.message),
                (result, _) => panic!("{body}: {result:?}"),
            }
        };
        let rule = "`startTimestamp` must be a time such as 2026-01-02T03:04:05Z, or milliseconds since 1970";
        check(Value::Null, Ok(None));
        check(json!("2026-01-02T03:04:05.678Z"), Ok(Some("2026-01-02T03:04:05.678Z")));
        check(json!("2026-01-02T04:04:05+01:00"), Ok(Some("2026-01-02T03:04:05Z")));
        check(json!(1_767_323_045_678_i64), Ok(Some("2026-01-02T03:04:05.678Z")));
        check(json!(-1), Ok(Some("1969-12-31T23:59:59.999Z")));
        for wrong in
            [json!("tomorrow"), json!("2026-01-02"), json!(1.5), json!(i64::MAX), json!([0]), json!({}), json!(true)]
        {
            check(wrong, Err(rule));
        }
    }

    #[test]
    fn a_priority_is_a_whole_number_that_may_be_text() {
        let check = |priority: Value, expected: Option<i64>| {
            let body = json!({"functionName": "f", "priority": priority}).to_string();
            match read::<NewTask>(body.as_bytes()) {
                Ok(new) => assert_eq!(new.priority.map(Priority::get), expected, "{body}"),
                Err(refusal) => {
                    assert_eq!(
                        refusal.message, "`priority` must be a whole number from -9007199254740991 to 9007199254740991",
                        "{body}"
                    );
                    assert_eq!(expected, None);
                }
            }
        };
        check(Value::Null, None);
        check(json!(-5), Some(-5));
        check(json!(" 5"), Some(5));
        check(json!(9_007_199_254_740_991_i64), Some(9_007_199_254_740_991));
        for wrong in
            [json!(9_007_199_254_740_992_i64), json!(i64::MIN), json!(u64::MAX), json!(1.5), json!("x"), json!([])]
        {
            check(wrong, None);
        }
    }
}
