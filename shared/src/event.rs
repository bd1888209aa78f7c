//! The vocabulary of the bus: every event that one function sends and another reads.
//!
//! A *fact* says that something happened and starts dispatchers. A *command* asks one function to do one step of a run
//! and never starts a dispatcher. `step.finished` answers a command, and only the dispatcher listens to it.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock;
use crate::error::Error;

/// The source of commands.
pub const COMMAND_SOURCE: &str = "hookyard.command";
/// The source of answers to commands.
pub const STEP_SOURCE: &str = "hookyard.step";
/// The source of events that a client published through the API.
pub const CUSTOM_SOURCE: &str = "hookyard.custom";
/// The longest output of a step, in bytes of JSON; a run row holds several and DynamoDB takes 400 KB in all.
pub const STEP_OUTPUT_LIMIT_BYTES: usize = 128 * 1024;

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

/// What every event on the bus looks like: the `detail`, whose `type` equals the entry's detail type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<C = Value> {
    /// The id of the event.
    pub id: EventId,
    /// What happened or is asked for, such as `webhook.received`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The tenant that the event belongs to.
    pub tenant_id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// What the event is about.
    pub content: C,
    /// Where the event came from.
    pub trace: Trace,
    /// For how many seconds after `time` another event of this id is a repetition of this one; forever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_window_seconds: Option<u32>,
}

/// Where an event came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The id of the first event of this chain.
    pub correlation_id: String,
    /// The id of the event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// How many dispatches led here.
    pub depth: u32,
}

impl Trace {
    /// The deepest chain of dispatches that still runs; past it the dispatcher records `loop_detected`.
    pub const MAX_DEPTH: u32 = 16;

    /// Starts a chain at an event.
    pub fn start(id: &EventId) -> Self {
        Self { correlation_id: id.to_string(), causation_id: None, depth: 0 }
    }

    /// Continues the chain of the event that caused what follows, at the same depth.
    pub fn caused_by<C>(cause: &Envelope<C>) -> Self {
        Self {
            correlation_id: cause.trace.correlation_id.clone(),
            causation_id: Some(cause.id.to_string()),
            depth: cause.trace.depth,
        }
    }

    /// Continues the chain of an event that is dispatched, one deeper.
    pub fn dispatched_by<C>(event: &Envelope<C>) -> Self {
        Self { depth: event.trace.depth + 1, ..Self::caused_by(event) }
    }
}

impl Envelope {
    /// Reads the content as what its type says.
    pub fn content<C: DeserializeOwned>(&self) -> Result<C, Error> {
        C::deserialize(&self.content)
            .map_err(|cause| Error::new(format!("read the content of {} {}", self.kind, self.id), cause))
    }
}

/// The fact `webhook.received`: a channel accepted a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReceived<P = Value> {
    /// The platform of the channel.
    pub platform: String,
    /// The channel that received it.
    pub channel_id: ChannelId,
    /// The request's headers by lower-case name, without credentials and signatures.
    pub headers: serde_json::Map<String, Value>,
    /// The request's body.
    pub payload: P,
}

impl<P> WebhookReceived<P> {
    /// The event's type.
    pub const TYPE: &'static str = "webhook.received";
    /// The event's source.
    pub const SOURCE: &'static str = "hookyard.webhook";
}

/// One attempt at one step of one run; the pair (event, dispatcher) is the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepId {
    /// The event that started the run.
    pub event_id: EventId,
    /// The dispatcher that runs.
    pub dispatcher_id: DispatcherId,
    /// The name of the step, which is its action's name or id.
    pub step: String,
    /// Counts from 1.
    pub attempt: u32,
}

impl StepId {
    /// Derives the id of the record that this attempt leaves (a task, a call, a mail, a message, a callback).
    pub fn record_id(&self) -> String {
        clock::derived_hex24(&[
            self.event_id.as_str().as_bytes(),
            self.dispatcher_id.as_str().as_bytes(),
            self.step.as_bytes(),
            &self.attempt.to_be_bytes(),
        ])
    }
}

/// The content of every command, `<action type>.requested`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRequested {
    /// The step to do.
    #[serde(flatten)]
    pub id: StepId,
    /// The action's own fields, with every template value filled in.
    pub action: Value,
    /// The whole event that started the run.
    pub event: Envelope,
}

/// The content of `step.finished`: how one attempt at a step went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepFinished {
    /// The step that was done.
    #[serde(flatten)]
    pub id: StepId,
    /// How it went.
    pub status: StepStatus,
    /// When the work began, where that differs from the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// What ended the waiting of a step that waited, such as `callback.called`; the timeline tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_by: Option<String>,
    /// What later steps can use as `steps.<name>.output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// How an attempt at a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepStatus {
    /// It is done.
    Succeeded,
    /// It is over without success.
    Failed,
    /// It waits for the outside world or for its time; another answer follows.
    Waiting,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepError {
    /// Where it failed: `runtime` for the user's own code, `invocation` for everything around it.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A name to branch on.
    pub name: String,
    /// What happened.
    pub message: String,
}

impl StepFinished {
    /// The event's type.
    pub const TYPE: &'static str = "step.finished";

    /// Answers that the step is done.
    pub fn succeeded(id: StepId, output: Value) -> Self {
        Self {
            id,
            status: StepStatus::Succeeded,
            started_at: None,
            resumed_by: None,
            output: Some(output),
            error: None,
        }
    }

    /// Answers that the step failed.
    pub fn failed(id: StepId, error: StepError) -> Self {
        Self { id, status: StepStatus::Failed, started_at: None, resumed_by: None, output: None, error: Some(error) }
    }

    /// Answers that the step waits.
    pub fn waiting(id: StepId) -> Self {
        Self { id, status: StepStatus::Waiting, started_at: None, resumed_by: None, output: None, error: None }
    }

    /// Says when the work began.
    #[must_use]
    pub fn started_at(mut self, time: Timestamp) -> Self {
        self.started_at = Some(time);
        self
    }
}

impl StepError {
    /// The name of a failure that may be none: the outside world may have done what was asked.
    ///
    /// The dispatcher makes no further attempt at such a step, as that could do the same thing twice.
    pub const OUTCOME_UNKNOWN: &'static str = "OutcomeUnknown";

    /// Describes a failure around the user's own code.
    pub fn invocation(name: &str, message: impl Into<String>) -> Self {
        Self { kind: Some("invocation".to_owned()), name: name.to_owned(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_envelope_looks_as_documented() {
        let id = EventId::new("e1");
        let trace = Trace::start(&id);
        let time = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let kind = "a.happened".to_owned();
        let envelope = Envelope {
            id,
            kind,
            dedup_window_seconds: None,
            tenant_id: "t".to_owned(),
            time,
            content: json!({"n": 1}),
            trace,
        };
        let expected = json!({
            "id": "e1", "type": "a.happened", "tenantId": "t", "time": "2026-01-02T03:04:05.678Z",
            "content": {"n": 1}, "trace": {"correlationId": "e1", "depth": 0},
        });
        assert_eq!(serde_json::to_value(&envelope).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Envelope>(expected).unwrap(), envelope);
        assert_eq!(
            Trace::dispatched_by(&envelope),
            Trace { correlation_id: "e1".to_owned(), causation_id: Some("e1".to_owned()), depth: 1 }
        );
        assert_eq!(Trace::caused_by(&envelope).depth, 0);
    }

    #[test]
    fn the_answer_to_a_command_is_flat() {
        let id = StepId {
            event_id: EventId::new("e"),
            dispatcher_id: DispatcherId::new("d"),
            step: "s".to_owned(),
            attempt: 1,
        };
        let answer = StepFinished::succeeded(id.clone(), json!(1));
        assert_eq!(
            serde_json::to_value(&answer).unwrap(),
            json!({"eventId": "e", "dispatcherId": "d", "step": "s", "attempt": 1, "status": "succeeded", "output": 1})
        );
        assert_ne!(id.record_id(), StepId { attempt: 2, ..id }.record_id());
    }
}
