//! Runs as they are shown: whole, and in lists.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::event::{ChannelId, DispatcherId, EventId, EventType, FailedResponse, StepError, StepRecord};
use utoipa::ToSchema;

use super::{Attempt, Run, RunRetry, RunStatus, Step, StepState};
use crate::store::RunEntry;

/// What every view of a run begins with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunHead {
    /// The event that started it.
    pub(crate) event_id: EventId,
    /// The type of that event.
    event_type: EventType,
    /// The channel that the event came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<ChannelId>,
    /// The dispatcher.
    pub(crate) dispatcher_id: DispatcherId,
    /// The name of the dispatcher when the run started.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatcher_name: Option<String>,
    status: RunStatus,
    #[serde(with = "shared::clock::iso")]
    started_at: Timestamp,
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
}

/// One dispatcher working on one event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    #[serde(flatten)]
    head: RunHead,
    /// The event `run.succeeded` or `run.failed` about its outcome, where a dispatcher listened for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome_event_id: Option<EventId>,
    /// The latest times that it was retried by hand or by a bulk retry, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retries: Vec<RunRetry>,
    /// Its steps, in the order of the actions.
    steps: Vec<StepView>,
}

/// One action of the run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StepView {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    status: StepState,
    attempts: Vec<Attempt>,
    /// The record that the last attempt has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<StepRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
    /// What a server answered that did not do what the last attempt asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<FailedResponse>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A run as lists show it: without the outputs of its steps and what servers answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedRun {
    #[serde(flatten)]
    pub(crate) head: RunHead,
    /// Its steps, in the order of the actions.
    steps: Vec<ListedStep>,
}

/// A step as lists show it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListedStep {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    status: StepState,
    /// How many attempts were made.
    attempts: u32,
    /// The record that the last attempt has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<StepRecord>,
    /// The HTTP status with which a server did not do what the last attempt asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            head: RunHead::from(&run),
            outcome_event_id: run.outcome_event_id,
            retries: run.retries,
            steps: run.steps.into_iter().map(StepView::from).collect(),
        }
    }
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self {
            name: step.name().to_owned(),
            record: step.record().cloned(),
            response: step.response().cloned(),
            kind: step.action.kind,
            status: step.status,
            attempts: step.attempts,
            output: step.output,
            error: step.error,
            reason: step.reason,
        }
    }
}

impl From<Run> for ListedRun {
    fn from(run: Run) -> Self {
        Self { head: RunHead::from(&run), steps: run.steps.into_iter().map(ListedStep::from).collect() }
    }
}

impl From<Step> for ListedStep {
    fn from(step: Step) -> Self {
        Self {
            name: step.name().to_owned(),
            attempts: step.attempt(),
            record: step.record().cloned(),
            http_status: step.response().map(|response| response.status),
            kind: step.action.kind,
            status: step.status,
            error: step.error,
            reason: step.reason,
        }
    }
}

impl From<&Run> for RunHead {
    fn from(run: &Run) -> Self {
        Self {
            event_id: run.event_id.clone(),
            event_type: run.event_type.clone(),
            channel_id: run.channel_id.clone(),
            dispatcher_id: run.dispatcher_id.clone(),
            dispatcher_name: run.dispatcher_name.clone(),
            status: run.status,
            started_at: run.started_at,
            finished_at: run.finished_at,
            duration_ms: duration_ms(run.started_at, run.finished_at),
        }
    }
}

impl From<RunEntry> for ListedRun {
    /// Shows all but the steps; a run that is not over counts as running.
    fn from(entry: RunEntry) -> Self {
        let head = RunHead {
            duration_ms: duration_ms(entry.started_at, entry.finished_at),
            event_id: entry.event_id,
            event_type: entry.event_type,
            channel_id: entry.channel_id,
            dispatcher_id: entry.dispatcher_id,
            dispatcher_name: entry.dispatcher_name,
            status: entry.outcome.unwrap_or(RunStatus::Running),
            started_at: entry.started_at,
            finished_at: entry.finished_at,
        };
        Self { head, steps: Vec::new() }
    }
}

fn duration_ms(started_at: Timestamp, finished_at: Option<Timestamp>) -> Option<i64> {
    i64::try_from(finished_at?.duration_since(started_at).as_millis()).ok()
}
