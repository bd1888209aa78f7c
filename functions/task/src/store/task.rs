//! Tasks, in `TASKS_TABLE`: `taskId` is drawn, or the record id of a step's attempt.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{Answer, StepError, StepStatus, TenantId};
use shared::json::WholeNumber;
use shared::seal::Resealed;
use shared::step::{Claim, ClaimStore, Claimable, Claims, Origin};
use shared::table::{Check, Expression, Query, SealedAttributes, Table, is_new, key};
use shared::{Environment, Error};

use crate::kept::Journaled;
use crate::sandbox::LogLine;
use crate::store::journal::Journals;

/// The priority of a task: an integer that JavaScript represents exactly.
pub(crate) type Priority = WholeNumber<-9_007_199_254_740_991, 9_007_199_254_740_991>;

/// What a step may have handed on, and what became of it.
const SEALED: SealedAttributes = SealedAttributes {
    key: &[Task::KEY],
    paths: &[&["data"], &["tags"], &["functionName"], &["logs"], &["claim", "answer"], &["journal"]],
};
/// Of how many tasks a list can be made.
pub(crate) const LIST_LIMIT: usize = 100_000;
/// How many tasks a list reads as a whole, because its query asks for what no index knows.
pub(crate) const CONTENT_LIMIT: usize = 5_000;
/// How many tasks a list reads at once.
const CONCURRENT_READS: usize = 16;
/// What other systems call a task that was interrupted after it had begun to act.
const INTERRUPTED: &str = "zombieTaskCleaned";

/// The state of a task. The last four are final.
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
    /// Its script has failed, and another task tries again.
    Retried,
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
            Self::Retried => "retried",
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
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
    pub(crate) status: Status,
    #[serde(with = "shared::clock::iso")]
    pub(crate) status_changed_timestamp: Timestamp,
    pub(crate) function_name: String,
    /// The input, a JSON object as text, as the table's size limit counts it.
    pub(crate) data: String,
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
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
    /// The task that takes the place of this one, which has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retried_by_task_id: Option<String>,
    /// The failed tasks whose place this one takes, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retry_for_task_ids: Vec<String>,
    /// What there is of what its script has read; absent until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<Journaled>,
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

    /// The task as its script got it, when it started at this time.
    pub(crate) fn as_started(&self, at: Timestamp) -> Self {
        let claim = self.claim.clone().map(|claim| Claim { answer: None, ..claim });
        let mut task = Self { claim, logs: Vec::new(), retried_by_task_id: None, journal: None, ..self.clone() };
        task.set_status(Status::InProgress, at);
        task
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
    #[serde(with = "shared::clock::iso")]
    status_changed_timestamp: Timestamp,
    /// The function that runs.
    function_name: String,
    /// The input; `event` is the event that a dispatcher acted on.
    #[schema(value_type = Object)]
    data: Value,
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
    /// The client that created it, unless a dispatcher did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// The same client, which is a user as well.
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
}

/// A task as the index by time knows it: enough to find its place in a list.
#[derive(Debug, Deserialize)]
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
    #[serde(default, with = "shared::clock::iso::optional")]
    start_timestamp: Option<Timestamp>,
    #[serde(default)]
    tags: Vec<String>,
    priority: i64,
    #[serde(default)]
    created_by_application_id: Option<String>,
    #[serde(default)]
    retried_by_task_id: Option<String>,
    #[serde(default)]
    retry_for_task_ids: Vec<String>,
}

impl TaskView {
    /// The fields of which only the whole record of a task knows.
    pub(crate) const CONTENT: [&str; 2] = ["data", "error"];

    /// Returns the id.
    pub(crate) fn id(&self) -> &str {
        &self.id
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
            data: Value::Null,
            start_timestamp: entry.start_timestamp.unwrap_or(entry.creation_timestamp),
            tags: entry.tags,
            priority: entry.priority,
            creation_timestamp: entry.creation_timestamp,
            update_timestamp: entry.update_timestamp,
            created_by_user_id: entry.created_by_application_id.clone(),
            created_by_application_id: entry.created_by_application_id,
            retried_by_task_id: entry.retried_by_task_id,
            retry_for_task_ids: entry.retry_for_task_ids,
            error: None,
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
            data: serde_json::from_str(&task.data).unwrap_or_default(),
            start_timestamp: task.start_timestamp.unwrap_or(task.creation_timestamp),
            tags: task.tags.clone(),
            priority: task.priority,
            creation_timestamp: task.creation_timestamp,
            update_timestamp: task.update_timestamp,
            created_by_application_id: task.created_by_application_id.clone(),
            created_by_user_id: task.created_by_application_id.clone(),
            retried_by_task_id: task.retried_by_task_id.clone(),
            retry_for_task_ids: task.retry_for_task_ids.clone(),
            error: task.error(),
        }
    }
}

/// The tasks, each of which runs once.
pub(crate) type Tasks = Claims<TaskStore>;

/// The table of tasks.
pub(crate) struct TaskStore {
    table: Table,
    journals: Journals,
    retention_s: i64,
}

impl ClaimStore for TaskStore {
    type Record = Task;

    fn table(&self) -> &Table {
        &self.table
    }
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("TASKS_TABLE", &SEALED)?.check(|_: Task| Ok(())))
}

impl TaskStore {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            table: environment.sealed_table("TASKS_TABLE", &SEALED)?,
            journals: Journals::new(environment)?,
            retention_s: environment.config.retention_s()?,
        })
    }

    /// Returns the journals that have no room in the records of their tasks.
    pub(crate) fn journals(&self) -> &Journals {
        &self.journals
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

    /// Reads the tasks of a tenant without their inputs and ends, newest first, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn entries(&self, tenant: &TenantId) -> Result<Vec<TaskEntry>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        self.table.query(Query::new(of_tenant).index("byTime").descending().limit(LIST_LIMIT + 1)).await
    }

    /// Reads tasks as a whole, in their order, without those that cannot be read.
    pub(crate) async fn read(&self, ids: Vec<String>) -> Result<Vec<Task>, Error> {
        let reads = ids.into_iter().map(|id| async move { self.table.get_readable(&key(Task::KEY, id)).await });
        let found: Vec<Option<Task>> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Seals a batch of tasks and their journals with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        let (tasks, journals) = (self.table.reseal().await?, self.journals.reseal().await?);
        Ok(Resealed { resealed: tasks.resealed + journals.resealed, more: tasks.more || journals.more })
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
