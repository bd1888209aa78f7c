//! The input of a schedule: the next attempt at a run is due.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{Answer, RecordKind};
use shared::step::{Claimable as _, Once};
use shared::table::Expression;

use crate::run::{self, STEP};
use crate::services::Services;
use crate::store::run::{RunRecord, Status};

/// The input of the schedule of a run's next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunDue {
    /// The run.
    run_id: String,
    /// For when the attempt was put off, in milliseconds since 1970.
    next_at_ms: i64,
}

/// Goes on with a run whose time has come; a second delivery answers again with what came of it.
pub(crate) async fn handle(services: &Services, due: &RunDue) -> Result<(), Error> {
    let change =
        Expression::new("SET #status = :processing").name("#status", "status").value(":processing", Status::Processing);
    let is_waiting = Expression::new("#status = :waiting AND nextAtMs = :next")
        .value(":waiting", Status::Waiting)
        .value(":next", due.next_at_ms);
    let work = |mut record: RunRecord| async {
        let ask =
            record.asked.take().ok_or_else(|| Error::new("go on with a run", "nobody knows what was asked for"))?;
        record.next_at_ms = None;
        Box::pin(run::go(services, &ask, record, STEP)).await
    };
    let once = Box::pin(services.runs.once_begun(&due.run_id, None, change, is_waiting, STEP.policy(), work)).await?;
    if matches!(once, Once::Missing) {
        tracing::warn!(run_id = due.run_id, "a run has been removed before its next attempt");
        return Ok(());
    }
    let Some(record) = once.done()? else { return Ok(()) };
    let answer = answer(services, &record).await?;
    let Some(origin) = record.origin.as_ref().filter(|_| record.status != Status::Waiting) else { return Ok(()) };
    services.bus.publish(vec![origin.finished(&answer, services.clock.now())]).await
}

/// Returns the answer to the step of a run; one that waits has its next attempt scheduled.
pub(crate) async fn answer(services: &Services, record: &RunRecord) -> Result<Answer, Error> {
    let named = |answer: Answer| answer.with_record(RecordKind::ActionRun, &record.action_run_id);
    if let Some(answer) = record.answer() {
        return Ok(named(answer.clone()));
    }
    let next_at_ms = record.next_at_ms.unwrap_or_default();
    let time = Timestamp::from_millisecond(next_at_ms).map_err(Error::cannot("read when a run goes on"))?;
    let run_id = record.action_run_id.clone();
    // The name makes a second schedule for the same attempt impossible.
    let name = format!("{run_id}-{next_at_ms}");
    services.scheduler.run_at(&name, time, &Due { run_due: RunDue { run_id, next_at_ms } }).await?;
    Ok(named(Answer::waiting()))
}

/// What tells this input from those of other schedules.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Due {
    pub(crate) run_due: RunDue,
}
