//! A step of a run: what asks for it, and how it went.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DispatcherId, Envelope, EventId, EventType};
use crate::{clock, json};

/// The source of answers to commands.
pub const STEP_SOURCE: &str = "hookyard.step";
/// The longest output of a step, in bytes of JSON; a run row holds several and DynamoDB takes 400 KB in all.
pub const STEP_OUTPUT_LIMIT_BYTES: usize = 128 * 1024;
/// The most bytes of a failed answer's body that a step keeps.
pub const RESPONSE_BODY_LIMIT_BYTES: usize = 4 * 1024;
/// How deep the output of a step may nest: a body that came in, and one level of the step's own.
pub const STEP_OUTPUT_LIMIT_LEVELS: usize = json::DEPTH_LIMIT + 1;

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

/// The content of every command, `<action type>.requested`; it is sent with a reference to the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRequested<E = Envelope> {
    /// The step to do.
    #[serde(flatten)]
    pub id: StepId,
    /// The action's own fields, with every template value filled in.
    pub action: Value,
    /// The whole event that started the run.
    pub event: E,
}

/// The content of `step.finished`: how one attempt at a step went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepFinished {
    /// The step that was done.
    #[serde(flatten)]
    pub id: StepId,
    /// How it went.
    #[serde(flatten)]
    pub answer: Answer,
}

/// The type of [`StepFinished`].
pub const STEP_FINISHED: EventType = EventType::known("step.finished");

/// How an attempt at a step went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Whether it is over, and with success.
    pub status: StepStatus,
    /// When the work began, where that differs from the request.
    #[serde(default, with = "crate::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// What later steps can use as `steps.<name>.output`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::present")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// What ended the waiting of a step that waited, as the timeline shows it, such as `callback.called`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_by: Option<String>,
    /// The record that the attempt has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<StepRecord>,
    /// What a server answered that did not do what it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<FailedResponse>,
}

/// The record that an attempt at a step has left with the function that did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepRecord {
    /// What it is a record of.
    pub kind: RecordKind,
    /// Its id.
    pub id: String,
}

/// What the record of a step is a record of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RecordKind {
    /// A task: `GET /tasks/v1/?id={id}` and its logs.
    Task,
    /// A message in the log: `GET /messages/{id}`.
    Message,
    /// A mail.
    Mail,
    /// A callback: `GET /callbacks/{id}`.
    Callback,
    /// A run of an app's action: `GET /actions/runs/{id}`.
    ActionRun,
}

/// The answer of a server that did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailedResponse {
    /// Its HTTP status.
    pub status: u16,
    /// The first 4 KB of its body, with secrets masked; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl FailedResponse {
    /// Keeps the beginning of a body, which has no secret in it any more.
    pub fn new(status: u16, body: &Value) -> Self {
        let text = match body {
            Value::Null => return Self { status, body: None },
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let end = text.floor_char_boundary(RESPONSE_BODY_LIMIT_BYTES);
        let body = text.get(..end).unwrap_or_default().to_owned();
        Self { status, body: Some(body).filter(|body| !body.is_empty()) }
    }
}

/// Whether an attempt at a step is over, and how it went.
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

impl Answer {
    /// Answers that the step is done.
    ///
    /// An output that no event can carry is a failure instead: its work would be done again with the same output.
    pub fn succeeded(output: Value) -> Self {
        match StepError::of_output(&output) {
            None => Self { output: Some(output), ..Self::with_status(StepStatus::Succeeded) },
            Some(error) => Self::failed(error),
        }
    }

    /// Answers that the step failed.
    pub fn failed(error: StepError) -> Self {
        Self { error: Some(error), ..Self::with_status(StepStatus::Failed) }
    }

    /// Answers that the step waits.
    pub fn waiting() -> Self {
        Self::with_status(StepStatus::Waiting)
    }

    /// Adds what is known of a failure, unless no event can carry that.
    #[must_use]
    pub fn with_output(self, output: Value) -> Self {
        let output = StepError::of_output(&output).is_none().then_some(output);
        Self { output, ..self }
    }

    /// Names the record that the attempt has left.
    #[must_use]
    pub fn with_record(self, kind: RecordKind, id: impl Into<String>) -> Self {
        Self { record: Some(StepRecord { kind, id: id.into() }), ..self }
    }

    /// Adds what the server answered that did not do what it was asked.
    #[must_use]
    pub fn with_response(self, response: Option<FailedResponse>) -> Self {
        Self { response, ..self }
    }

    /// Says when the work began.
    #[must_use]
    pub fn started_at(self, time: Timestamp) -> Self {
        Self { started_at: Some(time), ..self }
    }

    fn with_status(status: StepStatus) -> Self {
        Self { status, started_at: None, output: None, error: None, resumed_by: None, record: None, response: None }
    }
}

impl StepError {
    /// The fields of the action are not what its type takes.
    pub const BAD_REQUEST: &'static str = "BadRequest";
    /// The output is longer or nests deeper than an event can carry.
    pub const OUTPUT_TOO_LARGE: &'static str = "OutputTooLarge";
    /// The name of a failure that may be none: the outside world may have done what was asked.
    ///
    /// The dispatcher makes no further attempt at such a step, as that could do the same thing twice.
    pub const OUTCOME_UNKNOWN: &'static str = "OutcomeUnknown";

    /// The name of the failure of a step whose command nobody has answered; it may still be done.
    pub const UNANSWERED: &'static str = "Unanswered";

    /// Tells whether another attempt would do again what may have been done, or fail in the same way.
    ///
    /// A script may name its own errors as it likes, so that its `OutcomeUnknown` says nothing.
    pub fn is_final(&self) -> bool {
        let is_name = [Self::OUTCOME_UNKNOWN, Self::UNANSWERED].contains(&self.name.as_str());
        let is_unknown = is_name && self.kind.as_deref() != Some("runtime");
        is_unknown || self.name == Self::OUTPUT_TOO_LARGE
    }

    /// Describes a failure around the user's own code.
    pub fn invocation(name: &str, message: impl Into<String>) -> Self {
        Self { kind: Some("invocation".to_owned()), name: name.to_owned(), message: message.into() }
    }

    /// Describes an action whose fields are not what its type takes.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::invocation(Self::BAD_REQUEST, message)
    }

    /// Says why an output cannot be handed on, if it cannot.
    pub fn of_output(output: &Value) -> Option<Self> {
        let message = match (json::size_bytes(output), json::depth(output)) {
            (size, _) if size > STEP_OUTPUT_LIMIT_BYTES => {
                format!("the output has {size} bytes of JSON, a step can hand on {STEP_OUTPUT_LIMIT_BYTES}")
            }
            (_, depth) if depth > STEP_OUTPUT_LIMIT_LEVELS => {
                format!("the output nests {depth} levels deep, a step can hand on {STEP_OUTPUT_LIMIT_LEVELS}")
            }
            _ => return None,
        };
        Some(Self::invocation(Self::OUTPUT_TOO_LARGE, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_answer_to_a_command_is_flat() {
        let id = StepId {
            event_id: EventId::new("e"),
            dispatcher_id: DispatcherId::new("d"),
            step: "s".to_owned(),
            attempt: 1,
        };
        for output in [json!(1), Value::Null] {
            let finished = StepFinished { id: id.clone(), answer: Answer::succeeded(output.clone()) };
            let expected = json!({
                "eventId": "e", "dispatcherId": "d", "step": "s", "attempt": 1, "status": "succeeded", "output": output,
            });
            assert_eq!(serde_json::to_value(&finished).unwrap(), expected);
            assert_eq!(serde_json::from_value::<StepFinished>(expected).unwrap(), finished);
        }
        assert_ne!(id.record_id(), StepId { attempt: 2, ..id }.record_id());
    }

    #[test]
    fn an_output_that_no_event_can_carry_is_a_failure() {
        let name = |answer: Answer| answer.error.map(|error| error.name);
        assert_eq!(name(Answer::succeeded(json!("x".repeat(STEP_OUTPUT_LIMIT_BYTES - 2)))), None);
        let too_large = json!("x".repeat(STEP_OUTPUT_LIMIT_BYTES - 1));
        assert_eq!(name(Answer::succeeded(too_large.clone())).as_deref(), Some(StepError::OUTPUT_TOO_LARGE));
        let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(name(Answer::succeeded(deep(STEP_OUTPUT_LIMIT_LEVELS))), None);
        assert_eq!(
            name(Answer::succeeded(deep(STEP_OUTPUT_LIMIT_LEVELS + 1))).as_deref(),
            Some(StepError::OUTPUT_TOO_LARGE)
        );
        let failed = Answer::failed(StepError::bad_request("no")).with_output(too_large);
        assert_eq!((failed.output.clone(), name(failed).as_deref()), (None, Some(StepError::BAD_REQUEST)));
    }

    #[test]
    fn a_failed_response_keeps_the_beginning_of_its_body() {
        let check = |body: Value, expected: Option<&str>| {
            assert_eq!(FailedResponse::new(502, &body).body.as_deref(), expected, "{body}");
        };
        check(Value::Null, None);
        check(json!(""), None);
        check(json!("no"), Some("no"));
        check(json!({"error": ["no"]}), Some(r#"{"error":["no"]}"#));
        let long = format!("{}é", "x".repeat(RESPONSE_BODY_LIMIT_BYTES - 1));
        check(json!(long), Some(&long[..RESPONSE_BODY_LIMIT_BYTES - 1]));
        let answer = Answer::failed(StepError::bad_request("no")).with_record(RecordKind::ActionRun, "r1");
        let answer =
            serde_json::to_value(answer.with_response(Some(FailedResponse::new(404, &json!("gone"))))).unwrap();
        assert_eq!(answer["record"], json!({"kind": "actionRun", "id": "r1"}));
        assert_eq!(answer["response"], json!({"status": 404, "body": "gone"}));
    }

    #[test]
    fn a_script_cannot_say_that_an_outcome_is_unknown() {
        let error =
            |kind: &str, name: &str| StepError { kind: Some(kind.to_owned()), ..StepError::invocation(name, "") };
        assert!(error("invocation", StepError::OUTCOME_UNKNOWN).is_final());
        assert!(error("invocation", StepError::UNANSWERED).is_final());
        assert!(!error("runtime", StepError::OUTCOME_UNKNOWN).is_final());
        assert!(error("runtime", StepError::OUTPUT_TOO_LARGE).is_final());
        assert!(!error("invocation", "HttpStatus").is_final());
    }
}
