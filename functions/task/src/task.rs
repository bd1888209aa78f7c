//! Tasks over HTTP: created, listed, shown and canceled.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::Caller;
use shared::bus::Entry;
use shared::event::{COMMAND_SOURCE, Envelope, EventId, StepError, Trace};
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::rql::Rql;

use crate::record::{Status, Task};
use crate::request::{Due, TASK_REQUESTED};
use crate::{Tasks, answer, definition, request};

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
    function_name: String,
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
    priority: Option<i64>,
}

/// A time as clients write it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Time {
    Text(Timestamp),
    Milliseconds(i64),
}

/// Who asks for a task.
pub(crate) struct Creator {
    pub(crate) tenant_id: String,
    pub(crate) application_id: Option<String>,
}

/// A task as it is shown, and as its script gets it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    /// The id: 24 hex digits.
    id: String,
    /// The state.
    status: Status,
    /// When the state changed last.
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
    /// Words to find it by.
    tags: Vec<String>,
    /// The higher, the sooner.
    priority: i64,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    creation_timestamp: Timestamp,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    update_timestamp: Timestamp,
    /// The client that created it, unless a dispatcher did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

impl NewTask {
    /// Makes it a task that waits, or says what is wrong with it.
    pub(crate) fn into_task(
        self,
        id: String,
        creator: Creator,
        now: Timestamp,
        expires_at: i64,
    ) -> Result<Task, Refusal> {
        definition::check_name("functionName", &self.function_name)?;
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

/// Creates a task, which starts at once or at its time.
#[utoipa::path(
    post, path = "/tasks/v1", tag = "tasks", request_body = NewTask,
    responses(
        (status = 200, description = "The task.", body = TaskView),
        (status = 400, description = "A field breaks a rule, or the function is disabled.", body = ErrorBody),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(tasks): State<Arc<Tasks>>,
    caller: Caller,
    JsonBody(mut new): JsonBody<NewTask>,
) -> Result<Json<TaskView>, Refusal> {
    let now = tasks.clock.now();
    let name = new.function_name.clone();
    let function = tasks.store.recent_definition(&name).await?;
    let function = function.ok_or_else(|| Refusal::unknown("function", &name))?;
    if !function.enabled {
        return Err(Refusal::illegal_state(format!("the function `{name}` is disabled")));
    }
    let default_priority = function.execution_options.as_ref().and_then(|options| options.default_priority);
    new.priority = new.priority.or(default_priority);
    let application_id = Some(caller.client_id().to_owned());
    let creator = Creator { tenant_id: caller.tenant_id().to_owned(), application_id };
    let task = new.into_task(tasks.ids.hex24(), creator, now, tasks.store.expiry(now))?;
    if task.data.len() > DATA_LIMIT_BYTES {
        return Err(Refusal::field("data", format!("has at most {DATA_LIMIT_BYTES} bytes of JSON")));
    }
    let is_later = task.start_timestamp.is_some_and(|start| start > now);
    if is_later {
        // Before the record: a task that can be seen has its schedule.
        request::schedule(&tasks, &task).await?;
    }
    tasks.store.create_task(&task).await?;
    if !is_later {
        tasks.bus.publish(vec![start_command(&task)?]).await?;
    }
    Ok(Json(TaskView::of(&task)))
}

/// The command that starts a task at once.
fn start_command(task: &Task) -> Result<Entry, Refusal> {
    let id = EventId::new(format!("{}-requested", task.task_id));
    let command = Envelope {
        trace: Trace::start(&id),
        id,
        kind: TASK_REQUESTED.to_owned(),
        dedup_window_seconds: None,
        tenant_id: task.tenant_id.clone(),
        time: task.creation_timestamp,
        content: Due { task_id: task.task_id.clone(), requested_at: task.creation_timestamp },
    };
    Entry::fact(COMMAND_SOURCE, &command).map_err(|_| Refusal::internal())
}

/// Lists the newest tasks, the newest first.
#[utoipa::path(
    get, path = "/tasks/v1", tag = "tasks",
    responses(
        (status = 200, description = "A page of the tasks; the query string is RQL.", body = List<TaskView>),
        (status = 400, description = "The query is no RQL.", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(tasks): State<Arc<Tasks>>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let found = match query.eq("id") {
        Some(id) => tasks.store.task(id).await?.into_iter().collect(),
        None => tasks.store.tasks().await?,
    };
    let views: Vec<TaskView> = found.iter().map(TaskView::of).collect();
    query.apply(&views).map(Json)
}

/// Shows a task.
#[utoipa::path(
    get, path = "/tasks/v1/{id}", tag = "tasks", params(("id" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, description = "The task.", body = TaskView),
        (status = 404, description = "No such task.", body = ErrorBody),
    )
)]
pub(crate) async fn get(State(tasks): State<Arc<Tasks>>, Path(id): Path<String>) -> Result<Json<TaskView>, Refusal> {
    known(&tasks, &id).await.map(|task| Json(TaskView::of(&task)))
}

/// Cancels a task that waits for its time.
#[utoipa::path(
    post, path = "/tasks/v1/{id}/cancel", tag = "tasks", params(("id" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, description = "The task is canceled.", body = Affected),
        (status = 400, description = "The task does not wait any more.", body = ErrorBody),
        (status = 404, description = "No such task.", body = ErrorBody),
    )
)]
pub(crate) async fn cancel(State(tasks): State<Arc<Tasks>>, Path(id): Path<String>) -> Result<Json<Affected>, Refusal> {
    check_id(&id)?;
    let now = tasks.clock.now();
    let Some(task) = tasks.store.cancel_task(&id, now).await? else {
        let task = known(&tasks, &id).await?;
        let message = format!("only a task that is new can be canceled, this one is {}", task.status.as_str());
        return Err(Refusal::illegal_state(message));
    };
    tasks.bus.publish(answer::entries(&task, now)).await?;
    tasks.scheduler.cancel(&id).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Reads a task that the caller names.
pub(crate) async fn known(tasks: &Tasks, id: &str) -> Result<Task, Refusal> {
    check_id(id)?;
    tasks.store.task(id).await?.ok_or_else(|| Refusal::unknown("task", id))
}

fn check_id(id: &str) -> Result<(), Refusal> {
    match id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(Refusal::id_format("the id of a task is 24 hex digits")),
    }
}
