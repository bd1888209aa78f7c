//! Telling everybody that a callback has ended.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::Error;
use shared::bus::Entry;
use shared::clock;
use shared::event::{Envelope, EventId, STEP_OUTPUT_LIMIT_BYTES, StepError, StepFinished, StepId, Trace};

use crate::Callbacks;
use crate::create::parsed;
use crate::store::{Callback, State};

/// The source of our facts.
const SOURCE: &str = "hookyard.callback";
/// The fact that a callback was called.
const RESOLVED: &str = "callback.resolved";
/// The fact that nobody called a callback in time.
const EXPIRED: &str = "callback.expired";
/// How long whoever ended a callback has to announce it before a sweep does.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How many callbacks one sweep announces.
const SWEEP_LIMIT: usize = 200;

impl Callbacks {
    /// Publishes the end of a callback and records that; doing it again repeats the same events.
    pub(crate) async fn announce(&self, callback: &Callback) -> Result<(), Error> {
        let outcome = self.outcome(callback).await?;
        let mut entries = vec![fact(callback)?];
        for waiter in callback.waiters.values() {
            entries.push(self.answer(finished(waiter.step.clone(), &outcome), &waiter.command)?);
        }
        self.bus.publish(entries).await?;
        self.store.announced(&callback.callback_id).await
    }

    /// Announces what an interruption left unannounced.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        let until = self.clock.now() - PATIENCE;
        for id in self.store.unannounced(until, SWEEP_LIMIT).await? {
            let Some(callback) = self.store.get(&id).await? else { continue };
            if callback.pending.is_some() {
                tracing::info!(callback_id = id, "announcing a callback whose announcement was interrupted");
                self.announce(&callback).await?;
            }
        }
        Ok(())
    }

    /// Returns what a step that waited for an ended callback is told.
    pub(crate) async fn outcome(&self, callback: &Callback) -> Result<Result<Value, StepError>, Error> {
        let Some(body) = &callback.body else {
            let message = format!("nobody called the callback {} in time", callback.callback_id);
            return Ok(Err(StepError::invocation("CallbackExpired", message)));
        };
        let body = parsed(&self.open(callback, "body", body).await?)?;
        Ok(Ok(json!({"id": callback.callback_id, "date": callback.ended_at, "body": body})))
    }

    /// Makes the answer to a command ready; an output that is too large becomes a failure that says where to get it.
    pub(crate) fn answer<C>(&self, answer: StepFinished, command: &Envelope<C>) -> Result<Entry, Error> {
        let size = |output: &Value| output.to_string().len();
        let too_large = answer.output.as_ref().is_some_and(|output| size(output) > STEP_OUTPUT_LIMIT_BYTES);
        let answer = if too_large {
            let message = format!(
                "the body is longer than the {STEP_OUTPUT_LIMIT_BYTES} bytes that a step can hand on; \
                 GET /callbacks/<id>/wait returns it"
            );
            StepFinished::failed(answer.id, StepError::invocation("OutputTooLarge", message))
        } else {
            answer
        };
        Entry::step_finished(&answer, command, self.clock.now()).map_err(Error::cannot("answer a command"))
    }
}

/// Turns the outcome of a callback into a step's answer.
pub(crate) fn finished(step: StepId, outcome: &Result<Value, StepError>) -> StepFinished {
    match outcome {
        Ok(output) => StepFinished::succeeded(step, output.clone()),
        Err(error) => StepFinished::failed(step, error.clone()),
    }
}

/// The fact tells that it happened, not what was sent: the body stays encrypted where it is.
fn fact(callback: &Callback) -> Result<Entry, Error> {
    let kind = if callback.state == State::Expired { EXPIRED } else { RESOLVED };
    let id = clock::derived_uuid(&[b"callback", callback.callback_id.as_bytes(), kind.as_bytes()]);
    let id = EventId::new(id.to_string());
    let envelope = Envelope {
        trace: callback.origin.as_ref().map_or_else(|| Trace::start(&id), Trace::caused_by),
        id,
        kind: kind.to_owned(),
        dedup_window_seconds: None,
        tenant_id: callback.tenant_id.clone(),
        time: callback.ended_at.unwrap_or(callback.created_at),
        content: json!({"callbackId": callback.callback_id, "date": callback.ended_at}),
    };
    Entry::fact(SOURCE, &envelope).map_err(Error::cannot("announce a callback"))
}
