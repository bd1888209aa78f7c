//! Runs as they are shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::step::Claimable as _;

use crate::failure::{Failure, FailureType};
use crate::run::shown::{Received, Sent};
use crate::store::run::{Attempt, CacheUse, RunEntry, RunRecord, Status};

/// What a run came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(example = json!({
    "run_id": "5f2b8c0e9d3a41b7c6e80f12", "status": "success", "output": {"id": "ch_1", "amount": 1250},
    "cached": false, "cache": "none",
    "timing": {"start": "2026-01-02T03:04:05.000Z", "end": "2026-01-02T03:04:05.240Z", "duration_ms": 240},
    "attempts": [{"number": 1, "app": "payments", "action": "create_charge", "app_env": "prd",
        "start": "2026-01-02T03:04:05.010Z", "duration_ms": 230, "status": 201}],
}))]
pub(crate) struct RunResult {
    /// The id of the run.
    run_id: String,
    /// `success`: a run that has failed is answered as an error.
    status: Status,
    /// The output of the action.
    #[schema(value_type = Value)]
    pub(crate) output: Value,
    /// Whether the output was too large to be kept for a repeated request, and `output` is `null`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    output_dropped: bool,
    /// Every attempt, also those at fallbacks.
    attempts: Vec<Attempt>,
    /// When it ran.
    timing: Timing,
    /// Whether the output is that of an earlier run, or of another at the same time.
    cached: bool,
    /// How the output came about.
    cache: CacheUse,
    /// The access tag that took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<String>,
    /// The id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
}

/// When a run ran.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Timing {
    /// When it began.
    #[serde(with = "shared::clock::iso")]
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    /// When it ended.
    #[serde(with = "shared::clock::iso::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
    /// How long it took, in milliseconds.
    duration_ms: i64,
}

impl RunResult {
    /// Shows a run that has succeeded.
    pub(crate) fn of(record: &RunRecord) -> Self {
        let kept = || record.answer().and_then(|answer| answer.output.clone());
        let fallback = record.summary.fallback.as_ref().map(ToString::to_string);
        Self {
            run_id: record.action_run_id.clone(),
            status: record.status,
            output: record.output.clone().or_else(kept).unwrap_or_default(),
            output_dropped: record.output.is_none() && record.detail.is_output_dropped,
            attempts: record.detail.attempts.clone(),
            timing: Timing {
                start: record.started_at,
                end: record.ended_at,
                duration_ms: duration_ms(record.started_at, record.ended_at).unwrap_or_default(),
            },
            cached: matches!(record.summary.cache, CacheUse::Hit | CacheUse::Joined),
            cache: record.summary.cache,
            fallback,
            session_id: record.detail.session_id.clone(),
        }
    }
}

/// A run as lists show it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(example = json!({
    "run_id": "5f2b8c0e9d3a41b7c6e80f12", "product": "shop", "env": "prd", "app": "payments",
    "action": "create_charge", "status": "fail", "type": "RATE_LIMITED", "http_status": 429, "attempt_count": 3,
    "cache": "none", "start": "2026-01-02T03:04:05.000Z", "end": "2026-01-02T03:04:09.100Z", "duration_ms": 4100,
    "client_id": "my-service",
}))]
pub(crate) struct RunSummary {
    /// The id.
    run_id: String,
    /// The product.
    product: String,
    /// The environment of the product.
    env: String,
    /// The access tag of the app.
    app: String,
    /// The action.
    action: String,
    /// How far it is.
    status: Status,
    /// Why it failed.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<FailureType>,
    /// The HTTP status of the app's last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// How many attempts were made.
    attempt_count: usize,
    /// How the output came about.
    cache: CacheUse,
    /// The access tag that took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<String>,
    /// When it began.
    #[serde(with = "shared::clock::iso")]
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    /// When it ended.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<i64>,
    /// When the next attempt is due, if it waits for one.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt: Option<Timestamp>,
    /// The client that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The event whose dispatcher asked for it, or the task of a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// The dispatcher that asked for it; `task` for a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatcher_id: Option<String>,
    /// The step of the dispatcher.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The attempt at the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_attempt: Option<u32>,
}

impl RunSummary {
    /// The fields that change after a run has begun.
    pub(crate) const CHANGING: &[&str] =
        &["attempt_count", "cache", "duration_ms", "end", "fallback", "http_status", "next_attempt", "status", "type"];

    /// Shows a run at a time: one that is overdue was interrupted, and nobody goes on with it.
    pub(crate) fn at(entry: RunEntry, now: Timestamp) -> Self {
        let is_lost = is_lost(entry.status, entry.overdue_at_ms, now);
        let step = entry.origin.map(|origin| origin.step);
        Self {
            run_id: entry.action_run_id,
            product: entry.product.to_string(),
            env: entry.env.to_string(),
            app: entry.app.to_string(),
            action: entry.action.to_string(),
            status: if is_lost { Status::Fail } else { entry.status },
            kind: if is_lost { Some(FailureType::OutcomeUnknown) } else { entry.summary.kind },
            http_status: entry.summary.http_status,
            attempt_count: entry.summary.attempts,
            cache: entry.summary.cache,
            fallback: entry.summary.fallback.map(|tag| tag.to_string()),
            start: entry.started_at,
            end: entry.ended_at,
            duration_ms: duration_ms(entry.started_at, entry.ended_at),
            next_attempt: entry.next_at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            client_id: entry.client_id,
            event_id: step.as_ref().map(|step| step.event_id.as_str().to_owned()),
            dispatcher_id: step.as_ref().map(|step| step.dispatcher_id.as_str().to_owned()),
            step_attempt: step.as_ref().map(|step| step.attempt),
            step: step.map(|step| step.step),
        }
    }
}

impl From<&RunRecord> for RunSummary {
    fn from(record: &RunRecord) -> Self {
        Self::at(RunEntry::from(record), record.ended_at.unwrap_or(record.started_at))
    }
}

/// A run with what it sent and got.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ActionRunView)]
pub(crate) struct RunView {
    /// What lists show of it.
    #[serde(flatten)]
    summary: RunSummary,
    /// Every attempt, also those at fallbacks.
    attempts: Vec<Attempt>,
    /// The last request as it was sent, with secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Sent>,
    /// The answer to it, with secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Received>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RunError>,
    /// The id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
}

/// Why a run failed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RunError {
    /// The type.
    #[serde(rename = "type")]
    kind: FailureType,
    /// What went wrong.
    message: String,
    /// The rules that the input breaks.
    violations: Vec<crate::failure::Violation>,
    /// The HTTP status of the app's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl RunView {
    /// Shows a run at a time.
    pub(crate) fn at(record: &RunRecord, now: Timestamp) -> Self {
        let lost = is_lost(record.status, record.overdue_at_ms, now).then(interrupted);
        let failure = record.detail.failure.clone().or(lost);
        Self {
            summary: RunSummary::at(RunEntry::from(record), now),
            attempts: record.detail.attempts.clone(),
            request: record.detail.request.clone(),
            response: record.detail.response.clone(),
            error: failure.map(|Failure { kind, message, violations, status, .. }| RunError {
                kind,
                message,
                violations,
                status,
            }),
            session_id: record.detail.session_id.clone(),
        }
    }
}

/// Why a run failed whose process has died.
pub(crate) fn interrupted() -> Failure {
    let message = "the run was interrupted; whether the app got its request is not known";
    Failure::new(FailureType::OutcomeUnknown, message)
}

fn is_lost(status: Status, overdue_at_ms: Option<i64>, now: Timestamp) -> bool {
    status == Status::Processing && overdue_at_ms.is_some_and(|overdue_at_ms| overdue_at_ms < now.as_millisecond())
}

fn duration_ms(start: Timestamp, end: Option<Timestamp>) -> Option<i64> {
    i64::try_from(end?.duration_since(start).as_millis()).ok()
}
