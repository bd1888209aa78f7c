//! Deliveries to functions: at least once, with retries, then a dead letter.
//!
//! Every delivery is a row of the journal until its function has answered. [`queue`] decides which one goes next,
//! [`row`] is how they are kept.

mod lane;
mod queue;
pub(crate) mod row;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::fault::Faults;
use crate::journal::Journal;
use row::Delivery;

/// Calls a function: its logical id and the event, exactly as Lambda would receive it.
///
/// An `Err` or a panic means that the delivery failed and is tried again.
pub type Invoke = Arc<dyn Fn(String, Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Logical id of the function.
    pub target: String,
    /// The event that it did not accept.
    pub event: Value,
    /// What the last attempt answered.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// How long a delivery is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// Attempts after the first one.
    pub(crate) retries: u32,
    pub(crate) max_age_s: u32,
}

impl RetryPolicy {
    /// Reads `MaximumRetryAttempts` and `MaximumEventAgeInSeconds`, with AWS's defaults and limits.
    pub(crate) fn parse(policy: &Value) -> Result<Self, String> {
        let number = |name: &str, range: std::ops::RangeInclusive<u32>| {
            let value = match &policy[name] {
                Value::Null => Some(*range.end()),
                Value::String(text) => text.parse().ok(),
                value => value.as_u64().and_then(|value| u32::try_from(value).ok()),
            };
            value
                .filter(|value| range.contains(value))
                .ok_or_else(|| format!("{name} must be a number from {} to {}", range.start(), range.end()))
        };
        Ok(Self {
            retries: number("MaximumRetryAttempts", 0..=185)?,
            max_age_s: number("MaximumEventAgeInSeconds", 60..=86_400)?,
        })
    }
}

/// The way to the task that delivers.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries(mpsc::UnboundedSender<Message>);

enum Message {
    /// Rows that were just committed.
    Committed(Vec<Delivery>),
    /// Rows of one function read back, oldest first, and whether these are all.
    Loaded(Arc<str>, Vec<Delivery>, bool),
    /// A row whose retry is due, unless it is gone.
    Fetched(Option<Delivery>),
    /// A row whose retry is due and that the journal could not read.
    Unread(i64),
    Finished(Delivery, Result<(), String>),
    Start(Invoke),
    Idle(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

impl Deliveries {
    /// Starts the task; it delivers nothing before [`Deliveries::start`].
    pub(crate) fn open(
        functions: impl Iterator<Item = String>,
        journal: Arc<Journal>,
        clock: Clock,
        faults: Arc<Faults>,
    ) -> (Self, AbortHandle) {
        let (messages, inbox) = mpsc::unbounded_channel();
        let handle = Self(messages);
        let queue = queue::Queue::new(functions, journal, clock, faults, handle.clone());
        let task = tokio::spawn(queue.run(inbox));
        (handle, task.abort_handle())
    }

    /// Tells of rows that were just committed; to be called in the order of the commits.
    pub(crate) fn committed(&self, rows: Vec<Delivery>) {
        self.send(Message::Committed(rows));
    }

    pub(crate) fn start(&self, invoke: Invoke) {
        self.send(Message::Start(invoke));
    }

    /// Waits until nothing is due or in flight; before the start and after the end that is at once.
    pub(crate) async fn idle(&self) {
        let (done, idle) = oneshot::channel();
        self.send(Message::Idle(done));
        let _ = idle.await;
    }

    /// Starts no more deliveries and waits for those in flight.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.send(Message::Stop(done));
        let _ = stopped.await;
    }

    fn send(&self, message: Message) {
        // The task ends with the emulator; what is then undelivered stays in the journal.
        let _ = self.0.send(message);
    }
}

/// Answers all who wait.
pub(crate) fn tell(waiting: &mut Vec<oneshot::Sender<()>>) {
    for done in waiting.drain(..) {
        // They may have given up.
        let _ = done.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_retry_policy_has_the_defaults_and_limits_of_aws() {
        let parse = |value| RetryPolicy::parse(&value).map(|p| (p.retries, p.max_age_s));
        assert_eq!(parse(json!(null)), Ok((185, 86_400)));
        let given = json!({"MaximumRetryAttempts": "3", "MaximumEventAgeInSeconds": 60});
        assert_eq!(parse(given), Ok((3, 60)));
        let error = parse(json!({"MaximumRetryAttempts": 186})).unwrap_err();
        assert_eq!(error, "MaximumRetryAttempts must be a number from 0 to 185");
        assert!(parse(json!({"MaximumEventAgeInSeconds": 59})).is_err());
    }
}
