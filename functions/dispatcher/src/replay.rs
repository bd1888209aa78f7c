//! A replay: an event happens again, as a new one that says what it repeats.

use jiff::Timestamp;
use shared::bus::{Entry, TooLarge};
use shared::event::fact::{CUSTOM_SOURCE, WEBHOOK_SOURCE};
use shared::event::{DispatcherId, EventId, Received, ReplayOf, Trace};

use crate::store::EventRecord;

/// Builds the event that repeats another one, for all dispatchers or for just one.
///
/// It belongs to the chain of the event, and may cause as much as that one could.
pub(crate) fn replayed(
    record: &EventRecord,
    id: EventId,
    dispatcher_id: Option<DispatcherId>,
    now: Timestamp,
) -> Received {
    let event = &record.event.envelope;
    let replay_of = Some(ReplayOf { event_id: event.id.clone(), dispatcher_id });
    let trace = Trace::caused_by(event);
    Received { id, time: now, trace, dedup_window_seconds: None, replay_of, ..event.clone() }
}

/// Builds the entry of an event that repeats another one, from the source of that one.
///
/// What a client or a platform has sent can be read on the bus; anything else may hand on what a step knew, and is
/// sealed there.
pub(crate) fn entry(source: &str, event: &Received) -> Result<Entry, TooLarge> {
    match source {
        CUSTOM_SOURCE | WEBHOOK_SOURCE => Entry::fact(source, event),
        _ => Entry::sealed(source, event),
    }
}
