//! What a script asks of Hookyard itself: events to publish and tasks to start, one after the other in their order.
//!
//! The worker has no bus. So a call goes the way of a request: to the process that started the worker, which counts it.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use shared::Error;
use tokio::task::JoinSet;

use super::message::{Output, Said};
use super::requests::FirstEffect;

/// How many calls of each kind one script may make.
pub const MAX_CALLS: u32 = 100;
/// The longest body of a call.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallKind {
    /// Publishes an event.
    Publish,
    /// Starts a task.
    StartTask,
}

/// A call of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What it asks for.
    pub kind: CallKind,
    /// The event or the task, as JSON.
    pub body: String,
}

/// Why a call was not done, as the script sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// The name of the error.
    pub name: String,
    /// What was wrong.
    pub message: String,
}

impl CallError {
    /// Builds an error.
    pub fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into() }
    }
}

/// Does the calls of one script; the number counts them all from 0.
pub type Calls = Arc<dyn Fn(Call, u32) -> BoxFuture<'static, Result<String, CallError>> + Send + Sync>;

/// What came of a call, unless its effect could not be marked.
type Outcome = Result<Result<String, CallError>, Error>;

/// A call that has ended.
#[derive(Debug)]
pub(super) struct CallEnded {
    pub(super) id: u32,
    /// The answer as JSON.
    pub(super) result: Result<String, CallError>,
}

/// The calls of one script, on the script's side.
pub(super) struct Calling {
    script: u64,
    output: Output,
    pending: Option<u32>,
}

impl Calling {
    /// Starts without a call, for the script with this id.
    pub(super) fn new(script: u64, output: Output) -> Self {
        Self { script, output, pending: None }
    }

    /// Whether no call is pending.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_none()
    }

    /// Makes a call, whose end is delivered to the script's event loop.
    pub(super) fn start(&mut self, id: u32, call: Call) {
        self.pending = Some(id);
        self.output.say(self.script, Said::Call { id, call });
    }

    /// Takes a call that is not made, as its end is known already.
    pub(super) fn expect(&mut self, id: u32) {
        self.pending = Some(id);
    }

    /// Forgets the call that has ended. Returns whether it was known.
    pub(super) fn ended(&mut self, id: u32) -> bool {
        self.pending.take_if(|pending| *pending == id).is_some()
    }
}

/// The calls of one script, on the side of the process that does them; dropping them stops them.
pub(super) struct Answering {
    calls: Calls,
    first_effect: FirstEffect,
    tasks: JoinSet<(u32, Outcome)>,
    /// How many there were of each kind.
    counts: [u32; 2],
}

impl Answering {
    pub(super) fn new(calls: Calls, first_effect: FirstEffect) -> Self {
        Self { calls, first_effect, tasks: JoinSet::new(), counts: [0; 2] }
    }

    /// Does a call, unless the script has made too many.
    pub(super) fn start(&mut self, id: u32, call: Call) {
        let number = self.counts.iter().sum();
        let refused = self.refused(&call);
        let (calls, first_effect) = (self.calls.clone(), self.first_effect.clone());
        self.tasks.spawn(async move {
            let outcome = match refused {
                Some(error) => Ok(Err(error)),
                None => match first_effect.mark().await.and_then(|marked| marked.acts()) {
                    Ok(()) => Ok(calls(call, number).await),
                    Err(error) => Err(error),
                },
            };
            (id, outcome)
        });
    }

    fn refused(&mut self, call: &Call) -> Option<CallError> {
        if !self.tasks.is_empty() {
            return Some(CallError::new("CallLimitExceeded", "another call is under way"));
        }
        if call.body.len() > MAX_BODY_BYTES {
            return Some(CallError::new("CallTooLarge", format!("a call has at most {MAX_BODY_BYTES} bytes of JSON")));
        }
        let count = &mut self.counts[call.kind as usize];
        if *count == MAX_CALLS {
            let what = match call.kind {
                CallKind::Publish => "publish events",
                CallKind::StartTask => "start tasks",
            };
            return Some(CallError::new("CallLimitExceeded", format!("a script can {what} {MAX_CALLS} times")));
        }
        *count += 1;
        None
    }

    /// Waits for the end of a call; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<(u32, Outcome)> {
        loop {
            match self.tasks.join_next().await? {
                Ok(ended) => return Some(ended),
                Err(error) => tracing::error!(%error, "a call of a script ended without an answer"),
            }
        }
    }
}
