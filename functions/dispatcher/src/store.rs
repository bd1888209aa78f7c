//! What this function keeps in DynamoDB: dispatchers, and the events with their runs.
//!
//! Bodies are kept as JSON text: smaller than DynamoDB's own maps, and any number or depth that JSON has fits.
//!
//! The partition of an event holds its record (`event`), one row per run (`run#<dispatcher>`) and, if it recurred, its
//! occurrences (`latest`): one query is the whole timeline. Rows that the sweeper must check are in the sparse index
//! `open`.

mod dispatcher;
mod event;
mod run;
mod subscription;

use shared::table::{Check, SealedAttributes};
use shared::{Environment, Error};

pub(crate) use dispatcher::{Dispatchers, WriteOutcome};
pub(crate) use event::{CONTENT_LIMIT, EventEntry, EventRecord, LIST_LIMIT, MatchOutcome};
pub(crate) use run::{OPEN_PARTITIONS, OpenRow};
pub(crate) use subscription::SUBSCRIPTION_LIMIT;

use event::Events;
use run::Runs;
use subscription::Subscriptions;

/// A run holds what its steps hand on, and an event may be about that.
const SEALED: SealedAttributes = SealedAttributes { key: &["eventId", "item"], paths: &[&["run"], &["envelope"]] };

/// A dispatcher may name what nobody else should know: the schema of a callback, the header of a call.
const SEALED_DISPATCHERS: SealedAttributes =
    SealedAttributes { key: &["pk", "dispatcherId"], paths: &[&["definition"]] };

/// The tables.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) dispatchers: Dispatchers,
    pub(crate) events: Events,
    pub(crate) runs: Runs,
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
            runs: Runs::new(runs),
        })
    }

    /// Returns how the tables are checked.
    pub(crate) fn checks(&self) -> [Check; 2] {
        [self.dispatchers.check(), self.events.check()]
    }
}
