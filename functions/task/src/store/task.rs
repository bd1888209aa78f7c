//! Tasks, in `TASKS_TABLE`: `taskId` is drawn, or the record id of a step's attempt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{Answer, StepError, StepStatus, TenantId};
use shared::json::WholeNumber;
use shared::seal::Resealed;
use shared::step::{Claim, ClaimStore, Claimable, Claims, Origin};
use shared::table::{Expression, Query, SealedAttributes, Table, is_new, key};
use shared::{Environment, Error};

use crate::sandbox::LogLine;

/// The priority of a task: an integer that JavaScript represents exactly.
pub(crate) type Priority = WholeNumber<-9_007_199_254_740_991, 9_007_199_254_740_991>;

/// What a step may have handed on, and what became of it.
const SEALED: SealedAttributes = SealedAttributes {
    key: &[Task::KEY],
    paths: &[&["data"], &["tags"], &["functionName"], &["logs"], &["claim", "answer"]],
};
/// How many of the newest tasks a list covers.
const LIST_LIMIT: usize = 1_000;
/// What other systems call a task that was interrupted after it had begun to act.
const INTERRUPTED: &str = "zombieTaskCleaned";

/// The state of a task. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    /// It is waiting to be started.
    New,
    /// Its script is running.
    InProgress,
    /// Its script has returned.
    Complete,
    /// Its script has failed, or could not run.
    Failed,
    /// It was canceled before its time.
    Canceled,
}

impl Status {
    /// The text in records and responses.
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
    pub(crate) tenant_id: TenantId,
    #[serde(with = "fixed_width")]
    pub(crate) creation_timestamp: Timestamp,
    pub(crate) update_timestamp: Timestamp,
    pub(crate) status: Status,
    pub(crate) status_changed_timestamp: Timestamp,
    pub(crate) function_name: String,
    /// The input, a JSON object as text, as the table's size limit counts it.
    pub(crate) data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) priority: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by_application_id: Option<String>,
    /// The step that this task does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// Who runs the script, and how it ended; absent until it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Claim>,
    #[serde(default)]
    pub(crate) logs: Vec<LogLine>,
    /// When the record is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Task {
    /// Tells whether its time is still to come.
    pub(crate) fn is_later(&self, now: Timestamp) -> bool {
        self.start_timestamp.is_some_and(|start| start > now)
    }

    /// Changes the state.
    pub(crate) fn set_status(&mut self, status: Status, now: Timestamp) {
        (self.status, self.status_changed_timestamp, self.update_timestamp) = (status, now, now);
    }

    /// Ends the running task with an answer.
    pub(crate) fn end(&mut self, answer: Answer, now: Timestamp) {
        self.answer_with(answer.started_at(self.status_changed_timestamp));
        let is_success = self.answer().is_some_and(|answer| answer.status == StepStatus::Succeeded);
        self.set_status(if is_success { Status::Complete } else { Status::Failed }, now);
    }

    /// Why it failed, under the name that users of tasks know.
    pub(crate) fn error(&self) -> Option<StepError> {
        let mut error = self.answer()?.error.clone()?;
        if error.kind.as_deref() == Some("invocation") && error.name == StepError::OUTCOME_UNKNOWN {
            INTERRUPTED.clone_into(&mut error.name);
        }
        Some(error)
    }
}

impl Claimable for Task {
    const KEY: &'static str = "taskId";

    fn id(&self) -> &str {
        &self.task_id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn conclude_unknown(&mut self, now: Timestamp) {
        let message = "the process that ran the task ended after the script had begun to send requests";
        self.end(Answer::failed(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)), now);
    }
}

/// A task as it is shown, and as its script gets it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    /// The id: 24 hex digits.
    id: String,
    /// The state.
    status: Status,
    /// When the state last changed.
    status_changed_timestamp: Timestamp,
    /// The function that runs.
    function_name: String,
    /// The input; `event` is the event that a dispatcher acted on.
    #[schema(value_type = Object)]
    data: Value,
    /// When it starts, if not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_timestamp: Option<Timestamp>,
    /// Tags to find it by.
    tags: Vec<String>,
    /// The priority.
    priority: i64,
    /// When it was created.
    creation_timestamp: Timestamp,
    /// When it was last changed.
    update_timestamp: Timestamp,
    /// The client that created it, unless a dispatcher did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

impl From<&Task> for TaskView {
    fn from(task: &Task) -> Self {
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
            error: task.error(),
        }
    }
}

/// The tasks, each of which runs once.
pub(crate) type Tasks = Claims<TaskStore>;

/// The table of tasks.
pub(crate) struct TaskStore {
    table: Table,
    retention_s: i64,
}

impl ClaimStore for TaskStore {
    type Record = Task;

    fn table(&self) -> &Table {
        &self.table
    }
}

impl TaskStore {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            table: environment.sealed_table("TASKS_TABLE", &SEALED)?,
            retention_s: environment.config.retention_s()?,
        })
    }

    /// When the record of a task created now is removed, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }

    /// Reads a task of a tenant.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<Task>, Error> {
        let task: Option<Task> = self.table.get(&key(Task::KEY, id)).await?;
        Ok(task.filter(|task| task.tenant_id == *tenant))
    }

    /// Reads the most recent tasks of a tenant, newest first.
    pub(crate) async fn newest(&self, tenant: &TenantId) -> Result<Vec<Task>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        self.table.query(Query::new(of_tenant).index("byTime").descending().limit(LIST_LIMIT)).await
    }

    /// Seals a batch of tasks with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    /// Creates a task that waits; false if one with its id exists.
    pub(crate) async fn create(&self, task: &Task) -> Result<bool, Error> {
        self.table.put_if(task, is_new(Task::KEY)).await
    }

    /// Cancels a task that is waiting and returns it; `None` if it is not waiting any more.
    pub(crate) async fn cancel(&self, tenant: &TenantId, id: &str, now: Timestamp) -> Result<Option<Task>, Error> {
        let condition = is_waiting().append(" AND tenantId = :tenant").value(":tenant", tenant);
        self.table.update(&key(Task::KEY, id), status_change(Status::Canceled, now), Some(condition)).await
    }
}

/// The change of a task's state.
pub(crate) fn status_change(status: Status, now: Timestamp) -> Expression {
    Expression::new("SET #status = :next, statusChangedTimestamp = :now, updateTimestamp = :now")
        .name("#status", "status")
        .value(":next", status)
        .value(":now", now)
}

/// The condition that a task has not started.
pub(crate) fn is_waiting() -> Expression {
    Expression::new("#status = :status").name("#status", "status").value(":status", Status::New)
}

/// Writes times so that their texts sort as the times do.
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
