//! A task as it is shown: whole, and as far as an index knows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::event::StepError;
use shared::step::Claimable as _;

use super::{OfSchedule, Status, Task};

/// A task as it is shown, and as its script gets it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    /// The id: 24 hex digits.
    id: String,
    /// The state.
    status: Status,
    /// When the state last changed.
    #[serde(with = "shared::clock::iso")]
    status_changed_timestamp: Timestamp,
    /// The function that runs; absent for a script.
    #[serde(skip_serializing_if = "String::is_empty")]
    function_name: String,
    /// The version of the function that ran; absent until it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    function_version: Option<u32>,
    /// The script that is fetched and runs, in place of a function.
    script: Option<String>,
    /// The schedule that started it.
    schedule_id: Option<String>,
    /// The instant of the schedule, whenever the task really started.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    scheduled_timestamp: Option<Timestamp>,
    /// The input; `event` is the event that a dispatcher acted on.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// When it starts; when it was created, if at once.
    #[serde(with = "shared::clock::iso")]
    start_timestamp: Timestamp,
    /// Tags to find it by.
    tags: Vec<String>,
    /// The priority.
    priority: i64,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    update_timestamp: Timestamp,
    /// The client that created it, or through which a user did, unless a dispatcher did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// The user that created it, or the same client, which is its own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_user_id: Option<String>,
    /// The task that takes its place, as it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_by_task_id: Option<String>,
    /// The failed tasks whose place it takes, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_for_task_ids: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
    /// What its function returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    result: Option<Value>,
}

/// A task as the index by time knows it: enough to find its place in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskEntry {
    task_id: String,
    #[serde(with = "shared::clock::iso")]
    creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    update_timestamp: Timestamp,
    status: Status,
    #[serde(with = "shared::clock::iso")]
    status_changed_timestamp: Timestamp,
    function_name: String,
    #[serde(default)]
    script: Option<String>,
    #[serde(default)]
    schedule: Option<OfSchedule>,
    #[serde(default, with = "shared::clock::iso::optional")]
    start_timestamp: Option<Timestamp>,
    #[serde(default)]
    tags: Vec<String>,
    priority: i64,
    #[serde(default)]
    created_by_application_id: Option<String>,
    #[serde(default)]
    created_by_user_id: Option<String>,
    #[serde(default)]
    retried_by_task_id: Option<String>,
    #[serde(default)]
    retry_for_task_ids: Vec<String>,
}

impl TaskView {
    /// The fields of which only the whole record of a task knows.
    pub(crate) const CONTENT: &[&str] = &["data", "error", "functionVersion", "result"];
    /// The fields that change after a task is created.
    pub(crate) const CHANGING: &[&str] = &[
        "error",
        "functionVersion",
        "priority",
        "result",
        "retriedByTaskId",
        "retryForTaskIds",
        "startTimestamp",
        "status",
        "statusChangedTimestamp",
        "updateTimestamp",
    ];
}

impl TaskEntry {
    /// Tells whether the task runs this function, and may have printed something.
    pub(crate) fn has_run(&self, function_name: &str) -> bool {
        self.function_name == function_name && !matches!(self.status, Status::New | Status::Canceled)
    }

    /// Returns the id.
    pub(crate) fn id(&self) -> &str {
        &self.task_id
    }

    /// Returns the id.
    pub(crate) fn into_id(self) -> String {
        self.task_id
    }
}

impl From<TaskEntry> for TaskView {
    /// Shows all but the content.
    fn from(entry: TaskEntry) -> Self {
        Self {
            id: entry.task_id,
            status: entry.status,
            status_changed_timestamp: entry.status_changed_timestamp,
            function_name: entry.function_name,
            function_version: None,
            script: entry.script,
            scheduled_timestamp: entry.schedule.as_ref().and_then(|schedule| schedule.instant),
            schedule_id: entry.schedule.map(|schedule| schedule.key.schedule_id),
            data: RawValue::NULL.to_owned(),
            start_timestamp: entry.start_timestamp.unwrap_or(entry.creation_timestamp),
            tags: entry.tags,
            priority: entry.priority,
            creation_timestamp: entry.creation_timestamp,
            update_timestamp: entry.update_timestamp,
            created_by_user_id: entry.created_by_user_id.or_else(|| entry.created_by_application_id.clone()),
            created_by_application_id: entry.created_by_application_id,
            retried_by_task_id: entry.retried_by_task_id,
            retry_for_task_ids: entry.retry_for_task_ids,
            error: None,
            result: None,
        }
    }
}

impl From<&Task> for TaskView {
    fn from(task: &Task) -> Self {
        Self {
            id: task.task_id.clone(),
            status: task.status,
            status_changed_timestamp: task.status_changed_timestamp,
            function_name: task.function_name.clone(),
            function_version: task.function_version,
            script: task.script.clone(),
            scheduled_timestamp: task.schedule.as_ref().and_then(|schedule| schedule.instant),
            schedule_id: task.schedule.as_ref().map(|schedule| schedule.key.schedule_id.clone()),
            data: RawValue::from_string(task.data.clone()).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            start_timestamp: task.start_timestamp.unwrap_or(task.creation_timestamp),
            tags: task.tags.clone(),
            priority: task.priority,
            creation_timestamp: task.creation_timestamp,
            update_timestamp: task.update_timestamp,
            created_by_application_id: task.created_by_application_id.clone(),
            created_by_user_id: task.created_by_user_id.clone().or_else(|| task.created_by_application_id.clone()),
            retried_by_task_id: task.retried_by_task_id.clone(),
            retry_for_task_ids: task.retry_for_task_ids.clone(),
            error: task.error(),
            // A record does not tell null from nothing.
            result: (task.status == Status::Complete)
                .then(|| task.answer().and_then(|answer| answer.output.clone()).unwrap_or_default()),
        }
    }
}
