//! A bulk retry: every run that failed under a filter is retried once, a bounded number at a time.
//!
//! It goes through the runs that failed from the newest to the oldest. What it has done so far, which runs come next and
//! where it goes on is one record, written after each round on the condition that nobody else wrote it. A round retries what
//! the record names, so that one that is interrupted is done again with the same runs, and finds in these which of them it
//! has retried.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::event::{DispatcherId, EventId, EventType, TenantId};
use utoipa::ToSchema;

use crate::run::{Run, RunStatus, StepState};
use crate::store::{RunEntry, RunPlace};

/// How long a bulk retry waits for the end of a run that makes no progress.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// The name under which a run that was cancelled meanwhile is counted.
const CANCELLED: &str = "RunCancelled";
/// How many names of errors are counted each for itself.
const MAX_NAMES: usize = 100;
/// The name under which further errors are counted.
const OTHER: &str = "Other";

/// Which of the runs that failed are retried: those for which everything holds that is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"eventType": "order.paid", "errorName": "HttpStatus", "since": "2026-01-02T00:00:00Z"}))]
pub(crate) struct BulkFilter {
    /// The type of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_type: Option<EventType>,
    /// The dispatcher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dispatcher_id: Option<DispatcherId>,
    /// The name of the error of at least one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error_name: Option<String>,
    /// The run started at this time or later.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// The run started at this time or before; never after the bulk retry began.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

/// Whether a bulk retry goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BulkStatus {
    /// It is under way.
    Running,
    /// It is at its end.
    Done,
    /// It was ended by hand.
    Cancelled,
}

/// How far a bulk retry has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkProgress {
    /// How many runs that failed it has gone through.
    pub(crate) examined: u64,
    /// How many of them the filter takes and their turn has come.
    pub(crate) found: u64,
    /// How many of them it has retried.
    pub(crate) retried: u64,
    /// How many of them could not be retried.
    pub(crate) refused: u64,
    /// Why they could not, and how many for each reason.
    pub(crate) refused_by_reason: BTreeMap<String, u64>,
    /// How many of the retried runs are over.
    pub(crate) done: u64,
    /// How many of these succeeded.
    pub(crate) succeeded: u64,
    /// How many of these failed again.
    pub(crate) failed: u64,
    /// With which errors they failed, and how many with each.
    pub(crate) failed_by_name: BTreeMap<String, u64>,
    /// How many wait for the outside world or for the time of their next attempt, and are not followed further.
    pub(crate) left_waiting: u64,
}

/// A run that was retried and is followed to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Followed {
    pub(crate) event_id: EventId,
    pub(crate) dispatcher_id: DispatcherId,
    #[serde(with = "shared::clock::iso")]
    pub(crate) since: Timestamp,
}

/// Where a bulk retry goes on, from newer to older runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cursor {
    /// When the first of the runs started at the latest, in milliseconds since 1970.
    pub(crate) to: i64,
    /// The run up to which all are done or chosen.
    pub(crate) after: Option<RunPlace>,
    /// There are no more runs.
    pub(crate) is_at_end: bool,
}

/// A bulk retry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bulk {
    pub(crate) id: String,
    pub(crate) tenant_id: TenantId,
    pub(crate) filter: BulkFilter,
    pub(crate) max_in_progress: usize,
    pub(crate) status: BulkStatus,
    #[serde(with = "shared::clock::iso")]
    pub(crate) created_at: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) updated_at: Timestamp,
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) progress: BulkProgress,
    pub(crate) followed: Vec<Followed>,
    /// The runs that it retries next, in their order.
    pub(crate) chosen: Vec<RunPlace>,
    pub(crate) cursor: Cursor,
    /// Counts the rounds.
    pub(crate) round: u64,
    /// Counts the writes of the record, from 1.
    pub(crate) version: u64,
    /// When the record may be deleted, in seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Bulk {
    /// Starts a bulk retry.
    pub(crate) fn new(
        id: String,
        tenant_id: TenantId,
        filter: BulkFilter,
        max_in_progress: usize,
        now: Timestamp,
        expires_at: i64,
    ) -> Self {
        let to = filter.until.map_or(now, |until| until.min(now)).as_millisecond();
        Self {
            id,
            tenant_id,
            filter,
            max_in_progress,
            status: BulkStatus::Running,
            created_at: now,
            updated_at: now,
            finished_at: None,
            progress: BulkProgress::default(),
            followed: Vec::new(),
            chosen: Vec::new(),
            cursor: Cursor { to, after: None, is_at_end: false },
            round: 1,
            version: 1,
            expires_at,
        }
    }

    /// Whether it retries nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        self.status != BulkStatus::Running
    }

    /// Whether it is over, and so is what it has retried.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_over() && self.followed.is_empty()
    }

    /// Ends it, if it is not over; runs that it has retried go on.
    pub(crate) fn end(&mut self, status: BulkStatus, now: Timestamp) {
        if !self.is_over() {
            self.status = status;
            self.finished_at = Some(now);
        }
    }

    /// Whether it may retry a run that failed, by what an index knows of it.
    pub(crate) fn may_take(&self, run: &RunEntry) -> bool {
        let BulkFilter { event_type, dispatcher_id, .. } = &self.filter;
        run.finished_at.is_none_or(|finished_at| finished_at <= self.created_at)
            && event_type.as_ref().is_none_or(|kind| *kind == run.event_type)
            && dispatcher_id.as_ref().is_none_or(|id| *id == run.dispatcher_id)
    }

    /// Whether a run has failed with the error that it retries.
    pub(crate) fn takes(&self, run: &Run) -> bool {
        let has_error =
            |name: &String| run.steps.iter().any(|step| step.error.as_ref().is_some_and(|error| error.name == *name));
        self.filter.error_name.as_ref().is_none_or(has_error)
    }

    /// Counts what became of a followed run, `None` if it is gone; returns whether to follow it further.
    pub(crate) fn follow(&mut self, run: Option<&Run>, since: Timestamp, now: Timestamp) -> bool {
        let progress = &mut self.progress;
        let Some(run) = run else {
            progress.left_waiting += 1;
            return false;
        };
        let errors = run.steps.iter().filter(|step| step.status == StepState::Failed);
        let error = errors.filter_map(|step| step.error.as_ref()).map(|error| error.name.as_str()).next();
        match run.status {
            RunStatus::Succeeded => progress.succeeded += 1,
            RunStatus::Failed => count(&mut progress.failed_by_name, error.unwrap_or(OTHER)),
            RunStatus::Cancelled => count(&mut progress.failed_by_name, CANCELLED),
            RunStatus::Waiting | RunStatus::Running => {
                let is_left = run.is_idle(now) || now.duration_since(since) > PATIENCE;
                progress.left_waiting += u64::from(is_left);
                return !is_left;
            }
        }
        progress.failed += u64::from(run.status != RunStatus::Succeeded);
        progress.done += 1;
        false
    }

    /// Counts a run that could not be retried.
    pub(crate) fn refuse(&mut self, reason: &str) {
        self.progress.refused += 1;
        count(&mut self.progress.refused_by_reason, reason);
    }

    /// Returns those of the chosen runs whose turn it is.
    pub(crate) fn next(&mut self) -> Vec<RunPlace> {
        let room = self.max_in_progress.saturating_sub(self.followed.len());
        self.chosen.drain(..room.min(self.chosen.len())).collect()
    }

    /// Whether enough runs are chosen, or there are no more.
    pub(crate) fn has_chosen(&self) -> bool {
        self.cursor.is_at_end || self.chosen.len() >= self.max_in_progress
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    let name = if counts.len() < MAX_NAMES || counts.contains_key(name) { name } else { OTHER };
    *counts.entry(name.to_owned()).or_default() += 1;
}
