//! Tasks, in `TASKS_TABLE`: `taskId` is drawn, or the record id of a step's attempt.

mod view;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::event::command::ScheduleDue;
use shared::event::{Answer, EventId, StepError, StepStatus, TenantId, Trace};
use shared::json::WholeNumber;
use shared::list::{self, Index, Walks};
use shared::seal::Resealed;
use shared::step::{Claim, ClaimStore, Claimable, Claims, Origin, put_if};
use shared::table::{Check, Expression, Query, Row, SealedAttributes, Table, Write, is_new, key};
use shared::{Environment, Error};

use crate::replay::kept::Journaled;
use crate::retry;
use crate::sandbox::LogLine;
use crate::store::journal::Journals;
use crate::store::open_task::watched;
pub(crate) use view::{TaskEntry, TaskView};

/// The priority of a task: an integer that JavaScript represents exactly.
pub(crate) type Priority = WholeNumber<-9_007_199_254_740_991, 9_007_199_254_740_991>;

/// What a step may have handed on, and what became of it.
const SEALED: SealedAttributes = SealedAttributes {
    key: &[Task::KEY],
    apart: &[&["tags"], &["functionName"], &["script"]],
    together: &[&["data"], &["action"], &["origin"], &["logs"], &["claim", "answer"], &["journal"]],
};
/// The attributes that one version of a task may have and the next one may lack.
const MAY_LACK: &[&str] = &[
    "functionVersion",
    "script",
    "action",
    "schedule",
    "startTimestamp",
    "tags",
    "createdByApplicationId",
    "createdByUserId",
    "origin",
    "trace",
    "direct",
    "claim",
    "logs",
    "retriedByTaskId",
    "retryForTaskIds",
    "retriesInterruption",
    "journal",
    "listedTenant",
    "open",
    "sweepAtMs",
    "sweeps",
];
/// How many tasks the logs of a function read at once.
const CONCURRENT_READS: usize = 16;
/// What other systems call a task that was interrupted after it had begun to act.
pub(crate) const INTERRUPTED: &str = "zombieTaskCleaned";

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

/// Which instant of which schedule a task is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfSchedule {
    #[serde(flatten)]
    pub(crate) key: ScheduleDue,
    /// The instant; absent if somebody started a run by hand.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) instant: Option<Timestamp>,
    /// Whether other instants may wait for its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) has_queue: bool,
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
    /// The version of the function that ran; absent until it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) function_version: Option<u32>,
    /// The input, a JSON object as text, as the table's size limit counts it.
    pub(crate) data: String,
    /// The script to fetch and to run with the input as its argument, in place of a function, whose name is empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) script: Option<String>,
    /// The fields of the action that the action function runs for it, a JSON object as text, in place of a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    /// The schedule that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<OfSchedule>,
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) start_timestamp: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    pub(crate) priority: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by_application_id: Option<String>,
    /// The user who created it through that client, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by_user_id: Option<String>,
    /// The step that this task does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// Where it comes from, if a script has started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Trace>,
    /// Whether somebody waits for its end, who tries again if that is to be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) direct: bool,
    /// Who runs the script, and how it ended; absent until it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Claim>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) logs: Vec<LogLine>,
    /// The task that takes the place of this one, which has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retried_by_task_id: Option<String>,
    /// The failed tasks whose place this one takes, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retry_for_task_ids: Vec<String>,
    /// Whether another task takes its place if it is interrupted after it has acted, as its function said when it started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) retries_interruption: bool,
    /// What there is of what its script has read; absent until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<Journaled>,
    /// When the record is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
    /// The tenant in whose lists it is; absent until it has lasted a while or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listed_tenant: Option<TenantId>,
    /// The place in the index of open tasks, while the sweep must know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<String>,
    /// When the sweep looks at it, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sweep_at_ms: Option<i64>,
    /// How often the sweep has looked at it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) sweeps: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Task {
    /// Tells whether its time is still to come.
    pub(crate) fn is_later(&self, now: Timestamp) -> bool {
        self.start_timestamp.is_some_and(|start| start > now)
    }

    /// Where what it causes comes from: its step, the script that has started it, or itself.
    pub(crate) fn trace(&self) -> Trace {
        let of_step = self.origin.as_ref().map(|origin| Trace::caused_by(&origin.command));
        of_step.or_else(|| self.trace.clone()).unwrap_or_else(|| Trace::start(&EventId::new(self.task_id.as_str())))
    }

    /// The first of the tasks that do the same work: itself, unless it takes the place of another one.
    pub(crate) fn first_id(&self) -> &str {
        self.retry_for_task_ids.first().unwrap_or(&self.task_id)
    }

    /// The name of its script in stack traces.
    pub(crate) fn file_name(&self) -> String {
        self.script.clone().unwrap_or_else(|| format!("{}.js", self.function_name))
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

    /// Tells whether somebody waits for the news of its end, or another task follows.
    pub(crate) fn is_announced(&self) -> bool {
        self.status != Status::Complete || self.origin.is_some() || self.action.is_some()
    }

    /// The task as its script got it, when it started at this time.
    pub(crate) fn as_started(&self, at: Timestamp) -> Self {
        let claim = self.claim.clone().map(|claim| Claim { answer: None, ..claim });
        let mut task = Self {
            claim,
            logs: Vec::new(),
            retried_by_task_id: None,
            retries_interruption: false,
            journal: None,
            open: None,
            sweep_at_ms: None,
            sweeps: 0,
            ..self.clone()
        };
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
    const MAY_LACK: Option<&'static [&'static str]> = Some(MAY_LACK);

    fn id(&self) -> &str {
        &self.task_id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn marked(&self, change: Expression) -> Expression {
        match self.retries_interruption {
            true => change.append(", retriesInterruption = :true"),
            false => change,
        }
    }

    fn show(&mut self) {
        self.listed_tenant = Some(self.tenant_id.clone());
    }

    /// Leaves out the input, which is most of it.
    fn first(&self) -> Self {
        Self { data: "{}".to_owned(), ..self.clone() }
    }

    fn complete(&mut self, described: Self) {
        if self.listed_tenant.is_none() {
            self.data = described.data;
        }
    }

    fn conclude_unknown(&mut self, now: Timestamp) {
        let message = match self.direct {
            true => "the process that ran the task ended, and whoever waited for its result is gone",
            false => "the process that ran the task ended after the script had begun to send requests",
        };
        self.end(Answer::failed(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)), now);
        retry::mark_interrupted(self);
    }
}

/// The tasks, each of which runs once.
pub(crate) type Tasks = Claims<TaskStore>;

/// The table of tasks.
pub(crate) struct TaskStore {
    table: Table,
    walks: Walks,
    journals: Journals,
    retention_s: i64,
}

impl ClaimStore for TaskStore {
    type Record = Task;

    fn table(&self) -> &Table {
        &self.table
    }

    /// Writes the end of a task, which leaves the index of open tasks unless its end must be announced first.
    async fn conclude(&self, task: &Task, condition: Expression) -> Result<bool, Error> {
        if task.is_announced() || task.open.is_none() {
            return put_if(&self.table, task, condition).await;
        }
        put_if(&self.table, &Task { open: None, sweep_at_ms: None, ..task.clone() }, condition).await
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
            walks: Walks::default(),
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

    /// Returns the index of the tasks of a tenant.
    pub(crate) fn index(&self, tenant: &TenantId, now: Timestamp) -> Index<'_, TaskEntry> {
        let sort = ("creationTimestamp", list::texts as list::Bounds);
        let partition = ("listedTenant", tenant.to_string());
        Index::new(&self.table, &self.walks, partition, sort, "creationTimestamp", now)
            .index("byTime")
            .changing(TaskView::CHANGING)
    }

    /// Reads tasks in this order; `None` for one that is gone or cannot be read.
    pub(crate) async fn in_order(&self, ids: &[&str]) -> Result<Vec<Option<Task>>, Error> {
        self.table.get_all(&ids.iter().map(|id| key(Task::KEY, *id)).collect::<Vec<_>>()).await
    }

    /// Reads the newest tasks of a tenant without their inputs and ends, the newest first.
    pub(crate) async fn newest(&self, tenant: &TenantId, limit: usize) -> Result<Vec<TaskEntry>, Error> {
        let of_tenant = Expression::new("listedTenant = :tenant").value(":tenant", tenant);
        self.table.query(Query::new(of_tenant).index("byTime").descending().limit(limit)).await
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

    /// Creates a task that waits, which the sweep watches; false if one with its id exists.
    pub(crate) async fn create(&self, task: &Task) -> Result<bool, Error> {
        self.table.put_if(&watched(task.clone()), is_new(Task::KEY)).await
    }

    /// Prepares a task that waits for a transaction that creates it.
    pub(crate) fn creating(&self, task: &Task) -> Result<Write, Error> {
        self.table.writing(&watched(task.clone()), Some(is_new(Task::KEY)))
    }

    /// Reads how far tasks have come, without what is sealed of them and without those that are gone.
    pub(crate) async fn rows(&self, ids: &[&str]) -> Result<Vec<Row>, Error> {
        self.table.get_rows(&ids.iter().map(|id| key(Task::KEY, *id)).collect::<Vec<_>>()).await
    }

    /// Reads tasks as a whole, in no particular order and without those that are gone or cannot be read.
    pub(crate) async fn all(&self, ids: &[&str]) -> Result<Vec<Task>, Error> {
        self.table.open_rows(self.rows(ids).await?).await
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_task_may_lack_is_named() {
        let least = json!({
            "taskId": "t", "tenantId": "default", "creationTimestamp": "2026-01-02T03:04:05Z",
            "updateTimestamp": "2026-01-02T03:04:05Z", "status": "new", "statusChangedTimestamp": "2026-01-02T03:04:05Z",
            "functionName": "", "data": "{}", "priority": 0, "expiresAt": 1,
        });
        let least: Task = serde_json::from_value(least).unwrap();
        let now = least.creation_timestamp;
        let command = json!({"id": "c", "type": "task.requested", "tenantId": "default", "time": now, "content": null,
            "trace": {"correlationId": "c", "depth": 0}});
        let step = json!({"eventId": "e", "dispatcherId": "d", "step": "s", "attempt": 1});
        let id = Some("t".to_owned());
        // Every field is named, so that a new one is not forgotten.
        let most = Task {
            task_id: "t".to_owned(),
            tenant_id: least.tenant_id.clone(),
            creation_timestamp: now,
            update_timestamp: now,
            status: Status::New,
            status_changed_timestamp: now,
            function_name: "f".to_owned(),
            function_version: Some(1),
            data: "{}".to_owned(),
            script: id.clone(),
            action: id.clone(),
            schedule: Some(
                serde_json::from_value(json!({"tenantId": "default", "scheduleId": "s", "incarnation": "i"})).unwrap(),
            ),
            start_timestamp: Some(now),
            tags: vec!["a".to_owned()],
            priority: 1,
            created_by_application_id: id.clone(),
            created_by_user_id: id.clone(),
            origin: Some(serde_json::from_value(json!({"step": step, "command": command})).unwrap()),
            trace: Some(Trace::start(&EventId::new("e"))),
            direct: true,
            claim: Some(Claim { owner: "o".to_owned(), lease_until_ms: 1, effect: true, answer: None }),
            logs: vec![serde_json::from_value(json!({"timestamp": now, "message": "m"})).unwrap()],
            retried_by_task_id: id,
            retry_for_task_ids: vec!["r".to_owned()],
            retries_interruption: true,
            journal: Some(Journaled::Off),
            expires_at: 1,
            listed_tenant: Some(least.tenant_id.clone()),
            open: Some("1".to_owned()),
            sweep_at_ms: Some(1),
            sweeps: 1,
        };
        let names = |task: &Task| serde_json::to_value(task).unwrap().as_object().unwrap().clone();
        let (least, most) = (names(&least), names(&most));
        let lacking: Vec<&str> = most.keys().filter(|name| !least.contains_key(*name)).map(String::as_str).collect();
        let mut known = MAY_LACK.to_vec();
        known.sort_unstable();
        assert_eq!(lacking, known);
    }
}
