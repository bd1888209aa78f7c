//! Schedules and their history as they are shown.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use shared::{Refusal, clock};

use crate::schedule::decide::{Outcome, Reason, next_start};
use crate::schedule::timing::Timing;
use crate::store::history::Row;
use crate::store::schedule::{Misfire, Overlap, Program, Schedule};

/// A schedule as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleView {
    /// The id: 24 hex digits.
    id: String,
    /// The function that its tasks run.
    function_name: String,
    /// The input of its tasks.
    #[schema(value_type = Object)]
    data: Value,
    /// The priority of its tasks, unless it is that of the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
    /// The tags of its tasks.
    tags: Vec<String>,
    /// Seconds from one instant to the next, unless there is a cron pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<i64>,
    /// The cron pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    /// The time zone of the pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    /// The first instant of an interval; no instant is before it.
    #[serde(with = "clock::iso")]
    start_timestamp: Timestamp,
    /// All instants are before it.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    end_timestamp: Option<Timestamp>,
    /// When the next task starts; absent if none will, such as while it is stopped.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    next_timestamp: Option<Timestamp>,
    /// Whether its instants start tasks.
    running: bool,
    /// What becomes of an instant while the last task has not ended.
    overlap_policy: Overlap,
    /// What becomes of instants that could not be handled in time.
    misfire_policy: Misfire,
    /// Up to how many milliseconds each task starts later.
    jitter_ms: i64,
    /// How many instants wait for the end of the last task.
    waiting: usize,
    /// The newest task that it has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_task_id: Option<String>,
    /// The instant of that task.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    last_timestamp: Option<Timestamp>,
    /// When it was created.
    #[serde(with = "clock::iso")]
    creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "clock::iso")]
    update_timestamp: Timestamp,
    /// The client that created it, or through which a user did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// The user that created it, or the same client, which is its own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_user_id: Option<String>,
}

impl ScheduleView {
    /// Shows the schedule of a function.
    pub(crate) fn of(schedule: &Schedule) -> Result<Self, Refusal> {
        let next_timestamp = next_start(schedule, &schedule.instants()?);
        let (function_name, data, priority, tags) = match schedule.program.clone() {
            Program::Function { function_name, data, priority, tags } => (function_name, data, priority, tags),
            Program::Script { .. } | Program::Action { .. } => {
                return Err(Refusal::unknown("schedule", &schedule.schedule_id));
            }
        };
        let (interval, cron, timezone) = match schedule.timing.clone() {
            Timing::Interval { interval_ms } => (Some(interval_ms / 1_000), None, None),
            Timing::Cron { expression, timezone } => (None, Some(expression), Some(timezone)),
        };
        Ok(Self {
            id: schedule.schedule_id.clone(),
            function_name,
            data: serde_json::from_str(&data).unwrap_or_default(),
            priority,
            tags,
            interval,
            cron,
            timezone,
            start_timestamp: schedule.init,
            end_timestamp: schedule.end,
            next_timestamp,
            running: schedule.running,
            overlap_policy: schedule.overlap,
            misfire_policy: schedule.misfire,
            jitter_ms: schedule.jitter_ms,
            waiting: schedule.queue.len(),
            last_task_id: schedule.last_task_id.clone(),
            last_timestamp: schedule.last_fired,
            creation_timestamp: schedule.creation_timestamp,
            update_timestamp: schedule.update_timestamp,
            created_by_application_id: schedule.creator.created_by_application_id.clone(),
            created_by_user_id: schedule.creator.user_id(),
        })
    }
}

/// What became of an instant, or of many missed ones.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryView {
    /// The instant; the last one if the row stands for many.
    #[serde(with = "clock::iso")]
    timestamp: Timestamp,
    /// What became of it.
    outcome: Outcome,
    /// Why, unless it started a task in the ordinary way.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// The task that it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// The first instant, if the row stands for many.
    #[serde(with = "clock::iso::optional", skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// How many instants the row stands for.
    count: u64,
    /// Whether there are more than were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    at_least: bool,
    /// When it was decided.
    #[serde(with = "clock::iso")]
    handled_timestamp: Timestamp,
}

impl From<Row> for HistoryView {
    fn from(row: Row) -> Self {
        Self {
            timestamp: Timestamp::from_millisecond(row.instant).unwrap_or_default(),
            outcome: row.outcome,
            reason: row.reason,
            task_id: row.task_id,
            from: row.from,
            count: row.count,
            at_least: row.at_least,
            handled_timestamp: row.handled_at,
        }
    }
}

/// When tasks will start.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NextTimes {
    /// The times, the earliest first.
    #[serde(serialize_with = "times")]
    pub(crate) data: Vec<Timestamp>,
}

fn times<S: Serializer>(times: &[Timestamp], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.iter().map(|time| format!("{time:.3}")))
}
