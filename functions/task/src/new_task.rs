//! A new task as clients and steps ask for it, and its rules.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::Refusal;

use crate::function_body;
use crate::store::task::{Status, Task};

/// The longest input of a task, as JSON.
const DATA_LIMIT_BYTES: usize = 250 * 1024;
const TAGS_LIMIT: usize = 50;
const TAG_LIMIT_CHARACTERS: usize = 256;
/// The largest number that every client can tell from its neighbours.
const PRIORITY_LIMIT: i64 = 9_007_199_254_740_991;

/// A new task.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewTask {
    /// The function to run.
    pub(crate) function_name: String,
    /// Its input.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Map<String, Value>>,
    /// When it starts; at once if absent or past. A time as text, or milliseconds since 1970.
    #[schema(value_type = Option<String>, format = DateTime)]
    start_timestamp: Option<Time>,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
    /// The higher, the sooner; the function's default unless given.
    pub(crate) priority: Option<i64>,
}

/// A time as clients write it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Time {
    Text(Timestamp),
    Milliseconds(i64),
}

/// Who a task is created for.
pub(crate) struct Creator {
    pub(crate) tenant_id: String,
    pub(crate) application_id: Option<String>,
}

impl NewTask {
    /// The names of its fields.
    pub(crate) const FIELDS: [&str; 5] = ["functionName", "data", "startTimestamp", "tags", "priority"];

    /// Checks it and builds the task, which waits to be started.
    pub(crate) fn into_task(
        self,
        id: String,
        creator: Creator,
        now: Timestamp,
        expires_at: i64,
    ) -> Result<Task, Refusal> {
        function_body::check_name("functionName", &self.function_name)?;
        if self.tags.len() > TAGS_LIMIT || self.tags.iter().any(|tag| tag.chars().count() > TAG_LIMIT_CHARACTERS) {
            let rule = format!("has at most {TAGS_LIMIT} tags of {TAG_LIMIT_CHARACTERS} characters");
            return Err(Refusal::field("tags", rule));
        }
        let priority = self.priority.unwrap_or(0);
        if priority.abs() > PRIORITY_LIMIT {
            return Err(Refusal::field("priority", format!("is a number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}")));
        }
        let start_timestamp = self.start_timestamp.map(Time::timestamp).transpose()?;
        Ok(Task {
            task_id: id,
            kind: Task::KIND.to_owned(),
            creation_timestamp: now,
            update_timestamp: now,
            status: Status::New,
            status_changed_timestamp: now,
            function_name: self.function_name,
            data: Value::Object(self.data.unwrap_or_default()).to_string(),
            start_timestamp,
            tags: self.tags,
            priority,
            tenant_id: creator.tenant_id,
            created_by_application_id: creator.application_id,
            origin: None,
            owner: None,
            lease_until_ms: 0,
            effect: false,
            started_at: None,
            output: None,
            error: None,
            logs: Vec::new(),
            expires_at,
        })
    }
}

impl Time {
    fn timestamp(self) -> Result<Timestamp, Refusal> {
        match self {
            Self::Text(time) => Ok(time),
            Self::Milliseconds(ms) => Timestamp::from_millisecond(ms)
                .map_err(|_| Refusal::field("startTimestamp", "is a time in milliseconds since 1970")),
        }
    }
}

/// Refuses a task whose input is too long.
pub(crate) fn check_data(task: &Task) -> Result<(), Refusal> {
    match task.data.len() > DATA_LIMIT_BYTES {
        true => Err(Refusal::field("data", format!("has at most {DATA_LIMIT_BYTES} bytes of JSON"))),
        false => Ok(()),
    }
}
