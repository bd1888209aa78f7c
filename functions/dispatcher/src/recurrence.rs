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

/// An occurrence of an event that came again after its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Occurrence {
    /// The id of its own.
    pub(crate) event_id: EventId,
    /// When it happened.
    pub(crate) time: Timestamp,
}

/// What an event is that has the id of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Again {
    /// It repeats this occurrence.
    Repetition(EventId),
    /// It is this very occurrence, delivered again, perhaps after a crash.
    Known(EventId),
    /// It is a new occurrence.
    New(Occurrence),
}

/// Tells a repetition of the latest occurrence from a new one.
fn again(envelope: &Envelope, first: Timestamp, later: &[Occurrence], window: SignedDuration) -> Again {
    let Envelope { id, time, .. } = envelope;
    if *time <= first {
        return Again::Repetition(id.clone());
    }
    if let Some(known) = later.iter().find(|known| known.time == *time) {
        return Again::Known(known.event_id.clone());
    }
    let (latest, began) = later.last().map_or((id, first), |latest| (&latest.event_id, latest.time));
    if time.duration_since(began) < window {
        return Again::Repetition(latest.clone());
    }
    let event_id = derived_uuid(&[id.as_str().as_bytes(), &time.as_millisecond().to_be_bytes()]);
    Again::New(Occurrence { event_id: EventId::new(event_id.to_string()), time: *time })
}

impl App {
    /// Takes an event whose id was there before; returns `false` if it is a repetition of the first one.
    pub(crate) async fn recur(&self, source: &str, envelope: &Envelope, first: &Receipt) -> Result<bool, Error> {
        let Some(window_s) = envelope.dedup_window_seconds else { return Ok(false) };
        let window = SignedDuration::from_secs(window_s.into());
        let began = first.event.envelope.time;
        if envelope.time <= began || envelope.time.duration_since(began) < window {
            return Ok(false);
        }
        for _ in 0..ATTEMPTS {
            let before = self.runs.occurrences(&envelope.id).await?;
            let event_id = match again(envelope, began, &before, window) {
                Again::Repetition(id) if id == envelope.id => return Ok(false),
                Again::Repetition(id) => {
                    self.resume(&id, self.clock.now()).await?;
                    return Ok(true);
                }
                Again::Known(event_id) => event_id,
                Again::New(occurrence) => {
                    let expires_at = self.kept_until(self.clock.now(), envelope);
                    if !self.runs.add_occurrence(&envelope.id, &before, &occurrence, expires_at).await? {
                        continue;
                    }
                    occurrence.event_id
                }
            };
            Box::pin(self.on_fact(source.to_owned(), renamed(envelope, event_id))).await?;
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

    fn check(seconds: i64, later: &[Occurrence], window_s: i64) -> Again {
        let id = EventId::new("e");
        let trace = Trace::start(&id);
        let (kind, tenant_id, content) = ("k".to_owned(), "t".to_owned(), json!({}));
        let envelope =
            Envelope { id, kind, tenant_id, time: at(seconds), content, trace, dedup_window_seconds: Some(0) };
        again(&envelope, at(100), later, SignedDuration::from_secs(window_s))
    }

    #[test]
    fn a_window_begins_with_each_occurrence() {
        let first = Again::Repetition(EventId::new("e"));
        assert_eq!((check(109, &[], 10), check(99, &[], 10)), (first.clone(), first));
        let Again::New(second) = check(110, &[], 10) else { panic!("the window is over") };
        assert_ne!(second.event_id, EventId::new("e"));
        assert_eq!(check(110, &[], 10), Again::New(second.clone()));
        let later = [second.clone()];
        assert_eq!(check(110, &later, 10), Again::Known(second.event_id.clone()));
        assert_eq!(check(119, &later, 10), Again::Repetition(second.event_id.clone()));
        let Again::New(third) = check(120, &later, 10) else { panic!("the window is over") };
        assert_ne!(third.event_id, second.event_id);
        let later = [second.clone(), third.clone()];
        assert_eq!(check(110, &later, 10), Again::Known(second.event_id), "a crash may bring it back late");
        assert_eq!(check(115, &later, 10), Again::Repetition(third.event_id));
    }

    #[test]
    fn without_a_window_only_the_same_delivery_is_a_repetition() {
        assert_eq!(check(100, &[], 0), Again::Repetition(EventId::new("e")));
        assert!(matches!(check(101, &[], 0), Again::New(_)));
    }
}
