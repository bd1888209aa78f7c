//! The action function: makes the HTTP call of an action step.
//!
//! In: the command `action.requested`. Out: `step.finished` with the status, headers and body of the answer.
//!
//! The call is recorded before and after, so that a redelivered command never calls twice: a recorded outcome is
//! answered again, and a call whose outcome was lost is `OutcomeUnknown`, unless its method promises that a second
//! call does no harm.

mod call;
mod store;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use shared::auth::Tokens;
use shared::bus::{Bus, Entry};
use shared::clock::Clock;
use shared::event::{Envelope, STEP_OUTPUT_LIMIT_BYTES, StepError, StepFinished, StepRequested};
use shared::http::Api;
use shared::outbound::Outbound;
use shared::{Environment, Error, Function, Incoming};

use crate::call::Call;
use crate::store::{ActionRun, Store};

/// The command that this function does.
const COMMAND: &str = "action.requested";
/// How much longer than its timeout a call is taken to be under way somewhere.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(5);

struct Action {
    store: Store,
    bus: Bus,
    outbound: Outbound,
    clock: Clock,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let action = Arc::new(Action {
        store: Store::new(environment)?,
        bus: environment.bus()?,
        outbound: environment.outbound()?,
        clock: environment.clock.clone(),
    });
    let no_routes = Api::new(Tokens::new(environment.key_ring()?, environment.clock.clone())).finish(());
    Ok(Function::new(no_routes, move |incoming| on_event(action.clone(), incoming)))
}

async fn on_event(action: Arc<Action>, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == COMMAND => action.run(&envelope).await,
        other => Err(Error::new("handle an event", format!("{other:?} is nothing that this function does"))),
    }
}

impl Action {
    /// Does one step: record, call, record, answer.
    async fn run(&self, command: &Envelope) -> Result<(), Error> {
        let request: StepRequested = command.content()?;
        let started_at = self.clock.now();
        let answer = match Call::parse(&request) {
            Ok(call) => self.once(&request, &call, started_at).await?,
            Err(error) => StepFinished::failed(request.id, error),
        };
        self.answer(answer, command).await
    }

    /// Makes the call if nobody has, and returns its recorded outcome.
    async fn once(&self, request: &StepRequested, call: &Call, now: Timestamp) -> Result<StepFinished, Error> {
        let lease_until = now + call.timeout() + LEASE_MARGIN;
        let run = ActionRun::started(&request.id, now, lease_until);
        if !self.store.start(&run).await? {
            let earlier = self.store.get(&run.action_run_id).await?.unwrap_or_else(|| run.clone());
            if let Some(answer) = earlier.answer {
                return Ok(answer);
            }
            if now < earlier.lease_until {
                return Err(Error::new("make a call", "another delivery of its command is making it"));
            }
            if !self.store.take_over(&earlier, &run).await? {
                return Err(Error::new("make a call", "another delivery of its command has taken it over"));
            }
            if !call.is_safe() {
                let message = "the call was interrupted; whether the server got it is not known";
                let error = StepError::invocation(StepError::OUTCOME_UNKNOWN, message);
                return self.finish(&run, StepFinished::failed(request.id.clone(), error)).await;
            }
        }
        let answer = call.make(&self.outbound, &request.id).await;
        self.finish(&run, answer.started_at(now)).await
    }

    /// Records the outcome; the first that is recorded is the one that counts.
    async fn finish(&self, run: &ActionRun, answer: StepFinished) -> Result<StepFinished, Error> {
        self.store.finish(run, &answer, self.clock.now()).await?;
        Ok(answer)
    }

    async fn answer(&self, answer: StepFinished, command: &Envelope) -> Result<(), Error> {
        let entry = Entry::step_finished(&answer, command, self.clock.now());
        let entry = match entry {
            Ok(entry) => entry,
            Err(too_large) => {
                let error = StepError::invocation("OutputTooLarge", too_large.to_string());
                let answer = StepFinished::failed(answer.id, error);
                Entry::step_finished(&answer, command, self.clock.now()).map_err(Error::cannot("answer a command"))?
            }
        };
        self.bus.publish(vec![entry]).await
    }
}

/// The longest body of an answer that becomes an output, so that the output as a whole keeps to its limit.
const BODY_LIMIT_BYTES: usize = STEP_OUTPUT_LIMIT_BYTES * 3 / 4;
