//! What comes again after its time: the same id, but no repetition any more.
//!
//! An event may say for how long another one of its id is a repetition of it. After that the next one is a new
//! occurrence with an id of its own, which follows from the first id and its time, and whose window begins anew. The
//! first event keeps the latest occurrence, so that it is found under the id that the sender was told.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::clock::derived_uuid;
use shared::event::{Envelope, EventId, Trace};

use crate::App;
use crate::store::Receipt;

/// How often a claim is tried again when another one came first.
const ATTEMPTS: u32 = 5;

/// The latest occurrence of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Occurrence {
    /// The id of its own.
    pub(crate) event_id: EventId,
    /// When it happened.
    pub(crate) time: Timestamp,
}

/// What an event is that has the id of an earlier one.
#[derive(Debug, PartialEq, Eq)]
enum Again {
    /// It repeats this occurrence.
    Repetition(EventId),
    /// It is this very occurrence, perhaps after a crash.
    Known(Occurrence),
    /// It is a new occurrence.
    New(Occurrence),
}

/// Tells a repetition of the latest occurrence from a new one.
fn again(envelope: &Envelope, latest: &Occurrence, window: SignedDuration) -> Again {
    let Envelope { id, time, .. } = envelope;
    if *time == latest.time && latest.event_id != *id {
        return Again::Known(latest.clone());
    }
    if time.duration_since(latest.time) < window {
        return Again::Repetition(latest.event_id.clone());
    }
    let event_id = derived_uuid(&[id.as_str().as_bytes(), &time.as_millisecond().to_be_bytes()]);
    Again::New(Occurrence { event_id: EventId::new(event_id.to_string()), time: *time })
}

impl App {
    /// Takes an event whose id was there before; returns `false` if it is a repetition of the first one.
    pub(crate) async fn recur(&self, source: &str, envelope: &Envelope, first: &Receipt) -> Result<bool, Error> {
        let Some(window_s) = envelope.dedup_window_seconds else { return Ok(false) };
        let window = SignedDuration::from_secs(window_s.into());
        if envelope.time.duration_since(first.event.envelope.time) < window {
            return Ok(false);
        }
        for _ in 0..ATTEMPTS {
            let known = self.runs.latest(&envelope.id).await?;
            let time = first.event.envelope.time;
            let latest = known.clone().unwrap_or_else(|| Occurrence { event_id: envelope.id.clone(), time });
            let occurrence = match again(envelope, &latest, window) {
                Again::Repetition(id) if id == envelope.id => return Ok(false),
                Again::Repetition(id) => {
                    self.resume(&id, self.clock.now()).await?;
                    return Ok(true);
                }
                Again::Known(occurrence) => occurrence,
                Again::New(occurrence) => {
                    if !self.runs.set_latest(&envelope.id, &occurrence, known.as_ref(), first.expires_at).await? {
                        continue;
                    }
                    occurrence
                }
            };
            Box::pin(self.on_fact(source.to_owned(), renamed(envelope, occurrence.event_id))).await?;
            return Ok(true);
        }
        Err(Error::new("find the latest occurrence of an event", "other ones came first each time"))
    }
}

/// Returns the event under the id of its occurrence, which repeats nothing.
fn renamed(envelope: &Envelope, id: EventId) -> Envelope {
    let trace = Trace { correlation_id: id.to_string(), ..Trace::caused_by(envelope) };
    Envelope { id, trace, dedup_window_seconds: None, ..envelope.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_window_begins_with_each_occurrence() {
        let envelope = |seconds| {
            let id = EventId::new("e");
            let trace = Trace::start(&id);
            let kind = "k".to_owned();
            let content = json!({});
            let tenant_id = "t".to_owned();
            Envelope { id, kind, tenant_id, time: at(seconds), content, trace, dedup_window_seconds: Some(10) }
        };
        let check = |seconds, latest: &Occurrence| again(&envelope(seconds), latest, SignedDuration::from_secs(10));
        let first = Occurrence { event_id: EventId::new("e"), time: at(100) };
        assert_eq!(check(109, &first), Again::Repetition(first.event_id.clone()));
        let Again::New(second) = check(110, &first) else { panic!("the window is over") };
        assert_ne!(second.event_id, first.event_id);
        assert_eq!(check(110, &first), Again::New(second.clone()));
        assert_eq!(check(110, &second), Again::Known(second.clone()));
        assert_eq!(check(119, &second), Again::Repetition(second.event_id.clone()));
        assert!(matches!(check(120, &second), Again::New(third) if third.event_id != second.event_id));
    }
}
