//! The records: a task with all that is known of it, and a function.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{Envelope, StepError, StepId};

use crate::sandbox::LogLine;

/// The state of a task. The last four are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    /// It waits for its time.
    New,
    /// Its script runs.
    InProgress,
    /// Its script has returned.
    Complete,
    /// Its script has failed, or could not run.
    Failed,
    /// It was canceled before its time.
    Canceled,
}

impl Status {
    /// Whether nothing changes any more.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Self::New | Self::InProgress)
    }

    /// The text in the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InProgress => "inProgress",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    pub(crate) task_id: String,
    /// The same for every task: the partition of the index by time.
    pub(crate) kind: String,
    #[serde(with = "fixed_width")]
    pub(crate) creation_timestamp: Timestamp,
    pub(crate) update_timestamp: Timestamp,
    pub(crate) status: Status,
    pub(crate) status_changed_timestamp: Timestamp,
    pub(crate) function_name: String,
    /// The input, a JSON object as text, which is what the table's size limit counts.
    pub(crate) data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) priority: i64,
    pub(crate) tenant_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by_application_id: Option<String>,
    /// The step that this task does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// The process that runs the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Until when nobody else may take the task over, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) lease_until_ms: i64,
    /// Whether the script has begun to act on the outside world.
    #[serde(default)]
    pub(crate) effect: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    /// What the script returned, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
    #[serde(default)]
    pub(crate) logs: Vec<LogLine>,
    /// When the record is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Task {
    /// The partition of the index that has all tasks.
    pub(crate) const KIND: &'static str = "task";
}

/// The step that a task does, and the command that asked for it without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) step: StepId,
    pub(crate) command: Envelope<()>,
}

/// A function: a script and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    /// The unique name.
    pub(crate) name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The script.
    pub(crate) code: String,
    /// The name of the exported function; `main`, `handler`, `doTask` or the default export unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entry_point: Option<String>,
    /// Kept for clients of other systems; every script runs in the same sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<String>,
    /// Seconds that a run may take, 3 to 300.
    pub(crate) time_limit: u32,
    /// Megabytes that a run may use, 128 to 10240; a script gets 256 at most.
    pub(crate) memory_limit: u32,
    /// What `process.env` holds.
    #[serde(default)]
    pub(crate) environment_variables: BTreeMap<String, Variable>,
    /// Kept for direct executions, and the default priority of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_options: Option<ExecutionOptions>,
    /// Kept for retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) retry_policy: Option<Value>,
    /// Whether tasks may run it.
    pub(crate) enabled: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) update_timestamp: Timestamp,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    /// The text.
    pub(crate) value: String,
}

/// Who may execute a function directly, and how soon its tasks run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionOptions {
    /// `permissionRequired`, `allUsers` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permission_mode: Option<PermissionMode>,
    /// The priority of tasks that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_priority: Option<i64>,
}

/// Who may execute a function directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PermissionMode {
    /// Who has the permission.
    PermissionRequired,
    /// Every user.
    AllUsers,
    /// Everybody.
    Public,
}

/// Times whose texts sort as the times do.
mod fixed_width {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }
}
