//! The records of calls, in `ACTION_RUNS_TABLE` beside those of runs: `actionRunId` is the record id of the step's attempt.

pub(crate) mod app;
pub(crate) mod cache;
pub(crate) mod catalog;
pub(crate) mod circuit;
pub(crate) mod credential;
mod json_text;
pub(crate) mod owner;
pub(crate) mod product;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod session;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{Answer, StepError, StepId};
use shared::seal::Resealed;
use shared::step::{Claim, ClaimStore, Claimable};
use shared::table::{Check, SealedAttributes, Table};
use shared::{Environment, Error};

use crate::store::run::RunRecord;

/// The answer is what the step hands on; the rest is what a run was asked for, and what it has sent and got.
const SEALED: SealedAttributes = SealedAttributes {
    key: &[CallRecord::KEY],
    apart: &[],
    together: &[&["claim", "answer"], &["asked"], &["detail"]],
};

/// One call, before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallRecord {
    action_run_id: String,
    claim: Option<Claim>,
    /// When the record is removed, in seconds since 1970.
    expires_at: i64,
}

impl CallRecord {
    /// Describes the call of a step's attempt.
    pub(crate) fn new(step: &StepId, expires_at: i64) -> Self {
        Self { action_run_id: step.record_id(), claim: None, expires_at }
    }
}

impl Claimable for CallRecord {
    const KEY: &'static str = "actionRunId";

    fn id(&self) -> &str {
        &self.action_run_id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn conclude_unknown(&mut self, _: Timestamp) {
        let message = "the call was interrupted; whether the server got it is not known";
        self.answer_with(Answer::failed(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)));
    }
}

/// The table of calls.
pub(crate) struct Calls {
    table: Table,
    retention_s: i64,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    let table = environment.sealed_table("ACTION_RUNS_TABLE", &SEALED)?;
    Ok(table.check(|item: Value| {
        let read = match item.get("detail") {
            Some(_) => RunRecord::deserialize(item).map(drop),
            None => CallRecord::deserialize(item).map(drop),
        };
        read.map_err(Error::cannot("read the record of a call"))
    }))
}

impl Calls {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let table = environment.sealed_table("ACTION_RUNS_TABLE", &SEALED)?;
        Ok(Self { table, retention_s: environment.config.retention_s()? })
    }

    /// Seals a batch of records with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    /// When the record of a call that is made now is removed, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }
}

impl ClaimStore for Calls {
    type Record = CallRecord;

    fn table(&self) -> &Table {
        &self.table
    }
}
