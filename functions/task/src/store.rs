//! The records in their tables: every change of a task's state is one conditional write.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;
use shared::event::StepError;
use shared::table::{Expression, Query, Table, exists, is_new, key};
use shared::{Environment, Error};

use crate::record::{Definition, Status, Task};
use crate::sandbox::LogLine;

/// How long another process may still run the former version of a function.
const CACHED: Duration = Duration::from_secs(5);
const CACHED_FUNCTIONS: u64 = 1_000;
/// The most tasks that a list looks at, the newest.
const LIST_LIMIT: usize = 1_000;
const FUNCTIONS_LIMIT: usize = 1_000;

/// What becomes of a task that has run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The result as JSON text, or why there is none.
    pub(crate) result: Result<String, StepError>,
    pub(crate) logs: Vec<LogLine>,
}

/// The tables of this function.
pub(crate) struct Store {
    tasks: Table,
    functions: Table,
    cache: Cache<String, Arc<Definition>>,
    retention_s: i64,
}

impl Store {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            retention_s: environment.config.retention_s()?,
            tasks: environment.table("TASKS_TABLE")?,
            functions: environment.table("FUNCTIONS_TABLE")?,
            cache: Cache::builder().max_capacity(CACHED_FUNCTIONS).time_to_live(CACHED).build(),
        })
    }

    /// When the record of a task that is created now is removed, in seconds since 1970.
    pub(crate) fn expiry(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }

    /// Reads a task.
    pub(crate) async fn task(&self, id: &str) -> Result<Option<Task>, Error> {
        self.tasks.get(&key("taskId", id)).await
    }

    /// Reads the newest tasks, the newest first.
    pub(crate) async fn tasks(&self) -> Result<Vec<Task>, Error> {
        let all = Expression::new("#kind = :kind").name("#kind", "kind").value(":kind", Task::KIND);
        self.tasks.query(Query::new(all).index("byTime").descending().limit(LIST_LIMIT)).await
    }

    /// Creates a task; false if there is one with its id.
    pub(crate) async fn create_task(&self, task: &Task) -> Result<bool, Error> {
        self.tasks.put_if(task, is_new("taskId")).await
    }

    /// Makes `owner` the owner of a task that waits, and returns it; `None` if it does not wait any more.
    pub(crate) async fn start_task(
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
        self.change(id, start, Status::InProgress, waits()).await
    }

    /// Makes `owner` the owner of a task that runs, if it is as it was read; false if somebody was faster.
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

    /// Prolongs the ownership; false if it is lost.
    pub(crate) async fn renew(&self, id: &str, owner: &str, lease_until_ms: i64) -> Result<bool, Error> {
        let renew = Expression::new("SET leaseUntilMs = :lease").value(":lease", lease_until_ms);
        Ok(self.update(id, renew, owned_by(owner)).await?.is_some())
    }

    /// Marks that the script begins to act on the outside world; false if the ownership is lost.
    pub(crate) async fn mark_effect(&self, id: &str, owner: &str) -> Result<bool, Error> {
        let mark = Expression::new("SET effect = :effect").value(":effect", true);
        Ok(self.update(id, mark, owned_by(owner)).await?.is_some())
    }

    /// Records how a task ended and returns it; `None` if the ownership is lost.
    pub(crate) async fn finish_task(
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
            "SET #status = :next, statusChangedTimestamp = :now, updateTimestamp = :now, logs = :logs, #what = :what",
        );
        let finish = finish.name("#what", attribute).value(":now", now).value(":logs", &outcome.logs);
        let finish = match &outcome.result {
            Ok(output) => finish.value(":what", output),
            Err(error) => finish.value(":what", error),
        };
        self.change(id, finish, status, owned_by(owner)).await
    }

    /// Cancels a task that waits and returns it; `None` if it does not wait any more.
    pub(crate) async fn cancel_task(&self, id: &str, now: Timestamp) -> Result<Option<Task>, Error> {
        let cancel = Expression::new("SET #status = :next, statusChangedTimestamp = :now, updateTimestamp = :now");
        self.change(id, cancel.value(":now", now), Status::Canceled, waits()).await
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
        self.tasks.update(&key("taskId", id), change, Some(condition)).await
    }

    /// Reads a function as it is now, or was a moment ago in another process.
    pub(crate) async fn recent_definition(&self, name: &str) -> Result<Option<Arc<Definition>>, Error> {
        if let Some(definition) = self.cache.get(name).await {
            return Ok(Some(definition));
        }
        let Some(definition) = self.definition(name).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.cache.insert(name.to_owned(), definition.clone()).await;
        Ok(Some(definition))
    }

    /// Reads a function.
    pub(crate) async fn definition(&self, name: &str) -> Result<Option<Definition>, Error> {
        self.functions.get(&key("name", name)).await
    }

    /// Reads all functions.
    pub(crate) async fn definitions(&self) -> Result<Vec<Definition>, Error> {
        self.functions.scan(None, FUNCTIONS_LIMIT).await
    }

    /// Creates a function; false if its name is taken.
    pub(crate) async fn create_definition(&self, definition: &Definition) -> Result<bool, Error> {
        let created = self.functions.put_if(definition, is_new("name")).await;
        self.cache.invalidate(&definition.name).await;
        created
    }

    /// Replaces a function that was read before; false if it is gone.
    pub(crate) async fn replace_definition(&self, definition: &Definition) -> Result<bool, Error> {
        let replaced = self.functions.put_if(definition, exists("name")).await;
        self.cache.invalidate(&definition.name).await;
        replaced
    }

    /// Deletes a function; false if there was none.
    pub(crate) async fn delete_definition(&self, name: &str) -> Result<bool, Error> {
        let deleted = self.functions.delete::<Definition>(&key("name", name), None).await;
        self.cache.invalidate(name).await;
        Ok(deleted?.is_some())
    }
}

fn waits() -> Expression {
    Expression::new("#status = :status").name("#status", "status").value(":status", Status::New)
}

fn owned_by(owner: &str) -> Expression {
    Expression::new("#status = :status AND #owner = :owner")
        .name("#status", "status")
        .name("#owner", "owner")
        .value(":status", Status::InProgress)
        .value(":owner", owner)
}
