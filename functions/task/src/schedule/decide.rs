//! What becomes of the instants of a schedule, and when it must be looked at: from values to values.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::timing::{Instants, Timing};
use crate::store::schedule::{Misfire, Overlap, Schedule};

/// The most instants that wait for the end of a task.
pub(crate) const QUEUE_LIMIT: usize = 100;
/// The most missed instants that fire after downtime.
const CAUGHT_UP: usize = 100;
/// The most missed instants of one sweep with a row of their own; one row stands for those before them.
pub(crate) const OWN_ROWS: usize = 1_000;
/// Between which bounds an instant may be late, as long as an interval is.
const TOLERANCE: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_secs(90));
/// How long after an instant of a schedule that Scheduler wakes the minute schedule looks after it.
const SAFETY_NET: SignedDuration = SignedDuration::from_secs(120);
/// After how long a queue is looked at in case the end of a task was not noticed.
const QUEUE_CHECK: SignedDuration = SignedDuration::from_secs(60);

/// What became of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InstantOutcome)]
pub(crate) enum Outcome {
    /// It started a task.
    Fired,
    /// It was handled too late to start one.
    Missed,
    /// It came at a time when no task could be started.
    Skipped,
    /// It waits for the end of another task.
    Queued,
}

/// Why it became that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reason {
    /// It was handled later than its tolerance.
    Late,
    /// The last task of the schedule had not ended.
    Overlap,
    /// As many instants as may wait were waiting.
    QueueFull,
    /// The schedule ended while the instant was waiting.
    Ended,
    /// Somebody has asked for a run out of turn.
    Requested,
    /// The function that its tasks run is gone.
    FunctionMissing,
}

impl Reason {
    /// The text in facts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Overlap => "overlap",
            Self::QueueFull => "queueFull",
            Self::Ended => "ended",
            Self::Requested => "requested",
            Self::FunctionMissing => "functionMissing",
        }
    }
}

/// Instants that were not handled in time, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Those that one row stands for.
    pub(crate) summary: Option<Summary>,
    /// Those that are missed, each with a row of its own.
    pub(crate) missed: Vec<Timestamp>,
    /// Those that are to fire all the same.
    pub(crate) caught_up: Vec<Timestamp>,
}

/// Missed instants that one row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The first one.
    pub(crate) from: Timestamp,
    /// The last one.
    pub(crate) to: Timestamp,
    /// How many there are.
    pub(crate) count: u64,
    /// Whether there are more than were counted.
    pub(crate) at_least: bool,
}

/// What settling some instants changes in the record of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Up to when all instants are settled now.
    pub(crate) settled_until: Option<Timestamp>,
    /// The newest instant that fired, and its task.
    pub(crate) fired: Option<(Timestamp, String)>,
    /// The instants that fired, in milliseconds since 1970.
    pub(crate) runs: Vec<i64>,
    /// The instants that wait from now on.
    pub(crate) queued: Vec<i64>,
    /// Those that do not any more.
    pub(crate) left_queue: Vec<i64>,
    /// As of when a sweep of missed instants is through, if one is.
    pub(crate) swept_as_of: Option<Timestamp>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.summary.is_none() && self.missed.is_empty() && self.caught_up.is_empty()
    }

    /// Those that are missed, as one.
    pub(crate) fn all_missed(&self) -> Option<Summary> {
        let (first, last) = (self.missed.first().copied(), self.missed.last().copied());
        let own = u64::try_from(self.missed.len()).unwrap_or(u64::MAX);
        let Summary { from, to, count, at_least } = match (self.summary, first) {
            (Some(summary), _) => summary,
            (None, Some(from)) => Summary { from, to: from, count: 0, at_least: false },
            (None, None) => return None,
        };
        Some(Summary { from, to: last.unwrap_or(to), count: count + own, at_least })
    }
}

/// Decides about an instant whose time has come.
pub(crate) fn fate(overlap: Overlap, is_caught_up: bool, is_busy: bool, waiting: usize) -> (Outcome, Option<Reason>) {
    match overlap {
        Overlap::Allow => (Outcome::Fired, None),
        _ if !is_busy && waiting == 0 => (Outcome::Fired, None),
        Overlap::Skip if !is_caught_up => (Outcome::Skipped, Some(Reason::Overlap)),
        _ if waiting < QUEUE_LIMIT => (Outcome::Queued, None),
        _ => (Outcome::Skipped, Some(Reason::QueueFull)),
    }
}

/// How late an instant may be handled.
pub(crate) fn tolerance(timing: &Timing) -> SignedDuration {
    let (shortest, longest) = TOLERANCE;
    match timing {
        Timing::Interval { interval_ms } => SignedDuration::from_millis(*interval_ms).clamp(shortest, longest),
        Timing::Cron { .. } => longest,
    }
}

/// When the task of an instant starts: up to the jitter later, always by the same delay.
pub(crate) fn starts_at(schedule: &Schedule, instant: Timestamp) -> Timestamp {
    if schedule.jitter_ms <= 0 {
        return instant;
    }
    let mut hash = Sha256::new();
    hash.update(schedule.incarnation.as_bytes());
    hash.update(instant.as_millisecond().to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.finalize().into();
    let delay_ms = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % schedule.jitter_ms.unsigned_abs();
    let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap_or(0));
    instant.checked_add(delay).unwrap_or(instant)
}

/// Returns the instants that are too late as of a moment, and what becomes of them.
pub(crate) fn backlog(schedule: &Schedule, instants: &Instants, as_of: Timestamp) -> Backlog {
    let settled = schedule.settled_until;
    let late_before = as_of.checked_sub(tolerance(&schedule.timing)).unwrap_or(settled);
    let is_late = |instant: &Timestamp| starts_at(schedule, *instant) < late_before;
    let certain = late_before.checked_sub(SignedDuration::from_millis(schedule.jitter_ms + 1)).unwrap_or(settled);
    let fires = match schedule.misfire {
        Misfire::Skip => 0,
        Misfire::Once => 1,
        Misfire::All => CAUGHT_UP,
    };
    let Some(first) = instants.next(settled).filter(is_late) else { return Backlog::default() };
    let span = instants.span(settled, certain, OWN_ROWS + fires + 1);
    let mut newest = span.newest;
    let uncertain = instants.after(newest.last().copied().unwrap_or(settled)).take_while(is_late);
    let uncertain: Vec<Timestamp> = uncertain.collect();
    let mut summarised = span.count + uncertain.len() as u64;
    newest.extend(uncertain);
    let caught_up = newest.split_off(newest.len().saturating_sub(fires));
    let missed = newest.split_off(newest.len().saturating_sub(OWN_ROWS));
    summarised = summarised.saturating_sub((missed.len() + caught_up.len()) as u64);
    let last = newest.last().filter(|_| summarised > 0);
    let summary = last.map(|to| Summary { from: first, to: *to, count: summarised, at_least: span.at_least });
    Backlog { summary, missed, caught_up }
}

/// When the record must be looked at, by the minute schedule or by who waits for its instants.
pub(crate) fn due_at(schedule: &Schedule, instants: &Instants, now: Timestamp) -> Option<Timestamp> {
    let next = next_start(schedule, instants).map(|next| match is_woken(schedule) {
        true => next.checked_add(SAFETY_NET).unwrap_or(next),
        false => next,
    });
    let check = (schedule.running && !schedule.queue.is_empty()).then(|| now.checked_add(QUEUE_CHECK).unwrap_or(now));
    // Jitter may take the last instants past the end.
    let end = schedule.end.filter(|end| schedule.job.is_none() && (*end > now || next.is_none()));
    [next, check, end].into_iter().flatten().min()
}

/// When the next instant that is not settled starts a task, if the schedule is running.
pub(crate) fn next_start(schedule: &Schedule, instants: &Instants) -> Option<Timestamp> {
    let may_run = schedule.running && schedule.runs_left() != Some(0);
    let next = instants.next(schedule.settled_until).filter(|_| may_run)?;
    Some(starts_at(schedule, next))
}

/// Whether Scheduler wakes it at each instant, as a rate in whole minutes.
pub(crate) fn is_woken(schedule: &Schedule) -> bool {
    schedule.jitter_ms == 0 && schedule.timing.whole_minutes().is_some()
}

/// Changes the record of a schedule by what was settled; a second time changes nothing.
pub(crate) fn apply(progress: &Progress, schedule: &mut Schedule) {
    count_runs(progress, schedule);
    schedule.settled_until = schedule.settled_until.max(progress.settled_until.unwrap_or(Timestamp::MIN));
    if let Some((instant, task_id)) = &progress.fired
        && schedule.last_fired.is_none_or(|last| last < *instant)
    {
        (schedule.last_fired, schedule.last_task_id) = (Some(*instant), Some(task_id.clone()));
    }
    let queued = progress.queued.iter().filter(|instant| !schedule.queue.contains(instant)).collect::<Vec<_>>();
    schedule.queue = schedule.queue.iter().chain(queued).copied().collect();
    schedule.queue.retain(|instant| !progress.left_queue.contains(instant));
    // Another sweep may have begun since then.
    if progress.swept_as_of.is_some() && progress.swept_as_of == schedule.sweeping_as_of {
        schedule.sweeping_as_of = None;
    }
}

/// Counts the runs of a job that its record does not know of.
fn count_runs(progress: &Progress, schedule: &mut Schedule) {
    let Schedule { settled_until, queue, job: Some(job), .. } = schedule else { return };
    let settled_until = settled_until.as_millisecond();
    let is_new = |instant: &&i64| **instant > settled_until || queue.contains(*instant);
    job.runs += progress.runs.iter().filter(is_new).count() as u64;
}

#[cfg(test)]
mod tests;
