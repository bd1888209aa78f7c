//! Jobs and their runs as they are shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::event::StepError;
use shared::step::Claimable;
use shared::{Refusal, clock};

use crate::job::body::fields_of;
use crate::schedule::decide::{Outcome, Reason, next_start};
use crate::schedule::timing::Timing;
use crate::store::history::Row;
use crate::store::schedule::Schedule;
use crate::store::task::{Status, Task};

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobStatus {
    /// Its next run is still to come.
    Scheduled,
    /// A run is due, and has not started.
    Queued,
    /// A run is under way.
    Running,
    /// All its runs are over, and the last one succeeded.
    Completed,
    /// All its runs are over, and the last one failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It is paused.
    Paused,
}

/// A job as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobView {
    /// The id: 24 hex digits.
    job_id: String,
    /// The state.
    status: JobStatus,
    /// When the first run is due.
    #[serde(with = "clock::iso")]
    scheduled_at: Timestamp,
    /// Whether it runs periodically.
    recurring: bool,
    /// When the next run is due; absent if none is.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    next_run_at: Option<Timestamp>,
    /// The environment of the product.
    #[schema(value_type = String)]
    env: Value,
    /// The product.
    #[schema(value_type = String)]
    product_tag: Value,
    /// The access tag of the app.
    #[schema(value_type = String)]
    app: Value,
    /// The action of the app.
    #[schema(value_type = String)]
    event: Value,
    /// The cache that may have the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    cache: Option<Value>,
    /// The request.
    #[schema(value_type = Object)]
    input: Value,
    /// The tag of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// How often a run is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    retries: Option<Value>,
    /// When it runs, as it was given.
    #[schema(value_type = Object)]
    schedule: Value,
    /// How many runs its schedule has started.
    runs: u64,
    /// The task of the newest run.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_task_id: Option<String>,
    /// When it was created.
    #[serde(with = "clock::iso")]
    created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "clock::iso")]
    updated_at: Timestamp,
    /// The client that created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
}

impl JobView {
    /// Shows a job, whose newest run has this state.
    pub(crate) fn of(job: &Schedule, last: Option<Status>, now: Timestamp) -> Result<Self, Refusal> {
        let next = next_start(job, &job.instants()?);
        let mut fields = fields_of(job);
        let mut take = |name: &str| fields.remove(name);
        let state = job.job.clone().unwrap_or_default();
        Ok(Self {
            job_id: job.schedule_id.clone(),
            status: status(job, next, last, now),
            scheduled_at: job.instants()?.next(job.init.checked_sub(MOMENT).unwrap_or(job.init)).unwrap_or(job.init),
            recurring: !state.is_single,
            next_run_at: next,
            env: take("env").unwrap_or_default(),
            product_tag: take("product_tag").unwrap_or_default(),
            app: take("app").unwrap_or_default(),
            event: take("event").unwrap_or_default(),
            cache: take("cache"),
            input: take("input").unwrap_or_default(),
            session: take("session").as_ref().and_then(session_tag),
            retries: take("retries"),
            schedule: schedule(job),
            runs: state.runs,
            last_task_id: job.last_task_id.clone(),
            created_at: job.creation_timestamp,
            updated_at: job.update_timestamp,
            created_by: job.creator.user_id(),
        })
    }
}

/// The shortest time.
const MOMENT: jiff::SignedDuration = jiff::SignedDuration::from_millis(1);

/// Tells in which state a job is.
fn status(job: &Schedule, next: Option<Timestamp>, last: Option<Status>, now: Timestamp) -> JobStatus {
    if job.job.as_ref().is_some_and(|job| job.is_cancelled) {
        return JobStatus::Cancelled;
    }
    match (last, next) {
        _ if !job.running => JobStatus::Paused,
        (Some(Status::New), _) => JobStatus::Queued,
        (Some(Status::InProgress), _) => JobStatus::Running,
        (_, Some(next)) if next > now => JobStatus::Scheduled,
        (_, Some(_)) => JobStatus::Queued,
        (Some(Status::Failed), None) => JobStatus::Failed,
        (Some(Status::Canceled), None) => JobStatus::Cancelled,
        (_, None) => JobStatus::Completed,
    }
}

/// The tag of a session, whose token nobody gets to see.
fn session_tag(session: &Value) -> Option<String> {
    let text = session.as_str().and_then(|text| text.split_once(':')).map(|(tag, _)| tag);
    text.or_else(|| session["tag"].as_str()).map(str::to_owned)
}

/// When a job runs, as its body says it.
fn schedule(job: &Schedule) -> Value {
    let state = job.job.clone().unwrap_or_default();
    let time = |time: Timestamp| format!("{time:.3}");
    let mut schedule = Map::new();
    schedule.insert("start_at".to_owned(), json!(time(job.init)));
    if state.is_single {
        return Value::Object(schedule);
    }
    match &job.timing {
        Timing::Interval { interval_ms } => schedule.extend([("every".to_owned(), json!(interval_ms))]),
        Timing::Cron { expression, timezone } => {
            schedule.extend([("cron".to_owned(), json!(expression)), ("tz".to_owned(), json!(timezone))]);
        }
    }
    schedule.extend(state.limit.map(|limit| ("limit".to_owned(), json!(limit))));
    schedule.extend(job.end.map(|end| ("endDate".to_owned(), json!(time(end)))));
    Value::Object(schedule)
}

/// What became of one instant of a job, or of a run out of turn.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobRun {
    /// When it was due; the last time if there are many.
    #[serde(with = "clock::iso")]
    scheduled_at: Timestamp,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`; `missed` or `skipped` if there was no run.
    status: &'static str,
    /// Why there was no run, or `requested` for one out of turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// How many instants it stands for.
    count: u64,
    /// The task that it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// When it started.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

impl JobRun {
    /// Shows a row of the history with its task, which may have expired.
    pub(crate) fn of(row: Row, task: Option<&Task>) -> Self {
        let status = match (row.outcome, task.map(|task| task.status)) {
            (Outcome::Missed, _) => "missed",
            (Outcome::Skipped, _) => "skipped",
            (_, Some(Status::InProgress)) => "running",
            (_, Some(Status::Complete)) => "completed",
            (_, Some(Status::Failed | Status::Retried)) => "failed",
            (_, Some(Status::Canceled)) => "cancelled",
            (Outcome::Queued | Outcome::Fired, _) => "queued",
        };
        let answer = task.and_then(Claimable::answer);
        let since = task.filter(|task| task.status == Status::InProgress).map(|task| task.status_changed_timestamp);
        Self {
            scheduled_at: Timestamp::from_millisecond(row.instant).unwrap_or_default(),
            status,
            reason: row.reason,
            count: row.count,
            task_id: row.task_id,
            started_at: answer.and_then(|answer| answer.started_at).or(since),
            ended_at: task.filter(|task| task.answer().is_some()).map(|task| task.status_changed_timestamp),
            error: answer.and_then(|answer| answer.error.clone()),
        }
    }
}
