//! `PutEvents`: entries of several callers in one request.

use std::sync::Arc;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::{BATCH_LIMIT, ENTRY_LIMIT_BYTES};
use crate::gather::{Failure, Requests};

/// An entry as it is sent.
pub(crate) struct Ready {
    pub(super) bus: Arc<str>,
    pub(super) source: String,
    pub(super) detail_type: String,
    pub(super) detail: Arc<str>,
}

impl Ready {
    fn request_entry(&self) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&*self.bus)
            .source(&self.source)
            .detail_type(&self.detail_type)
            .detail(&*self.detail)
            .build()
    }
}

/// What has become of an entry.
pub(crate) enum Outcome {
    Taken,
    /// The bus took its request but not this entry, for the reason that this code names.
    Refused(String),
    /// Its request failed.
    Failed(Failure),
}

/// The requests that put entries on the bus.
pub(crate) struct Entries(pub(crate) aws_sdk_eventbridge::Client);

impl Requests for Entries {
    type Part = Arc<Ready>;
    type Answer = Outcome;
    type Lane = ();

    // What a webhook waits for must not wait for what others publish.
    const FEW: usize = 8;
    const LIMIT: usize = BATCH_LIMIT;
    const LIMIT_BYTES: usize = ENTRY_LIMIT_BYTES;

    fn lane(_: &Arc<Ready>) {}

    fn size_bytes(entry: &Arc<Ready>) -> usize {
        entry.source.len() + entry.detail_type.len() + entry.detail.len()
    }

    fn clash(_: &Arc<Ready>, _: &Arc<Ready>) -> bool {
        false
    }

    async fn send(&self, entries: Vec<Arc<Ready>>) -> Vec<Outcome> {
        let request_entries = entries.iter().map(|entry| entry.request_entry()).collect();
        match self.0.put_events().set_entries(Some(request_entries)).send().await {
            Ok(answer) => {
                let mut results = answer.entries.unwrap_or_default().into_iter();
                // An entry of which nothing is said has not been taken.
                let unanswered = || Outcome::Refused("no answer".to_owned());
                let outcome = |_| {
                    results.next().map_or_else(unanswered, |result| match result.error_code {
                        Some(code) => Outcome::Refused(code),
                        None => Outcome::Taken,
                    })
                };
                entries.iter().map(outcome).collect()
            }
            Err(error) => {
                let failure = Failure::new(error);
                entries.iter().map(|_| Outcome::Failed(failure.clone())).collect()
            }
        }
    }
}
