//! The vocabulary of the bus: every event that one function sends and another reads.
//!
//! A *fact* ([`fact`]) says that something happened and starts dispatchers. A *command* ([`command`]) asks one function
//! to do one step of a run and never starts a dispatcher. `step.finished` ([`step`]) answers a command, and only the
//! dispatcher listens to it.

pub mod command;
pub mod fact;
pub mod step;

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::json::foreign;
pub use step::{
    Answer, FailedResponse, RecordKind, STEP_OUTPUT_LIMIT_BYTES, StepError, StepFinished, StepId, StepRecord,
    StepRequested, StepStatus,
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text of an id.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// Returns the text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Names an event; the same delivery of a webhook always gets the same one.
    EventId
);
id!(
    /// Names a dispatcher: 24 hex digits.
    DispatcherId
);
id!(
    /// Names a channel.
    ChannelId
);
id!(
    /// Names a tenant: the customer or environment to which a record belongs.
    TenantId
);

impl TenantId {
    /// The tenant of the administrator, unless a request names another.
    pub const DEFAULT: &str = "default";
    /// What a text must be to name a tenant.
    pub const RULE: &str = "must have 1 to 128 printable characters other than `#` and `,`";

    /// Checks that a text can name a tenant.
    ///
    /// `#` separates it from what follows in the keys of records, and gateways join repeated headers by commas.
    pub fn parse(text: &str) -> Option<Self> {
        let is_length = (1..=128).contains(&text.chars().count());
        (is_length && !text.chars().any(|char| char.is_control() || matches!(char, '#' | ','))).then(|| Self::new(text))
    }

    /// Returns the text of a key that belongs to this tenant alone.
    pub fn key(&self, rest: &str) -> String {
        format!("{self}#{rest}")
    }
}

/// The type of an event, such as `message.received`.
///
/// It starts with a letter or digit and has up to 128 letters, digits and `._:/-`; EventBridge takes no longer detail
/// type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String)]
pub struct EventType(Cow<'static, str>);

/// What a text must be to name the type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must start with a letter or digit and have up to 128 letters, digits and `._:/-`")]
pub struct InvalidEventType;

impl EventType {
    /// Names one of our own types, which are known to follow the grammar.
    pub const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Checks that a text can name the type of an event.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidEventType> {
        let text = text.into();
        let is_start = text.starts_with(|char: char| char.is_ascii_alphanumeric());
        let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
        if is_start && text.bytes().all(is_rest) && text.len() <= 128 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidEventType)
        }
    }

    /// Tells whether it is the type of a command or of an answer to one, which never starts a dispatcher.
    pub fn is_reserved(&self) -> bool {
        [command::TASK_DUE, command::SCHEDULE_DUE, step::STEP_FINISHED].contains(self) || self.0.ends_with(".requested")
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventType {
    type Error = InvalidEventType;

    fn try_from(text: String) -> Result<Self, InvalidEventType> {
        Self::parse(text)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every event on the bus looks like: the `detail`, whose `type` equals the entry's detail type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<C = Value> {
    /// The id of the event.
    pub id: EventId,
    /// What happened or is asked for, such as `webhook.received`.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The tenant that the event belongs to.
    pub tenant_id: TenantId,
    /// When it happened.
    #[serde(with = "crate::clock::iso")]
    pub time: Timestamp,
    /// What the event is about.
    pub content: C,
    /// Where the event came from.
    pub trace: Trace,
    /// For how many seconds after `time` another event of this id is a repetition of this one; forever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_window_seconds: Option<u32>,
    /// The event that this one repeats, if it is a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<ReplayOf>,
}

/// The event that another one repeats because somebody asked for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayOf {
    /// The event that is repeated.
    pub event_id: EventId,
    /// The only dispatcher that it is repeated for; all that match if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatcher_id: Option<DispatcherId>,
}

/// Where an event came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The id of the first event of this chain, or of the task or the request that it began with.
    pub correlation_id: String,
    /// The id of the event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// How many dispatches, and tasks that scripts have started, led here.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub depth: u32,
    /// How many events and steps it may still cause; as many as a first event may if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

impl Trace {
    /// The deepest chain of dispatches that still runs; past it the dispatcher records `loop_detected`.
    pub const MAX_DEPTH: u32 = 16;

    /// Starts a chain at an event.
    pub fn start(id: &EventId) -> Self {
        Self { correlation_id: id.to_string(), causation_id: None, depth: 0, budget: None }
    }

    /// Continues the chain of the event that caused what follows, at the same depth.
    pub fn caused_by<C>(cause: &Envelope<C>) -> Self {
        Self {
            correlation_id: cause.trace.correlation_id.clone(),
            causation_id: Some(cause.id.to_string()),
            depth: cause.trace.depth,
            budget: cause.trace.budget,
        }
    }

    /// Continues the chain of an event that is dispatched, one deeper, with a share of its budget.
    pub fn dispatched_by<C>(event: &Envelope<C>, budget: u64) -> Self {
        Self { depth: event.trace.depth + 1, budget: Some(budget), ..Self::caused_by(event) }
    }
}

impl<C> Envelope<C> {
    /// Builds an event that starts a chain of its own.
    pub fn new(kind: EventType, id: EventId, tenant_id: TenantId, time: Timestamp, content: C) -> Self {
        let trace = Trace::start(&id);
        Self { id, kind, tenant_id, time, content, trace, dedup_window_seconds: None, replay_of: None }
    }

    /// Makes the event part of a chain.
    #[must_use]
    pub fn with_trace(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// Returns the event without what it is about.
    pub fn without_content(&self) -> Envelope<()> {
        let mut envelope = self.with_content(());
        (envelope.dedup_window_seconds, envelope.replay_of) = (None, None);
        envelope
    }

    /// Turns what the event is about into something else.
    pub fn map_content<D>(self, turn: impl FnOnce(C) -> D) -> Envelope<D> {
        let Self { id, kind, tenant_id, time, content, trace, dedup_window_seconds, replay_of } = self;
        Envelope { id, kind, tenant_id, time, content: turn(content), trace, dedup_window_seconds, replay_of }
    }

    /// Returns the event with another content.
    pub(crate) fn with_content<D>(&self, content: D) -> Envelope<D> {
        Envelope {
            id: self.id.clone(),
            kind: self.kind.clone(),
            tenant_id: self.tenant_id.clone(),
            time: self.time,
            content,
            trace: self.trace.clone(),
            dedup_window_seconds: self.dedup_window_seconds,
            replay_of: self.replay_of.clone(),
        }
    }
}

/// An event as it came from the bus: its content is text until somebody looks inside.
pub type Received = Envelope<Box<RawValue>>;

impl Received {
    /// Reads the content as what its type says.
    pub fn content<C: DeserializeOwned>(&self) -> Result<C, Error> {
        serde_json::from_str(self.content.get()).map_err(self.unreadable())
    }

    /// Reads the content, whatever it says, as everybody reads it who gets it from here.
    pub fn value(&self) -> Result<Value, Error> {
        foreign(self.content.get().as_bytes()).map_err(self.unreadable())
    }

    fn unreadable(&self) -> impl FnOnce(serde_json::Error) -> Error {
        |cause| Error::new(format!("read the content of {} {}", self.kind, self.id), cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_envelope_looks_as_documented() {
        let time = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let kind = EventType::known("a.happened");
        let envelope = Envelope::new(kind, EventId::new("e1"), TenantId::new("t"), time, json!({"n": 1}));
        let expected = json!({
            "id": "e1", "type": "a.happened", "tenantId": "t", "time": "2026-01-02T03:04:05.678Z",
            "content": {"n": 1}, "trace": {"correlationId": "e1", "depth": 0},
        });
        assert_eq!(serde_json::to_value(&envelope).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Envelope>(expected).unwrap(), envelope);
        assert_eq!(
            Trace::dispatched_by(&envelope, 7),
            Trace { correlation_id: "e1".to_owned(), causation_id: Some("e1".to_owned()), depth: 1, budget: Some(7) }
        );
        let command = Envelope { trace: Trace::dispatched_by(&envelope, 7), ..envelope.clone() };
        assert_eq!(Trace::caused_by(&command).budget, Some(7));
        assert_eq!(Trace::caused_by(&envelope).depth, 0);
    }

    #[test]
    fn a_type_of_events_follows_its_grammar() {
        let check = |text: &str, expected| assert_eq!(EventType::parse(text).is_ok(), expected, "{text}");
        check("message.received", true);
        check("user_deleted", true);
        check("0a:b/c-d", true);
        check(&"a".repeat(128), true);
        check(&"a".repeat(129), false);
        check("", false);
        check("#id", false);
        check(".a", false);
        check("a b", false);
        check("ä", false);
        assert!(serde_json::from_value::<EventType>(json!("#id")).is_err());
    }

    #[test]
    fn a_tenant_cannot_reach_into_the_keys_of_another() {
        let check = |text: &str, expected| assert_eq!(TenantId::parse(text).is_some(), expected, "{text}");
        check("acme", true);
        check("Acme Ltd.", true);
        check("a#b", false);
        check("a,b", false);
        check("", false);
        check("a\nb", false);
        check(&"a".repeat(129), false);
        assert_eq!(TenantId::new("acme").key("a.b"), "acme#a.b");
    }
}
