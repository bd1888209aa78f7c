//! Publishing on the event bus.

use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use crate::aws::Aws;
use crate::clock;
use crate::error::Error;
use crate::event::command::COMMAND_SOURCE;
use crate::event::step::{STEP_FINISHED, STEP_SOURCE};
use crate::event::{Answer, Envelope, EventId, EventType, StepError, StepFinished, StepId, StepRequested, Trace};

/// The size limit of one `PutEvents` request, which is also the most that one entry can have.
///
/// Source: Amazon EventBridge user guide, on calculating the size of a `PutEvents` entry.
pub const ENTRY_LIMIT_BYTES: usize = 256 * 1024;
/// The most entries in one `PutEvents` request.
pub const BATCH_LIMIT: usize = 10;

/// How often entries that the bus did not take are sent again, and the pause before the first repetition.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How many requests of one call are under way at once.
const CONCURRENT_REQUESTS: usize = 4;

/// One event as the bus takes it, known to fit.
#[derive(Debug, Clone)]
pub struct Entry {
    source: String,
    detail_type: String,
    detail: String,
}

/// An event that is larger than the bus takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event has {size_bytes} bytes, the bus takes {ENTRY_LIMIT_BYTES}")]
pub struct TooLarge {
    /// The size of the entry.
    pub size_bytes: usize,
}

impl Entry {
    /// Builds the entry of a fact.
    pub fn fact<C: Serialize>(source: &str, envelope: &Envelope<C>) -> Result<Self, TooLarge> {
        let entry = Self::unchecked(source, envelope);
        match entry.size_bytes() {
            size_bytes if size_bytes > ENTRY_LIMIT_BYTES => Err(TooLarge { size_bytes }),
            _ => Ok(entry),
        }
    }

    /// Builds the entry of a command; its depth is one more than the event's, and what the step causes has this budget.
    pub fn command(kind: EventType, request: &StepRequested, budget: u64) -> Result<Self, TooLarge> {
        let id = EventId::new(format!("{}-requested", request.id.record_id()));
        let event = &request.event;
        let envelope = Envelope::new(kind, id, event.tenant_id.clone(), event.time, request);
        Self::fact(COMMAND_SOURCE, &envelope.with_trace(Trace::dispatched_by(event, budget)))
    }

    /// Builds the entry of the answer to a command; an answer that is too large says so instead.
    pub fn step_finished<C>(step: &StepId, answer: &Answer, command: &Envelope<C>, now: jiff::Timestamp) -> Self {
        let build = |answer: Answer| {
            let id = EventId::new(format!("{}-finished", step.record_id()));
            let content = StepFinished { id: step.clone(), answer };
            let envelope = Envelope::new(STEP_FINISHED, id, command.tenant_id.clone(), clock::truncate(now), content);
            Self::unchecked(STEP_SOURCE, &envelope.with_trace(Trace::caused_by(command)))
        };
        let entry = build(answer.clone());
        if entry.size_bytes() <= ENTRY_LIMIT_BYTES {
            return entry;
        }
        let message = format!("the answer has {} bytes, the bus takes {ENTRY_LIMIT_BYTES}", entry.size_bytes());
        build(Answer::failed(StepError::invocation(StepError::OUTPUT_TOO_LARGE, message)))
    }

    fn unchecked<C: Serialize>(source: &str, envelope: &Envelope<C>) -> Self {
        // Every type that goes into an envelope has string keys and plain numbers, so that this cannot fail.
        let detail = serde_json::to_string(envelope).unwrap_or_default();
        Self { source: source.to_owned(), detail_type: envelope.kind.to_string(), detail }
    }

    /// Returns the envelope as JSON.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the size as EventBridge counts it, without a `Time`.
    pub fn size_bytes(&self) -> usize {
        self.source.len() + self.detail_type.len() + self.detail.len()
    }
}

/// The event bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: aws_sdk_eventbridge::Client,
    name: String,
}

impl Bus {
    /// Returns the bus of this name.
    pub fn new(aws: &Aws, name: &str) -> Self {
        Self { client: aws.eventbridge.clone(), name: name.to_owned() }
    }

    /// Publishes the entries; every one is durable when this returns `Ok`.
    ///
    /// An error means that at least one entry was not taken after several attempts; others may have been, so the caller
    /// publishes all of them again.
    pub async fn publish(&self, entries: Vec<Entry>) -> Result<(), Error> {
        stream::iter(batches(entries).into_iter().map(|batch| self.put(batch)))
            .buffer_unordered(CONCURRENT_REQUESTS)
            .try_collect()
            .await
    }

    /// Puts one batch, and then what was left of it, until nothing is left.
    async fn put(&self, mut entries: Vec<Entry>) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        let mut reasons = String::new();
        for attempt in 1..=ATTEMPTS {
            let failed = self.put_once(&entries).await?;
            if failed.is_empty() {
                return Ok(());
            }
            reasons = failed.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>().join(", ");
            let mut index = 0;
            let mut failed = failed.into_iter().map(|(index, _)| index).peekable();
            entries.retain(|_| {
                index += 1;
                failed.next_if_eq(&(index - 1)).is_some()
            });
            if attempt < ATTEMPTS {
                tokio::time::sleep(pause).await;
                pause *= 4;
            }
        }
        Err(Error::new(format!("publish {} events", entries.len()), reasons))
    }

    /// Puts the entries once and returns the index and error code of each that was not taken, in order.
    async fn put_once(&self, entries: &[Entry]) -> Result<Vec<(usize, String)>, Error> {
        let answer = self
            .client
            .put_events()
            .set_entries(Some(entries.iter().map(|entry| self.request_entry(entry)).collect()))
            .send()
            .await
            .map_err(Error::cannot("publish events"))?;
        if answer.failed_entry_count() == 0 {
            return Ok(Vec::new());
        }
        let results = answer.entries().iter().enumerate();
        Ok(results.filter_map(|(index, result)| Some((index, result.error_code()?.to_owned()))).collect())
    }

    fn request_entry(&self, entry: &Entry) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&entry.source)
            .detail_type(&entry.detail_type)
            .detail(&entry.detail)
            .build()
    }
}

/// Splits entries into requests that keep to both limits of `PutEvents`.
fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut batch_bytes = 0;
    for entry in entries {
        let size_bytes = entry.size_bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_LIMIT && batch_bytes + size_bytes <= ENTRY_LIMIT_BYTES => {
                batch.push(entry);
                batch_bytes += size_bytes;
            }
            _ => {
                batches.push(vec![entry]);
                batch_bytes = size_bytes;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DispatcherId, TenantId};
    use proptest::prelude::*;

    fn entry(size_bytes: usize) -> Entry {
        Entry { source: String::new(), detail_type: String::new(), detail: "x".repeat(size_bytes) }
    }

    fn answer(output_bytes: usize) -> (StepId, Answer, Envelope<()>) {
        let (event_id, dispatcher_id) = (EventId::new("e"), DispatcherId::new("d"));
        let step = StepId { event_id: event_id.clone(), dispatcher_id, step: "s".to_owned(), attempt: 1 };
        let kind = EventType::known("http.requested");
        let command = Envelope::new(kind, event_id, TenantId::new("t"), jiff::Timestamp::UNIX_EPOCH, ());
        (step, Answer { output: Some("x".repeat(output_bytes).into()), ..Answer::waiting() }, command)
    }

    #[test]
    fn an_entry_over_the_limit_is_refused() {
        let (_, answer, command) = answer(ENTRY_LIMIT_BYTES);
        let fact = |answer: &Answer| {
            let kind = command.kind.clone();
            Entry::fact(
                "s",
                &Envelope::new(kind, command.id.clone(), command.tenant_id.clone(), command.time, answer.clone()),
            )
        };
        assert!(fact(&Answer::waiting()).is_ok());
        assert!(fact(&answer).unwrap_err().size_bytes > ENTRY_LIMIT_BYTES);
    }

    #[test]
    fn an_answer_over_the_limit_says_so() {
        let detail = |output_bytes| {
            let (step, answer, command) = answer(output_bytes);
            Entry::step_finished(&step, &answer, &command, command.time).detail().to_owned()
        };
        assert!(detail(100).contains("xxx"));
        let too_large = detail(ENTRY_LIMIT_BYTES);
        assert!(too_large.contains("OutputTooLarge") && too_large.contains(r#""step":"s""#), "{too_large}");
    }

    #[test]
    fn an_entry_shows_its_envelope() {
        assert_eq!(entry(3).detail(), "xxx");
    }

    #[test]
    fn a_hundred_small_entries_are_ten_requests() {
        assert_eq!(batches(vec![entry(100); 100]).len(), 10);
    }

    proptest! {
        #[test]
        fn batches_keep_order_and_both_limits(sizes in prop::collection::vec(0usize..=ENTRY_LIMIT_BYTES / 3, 0..40)) {
            let batches = batches(sizes.iter().map(|size| entry(*size)).collect());
            for batch in &batches {
                prop_assert!(!batch.is_empty() && batch.len() <= BATCH_LIMIT);
                prop_assert!(batch.iter().map(Entry::size_bytes).sum::<usize>() <= ENTRY_LIMIT_BYTES);
            }
            let kept: Vec<usize> = batches.iter().flatten().map(Entry::size_bytes).collect();
            prop_assert_eq!(kept, sizes);
        }
    }
}
