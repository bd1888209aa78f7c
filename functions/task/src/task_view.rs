//! A task as it is shown, and as its script gets it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::event::StepError;

use crate::store::task::{Status, Task};

/// A task as it is shown, and as its script gets it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    /// The id: 24 hex digits.
    id: String,
    /// The state.
    status: Status,
    /// When the state last changed.
    #[schema(value_type = String, format = DateTime)]
    status_changed_timestamp: Timestamp,
    /// The function that runs.
    function_name: String,
    /// The input; `event` is the event that a dispatcher acted on.
    #[schema(value_type = Object)]
    data: Value,
    /// When it starts, if not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    start_timestamp: Option<Timestamp>,
    /// Tags to find it by.
    tags: Vec<String>,
    /// The priority.
    priority: i64,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    creation_timestamp: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    update_timestamp: Timestamp,
    /// The client that created it, unless a dispatcher did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

impl TaskView {
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            id: task.task_id.clone(),
            status: task.status,
            status_changed_timestamp: task.status_changed_timestamp,
            function_name: task.function_name.clone(),
            data: serde_json::from_str(&task.data).unwrap_or_default(),
            start_timestamp: task.start_timestamp,
            tags: task.tags.clone(),
            priority: task.priority,
            creation_timestamp: task.creation_timestamp,
            update_timestamp: task.update_timestamp,
            created_by_application_id: task.created_by_application_id.clone(),
            error: task.error.clone(),
        }
    }
}
