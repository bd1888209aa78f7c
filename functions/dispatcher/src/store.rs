//! What this function keeps in DynamoDB: dispatchers, and the events with their runs.
//!
//! Bodies are kept as JSON text: smaller than DynamoDB's own maps, and any number or depth that JSON has fits.
//!
//! The partition of an event holds its record (`event`), one row per run (`run#<dispatcher>`) and, if it recurred, its
//! occurrences (`latest`): one query is the whole timeline. Rows that the sweeper must check are in the sparse index
//! `open`.

mod dispatcher;
mod event;
mod row;
mod run;

pub(crate) use dispatcher::{Dispatchers, WriteOutcome};
pub(crate) use event::{EventRecord, Events, MatchOutcome};
pub(crate) use row::OpenRow;
pub(crate) use run::Runs;
