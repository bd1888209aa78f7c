//! Tasks, each of which is one execution of a function.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::event::{Envelope, StepError, StepId};
use shared::table::{Expression, Query, Table, is_new, key};
use shared::{Environment, Error};

use crate::sandbox::LogLine;

/// How many of the newest tasks a list covers.
const LIST_LIMIT: usize = 1_000;

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
    /// Whether the task never changes again.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Self::New | Self::InProgress)
    }

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
    /// The partition of the index by time: [`Task::KIND`].
    pub(crate) kind: String,
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
    /// The only partition of the index by time.
    pub(crate) const KIND: &'static str = "task";
}

/// The step that a task does, and the command that asked for it without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) step: StepId,
    pub(crate) command: Envelope<()>,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The result as JSON text, or why there is none.
    pub(crate) result: Result<String, StepError>,
    pub(crate) logs: Vec<LogLine>,
}

/// The table of tasks.
#[derive(Clone)]
pub(crate) struct Tasks {
    table: Table,
    retention_s: i64,
}

impl Tasks {
    pub(super) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("TASKS_TABLE")?, retention_s: environment.config.retention_s()? })
    }

    /// When the record of a task created now is removed, in seconds since 1970.
    pub(crate) fn expiry(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }

    /// Reads a task.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Task>, Error> {
        self.table.get(&key("taskId", id)).await
    }

    /// Reads the most recent tasks, newest first.
    pub(crate) async fn newest(&self) -> Result<Vec<Task>, Error> {
        let all = Expression::new("#kind = :kind").name("#kind", "kind").value(":kind", Task::KIND);
        self.table.query(Query::new(all).index("byTime").descending().limit(LIST_LIMIT)).await
    }

    /// Creates a task; false if one with its id exists.
    pub(crate) async fn create(&self, task: &Task) -> Result<bool, Error> {
        self.table.put_if(task, is_new("taskId")).await
    }

    /// Starts a task that is waiting, with this owner, and returns it; `None` if it is not waiting any more.
    pub(crate) async fn start(
        &self,
        id: &str,
        owner: &str,
        now: Timestamp,
        lease_until_ms: i64,
    ) -> Result<Option<Task>, Error> {
        let start = Expression::new(
            "SET #status = :next, statusChangedTimestamp = :now, updateTimestamp = :now, startedAt = :now, \
             #owner = :owner, leaseUntilMs = :lease",
        )
        .name("#owner", "owner")
        .value(":now", now)
        .value(":owner", owner)
        .value(":lease", lease_until_ms);
        self.change(id, start, Status::InProgress, is_waiting()).await
    }

    /// Replaces the owner of a running task that is still as it was read; false if it is not.
    pub(crate) async fn take_over(&self, task: &Task, owner: &str, lease_until_ms: i64) -> Result<bool, Error> {
        let take = Expression::new("SET #owner = :owner, leaseUntilMs = :lease")
            .value(":owner", owner)
            .value(":lease", lease_until_ms);
        let unchanged =
            Expression::new("#status = :status AND #owner = :former AND leaseUntilMs = :until AND effect = :effect")
                .name("#status", "status")
                .name("#owner", "owner")
                .value(":status", Status::InProgress)
                .value(":former", &task.owner)
                .value(":until", task.lease_until_ms)
                .value(":effect", task.effect);
        Ok(self.update(&task.task_id, take, unchanged).await?.is_some())
    }

    /// Renews the lease; false if the task has another owner.
    pub(crate) async fn renew(&self, id: &str, owner: &str, lease_until_ms: i64) -> Result<bool, Error> {
        let renew = Expression::new("SET leaseUntilMs = :lease").value(":lease", lease_until_ms);
        Ok(self.update(id, renew, owned_by(owner)).await?.is_some())
    }

    /// Records that the script is about to act on the outside world; false if the task has another owner.
    pub(crate) async fn mark_effect(&self, id: &str, owner: &str) -> Result<bool, Error> {
        let mark = Expression::new("SET effect = :effect").value(":effect", true);
        Ok(self.update(id, mark, owned_by(owner)).await?.is_some())
    }

    /// Records how a task ended and returns it; `None` if it has another owner.
    pub(crate) async fn finish(
        &self,
        id: &str,
        owner: &str,
        now: Timestamp,
        outcome: &Outcome,
    ) -> Result<Option<Task>, Error> {
        let (status, attribute) = match &outcome.result {
            Ok(_) => (Status::Complete, "output"),
            Err(_) => (Status::Failed, "error"),
        };
        let finish = Expression::new(
            "SET #status = :next, statusChangedTimestamp = :now, updateTimestamp = :now, logs = :logs, #result = :result",
        );
        let finish = finish.name("#result", attribute).value(":now", now).value(":logs", &outcome.logs);
        let finish = match &outcome.result {
            Ok(output) => finish.value(":result", output),
            Err(error) => finish.value(":result", error),
        };
        self.change(id, finish, status, owned_by(owner)).await
    }

    /// Cancels a task that is waiting and returns it; `None` if it is not waiting any more.
    pub(crate) async fn cancel(&self, id: &str, now: Timestamp) -> Result<Option<Task>, Error> {
        let cancel = Expression::new("SET #status = :next, statusChangedTimestamp = :now, updateTimestamp = :now");
        self.change(id, cancel.value(":now", now), Status::Canceled, is_waiting()).await
    }

    async fn change(
        &self,
        id: &str,
        change: Expression,
        status: Status,
        condition: Expression,
    ) -> Result<Option<Task>, Error> {
        self.update(id, change.name("#status", "status").value(":next", status), condition).await
    }

    async fn update(&self, id: &str, change: Expression, condition: Expression) -> Result<Option<Task>, Error> {
        self.table.update(&key("taskId", id), change, Some(condition)).await
    }
}

fn is_waiting() -> Expression {
    Expression::new("#status = :status").name("#status", "status").value(":status", Status::New)
}

fn owned_by(owner: &str) -> Expression {
    Expression::new("#status = :status AND #owner = :owner")
        .name("#status", "status")
        .name("#owner", "owner")
        .value(":status", Status::InProgress)
        .value(":owner", owner)
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
