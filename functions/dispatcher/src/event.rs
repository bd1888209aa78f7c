//! An event as this function uses it, and events that recur: the same id again, but after its deduplication window.
//!
//! An event may say for how long another one of its id is a duplicate of it. After that the next one is a new occurrence
//! with an id of its own, which derives from the first id and its time, and whose window starts anew. The first event
//! keeps the latest occurrences, so that they are found under the id that the sender was told.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use shared::Error;
use shared::clock::derived_uuid;
use shared::event::fact::check_published;
use shared::event::{ChannelId, DispatcherId, Envelope, EventId, Received, Trace};
use utoipa::ToSchema;

/// The fields of an event, as filters and templates see them.
#[rustfmt::skip]
pub(crate) const ENVELOPE_FIELDS: [&str; 8] = [
    "id", "type", "tenantId", "time", "content", "trace", "dedupWindowSeconds", "replayOf",
];

/// An event in two forms: with its content as text for records and commands, as JSON for patterns and templates.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) envelope: Received,
    pub(crate) value: Value,
}

impl Event {
    /// Wraps an envelope, whose content is written once for all who hand it on.
    pub(crate) fn new(envelope: Envelope) -> Self {
        // A value can always be written.
        let text = to_raw_value(&envelope.content).unwrap_or_default();
        let mut content = Value::Null;
        let head = envelope.map_content(|it| content = it);
        let mut value = json!(head);
        value["content"] = content;
        Self { envelope: head.map_content(|()| text), value }
    }

    /// Reads an event that came from the bus.
    pub(crate) fn read(envelope: Received) -> Result<Self, Error> {
        let content = envelope.value()?;
        Ok(Self::new(envelope.map_content(|_| content)))
    }

    /// Returns what the event is about.
    pub(crate) fn content(&self) -> &Value {
        &self.value["content"]
    }

    /// Returns the envelope with its content as JSON.
    pub(crate) fn into_envelope(mut self) -> Envelope {
        let content = self.value["content"].take();
        self.envelope.map_content(|_| content)
    }

    /// Returns the channel that a fact of our own says it came from; what others publish can say anything.
    pub(crate) fn channel_id(&self) -> Option<ChannelId> {
        let is_own = check_published(&self.envelope.kind).is_err();
        let channel_id = self.content().get("channelId")?.as_str()?;
        is_own.then(|| ChannelId::new(channel_id))
    }
}

/// An occurrence of an event after the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Occurrence {
    /// Its own id.
    pub(crate) event_id: EventId,
    /// When it happened.
    #[serde(with = "shared::clock::iso")]
    pub(crate) time: Timestamp,
}

/// Another event that repeats this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replay {
    /// Its id.
    pub(crate) event_id: EventId,
    /// When it was asked for.
    #[serde(with = "shared::clock::iso")]
    pub(crate) time: Timestamp,
    /// The only dispatcher that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dispatcher_id: Option<DispatcherId>,
}

/// What an event is that has the id of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recurrence {
    /// It is a duplicate of this occurrence.
    Duplicate(EventId),
    /// It is this very occurrence, delivered again, perhaps after a crash.
    Redelivered(EventId),
    /// It is a new occurrence.
    New(Occurrence),
}

impl Recurrence {
    /// Compares an event with the time of the first one of its id and with the occurrences since, the newest last.
    pub(crate) fn of<C>(
        envelope: &Envelope<C>,
        first: Timestamp,
        later: &[Occurrence],
        window: SignedDuration,
    ) -> Self {
        let Envelope { id, time, .. } = envelope;
        if *time <= first {
            return Self::Duplicate(id.clone());
        }
        if let Some(known) = later.iter().find(|known| known.time == *time) {
            return Self::Redelivered(known.event_id.clone());
        }
        let (latest, started) = later.last().map_or((id, first), |latest| (&latest.event_id, latest.time));
        if time.duration_since(started) < window {
            return Self::Duplicate(latest.clone());
        }
        let event_id = derived_uuid(&[id.as_str().as_bytes(), &time.as_millisecond().to_be_bytes()]);
        Self::New(Occurrence { event_id: EventId::new(event_id.to_string()), time: *time })
    }
}

/// Returns the event under the id of its occurrence, of which nothing is a duplicate for a time only.
pub(crate) fn renamed(envelope: &Received, id: EventId) -> Received {
    let trace = Trace { correlation_id: id.to_string(), ..Trace::caused_by(envelope) };
    Envelope { id, trace, dedup_window_seconds: None, ..envelope.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::{EventType, TenantId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn check(seconds: i64, later: &[Occurrence], window_s: i64) -> Recurrence {
        let kind = EventType::known("k");
        let envelope = Envelope::new(kind, EventId::new("e"), TenantId::new("t"), at(seconds), json!({}));
        Recurrence::of(&envelope, at(100), later, SignedDuration::from_secs(window_s))
    }

    #[test]
    fn an_event_is_handed_on_in_one_form_whoever_wrote_it() {
        let read = |content: &str| {
            let head = r#""id": "e", "type": "k", "tenantId": "t", "time": "1970-01-01T00:00:00Z""#;
            let text = format!(r#"{{{head}, "content": {content}, "trace": {{"correlationId": "e", "depth": 0}}}}"#);
            Event::read(serde_json::from_str(&text).unwrap())
        };
        let event = read(r#"{ "b" : 1.50, "a" : [ 1 ] }"#).unwrap();
        assert_eq!(event.envelope.content.get(), r#"{"a":[1],"b":1.5}"#);
        assert_eq!((event.content(), &event.value), (&json!({"a": [1], "b": 1.5}), &json!(event.envelope)));
        assert_eq!(json!(event.clone().into_envelope()), event.value);
        assert!(read("1e400").is_err(), "no value has this number");
        assert!(read(r#"[{"$serde_json::private::RawValue": "1"}]"#).is_err(), "a reader would take it for 1");
    }

    #[test]
    fn a_window_begins_with_each_occurrence() {
        let first = Recurrence::Duplicate(EventId::new("e"));
        assert_eq!((check(109, &[], 10), check(99, &[], 10)), (first.clone(), first));
        let Recurrence::New(second) = check(110, &[], 10) else { panic!("the window is over") };
        assert_ne!(second.event_id, EventId::new("e"));
        assert_eq!(check(110, &[], 10), Recurrence::New(second.clone()));
        let later = [second.clone()];
        assert_eq!(check(110, &later, 10), Recurrence::Redelivered(second.event_id.clone()));
        assert_eq!(check(119, &later, 10), Recurrence::Duplicate(second.event_id.clone()));
        let Recurrence::New(third) = check(120, &later, 10) else { panic!("the window is over") };
        assert_ne!(third.event_id, second.event_id);
        let later = [second.clone(), third.clone()];
        assert_eq!(check(110, &later, 10), Recurrence::Redelivered(second.event_id), "a crash may bring it back late");
        assert_eq!(check(115, &later, 10), Recurrence::Duplicate(third.event_id));
    }

    #[test]
    fn without_a_window_only_the_same_delivery_is_a_duplicate() {
        assert_eq!(check(100, &[], 0), Recurrence::Duplicate(EventId::new("e")));
        assert!(matches!(check(101, &[], 0), Recurrence::New(_)));
    }
}
