//! A batch of messages from a queue: each holds an event of its own, and fails alone.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Function;
use crate::error::Error;

/// The fields that we read of an event of SQS.
///
/// Source: AWS Lambda developer guide, "Using Lambda with Amazon SQS".
#[derive(Deserialize)]
pub(super) struct Batch {
    #[serde(rename = "Records")]
    messages: Vec<Message>,
}

/// A message, whose body is an event as EventBridge has written it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) message_id: String,
    #[serde(default)]
    pub(super) receipt_handle: String,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default, rename = "eventSourceARN")]
    pub(super) event_source_arn: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    #[serde(default)]
    approximate_receive_count: String,
}

impl Batch {
    /// Whether this is what Lambda hands on from a queue.
    pub(super) fn is_one(payload: &Value) -> bool {
        payload.get("Records").is_some_and(Value::is_array)
    }

    /// Handles the events at the same time, and returns the answer that names those that failed.
    pub(super) async fn handle(&self, function: &Function) -> Value {
        let failed = join_all(self.messages.iter().map(|message| message.failed(function))).await;
        let failed = self.messages.iter().zip(failed).filter(|(_, failed)| *failed);
        let failed: Vec<&Message> = failed.map(|(message, _)| message).collect();
        if let Some(queues) = &function.queues {
            queues.show_soon(&failed).await;
        }
        let failures: Vec<Value> = failed.iter().map(|message| json!({"itemIdentifier": message.message_id})).collect();
        json!({"batchItemFailures": failures})
    }
}

impl Message {
    /// How often it was received, this time included.
    pub(super) fn receives(&self) -> u32 {
        self.attributes.approximate_receive_count.parse().unwrap_or(1)
    }

    /// Handles the event, and tells whether that failed.
    async fn failed(&self, function: &Function) -> bool {
        let handled = AssertUnwindSafe(self.handle(function)).catch_unwind().await;
        let handled = handled.unwrap_or_else(|panic| Err(panicked(&*panic)));
        if let Err(error) = &handled {
            tracing::error!(message_id = self.message_id, error = error.chain(), "an event of a batch failed");
        }
        handled.is_err()
    }

    async fn handle(&self, function: &Function) -> Result<(), Error> {
        let event = self.body.as_str().ok_or_else(|| Error::new("read a message", "its body is not text"))?;
        function.handle(event).await
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new("handle an event", format!("the function panicked: {}", text.unwrap_or_default()))
}
