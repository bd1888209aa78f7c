//! What this function keeps in DynamoDB: dispatchers, and the events with their runs.
//!
//! Bodies are kept as JSON text: smaller than DynamoDB's own maps, and any number or depth that JSON has fits.
//!
//! The partition of an event holds its record (`event`), one row per run (`run#<dispatcher>`) and, if it recurred, its
//! occurrences (`latest`), what replays it (`replay#<event>`) and what was asked for under its idempotency key (`request`):
//! one query is the whole timeline. The bulk retries of a
//! tenant (`retry#<id>`) are in a partition of their own. Rows that the sweeper must check are in the sparse index
//! `open`; lists of runs are made of two others.

mod dispatcher;
mod event;
mod gather;
mod retry;
mod run;
mod subscription;

use shared::table::{Check, SealedAttributes};
use shared::{Environment, Error};

pub(crate) use dispatcher::{DispatcherEntry, Dispatchers, WriteOutcome};
pub(crate) use event::{EventEntry, EventRecord, Events, MatchOutcome, NAMED_RUNS};
pub(crate) use retry::BULK_LIMIT;
pub(crate) use run::{OPEN_PARTITIONS, OpenRow, RunEntry, RunKind, RunPlace, Runs};
pub(crate) use subscription::SUBSCRIPTION_LIMIT;

use retry::Retries;
use subscription::Subscriptions;

/// A run holds what its steps hand on, an event may be about that, and a bulk retry names the errors of runs.
const SEALED: SealedAttributes =
    SealedAttributes { key: &["eventId", "item"], apart: &[&["run"], &["envelope"], &["bulk"]], together: &[] };

/// A dispatcher may name what nobody else should know: the schema of a callback, the header of a call.
const SEALED_DISPATCHERS: SealedAttributes =
    SealedAttributes { key: &["pk", "dispatcherId"], apart: &[&["definition"]], together: &[] };

/// The tables.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) dispatchers: Dispatchers,
    pub(crate) events: Events,
    pub(crate) runs: Runs,
    pub(crate) retries: Retries,
    pub(crate) subscriptions: Subscriptions,
}

impl Store {
    /// Opens the tables that `DISPATCHERS_TABLE` and `RUNS_TABLE` name.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let retention = environment.config.retention_s()?;
        let runs = environment.sealed_table("RUNS_TABLE", &SEALED)?;
        let dispatchers = environment.sealed_table("DISPATCHERS_TABLE", &SEALED_DISPATCHERS)?;
        Ok(Self {
            dispatchers: Dispatchers::new(dispatchers.clone()),
            subscriptions: Subscriptions::new(dispatchers),
            events: Events::new(runs.clone(), retention),
            retries: Retries::new(runs.clone(), retention),
            runs: Runs::new(runs),
        })
    }

    /// Returns how the tables are checked.
    pub(crate) fn checks(&self) -> [Check; 2] {
        [self.dispatchers.check(), self.events.check()]
    }
}
