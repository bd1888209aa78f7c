//! The records of calls, in `ACTION_RUNS_TABLE`: `actionRunId` is the record id of the step's attempt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{StepFinished, StepId};
use shared::table::{Expression, Table, is_new, key};
use shared::{Environment, Error};

/// One call, before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionRun {
    /// Derived from the step, so that a redelivered command finds it.
    pub(crate) action_run_id: String,
    /// When the latest attempt to make it began.
    pub(crate) started_at: Timestamp,
    /// Until when it is taken to be under way.
    pub(crate) lease_until: Timestamp,
    /// How it went, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<StepFinished>,
}

impl ActionRun {
    pub(crate) fn started(step: &StepId, started_at: Timestamp, lease_until: Timestamp) -> Self {
        Self { action_run_id: step.record_id(), started_at, lease_until, answer: None }
    }
}

pub(crate) struct Store {
    table: Table,
    retention_s: i64,
}

impl Store {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let retention_s = environment.config.retention_s()?;
        Ok(Self { table: environment.table("ACTION_RUNS_TABLE")?, retention_s })
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<ActionRun>, Error> {
        self.table.get(&key("actionRunId", id)).await
    }

    /// Records that the call is about to be made; returns whether this is the first to say so.
    pub(crate) async fn start(&self, run: &ActionRun) -> Result<bool, Error> {
        self.table.put_if(run, is_new("actionRunId")).await
    }

    /// Takes over a call whose lease is over; returns whether nobody else did.
    pub(crate) async fn take_over(&self, earlier: &ActionRun, run: &ActionRun) -> Result<bool, Error> {
        let unchanged = Expression::new("leaseUntil = :lease AND attribute_not_exists(answer)");
        self.table.put_if(run, unchanged.value(":lease", earlier.lease_until)).await
    }

    /// Records how the call went, unless that is recorded already.
    pub(crate) async fn finish(&self, run: &ActionRun, answer: &StepFinished, now: Timestamp) -> Result<(), Error> {
        let update = Expression::new("SET answer = :answer, expiresAt = :expires")
            .value(":answer", answer)
            .value(":expires", now.as_second() + self.retention_s);
        let open = Expression::new("attribute_not_exists(answer)");
        self.table.update::<Value>(&key("actionRunId", run.action_run_id.as_str()), update, Some(open)).await?;
        Ok(())
    }
}
