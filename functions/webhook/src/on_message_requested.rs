//! A step of the type `message`: sends the message and answers the step.

use shared::bus::Entry;
use shared::event::{Envelope, StepError, StepFinished, StepRequested, Trace};
use shared::{Error, Refusal};

use crate::message::{MessageStatus, SendResult};
use crate::open_channel;
use crate::outgoing;
use crate::send::{self, SendAttempt, Sender, Trigger};
use crate::services::Services;

/// The command that asks for a message.
pub(crate) const COMMAND: &str = "message.requested";

/// Sends the message of a step and publishes the fact and the answer.
pub(crate) async fn handle(services: &Services, command: &Envelope) -> Result<(), Error> {
    let request: StepRequested = command.content()?;
    let (fact, answer) = send(services, &request, command).await?;
    let answer = Entry::step_finished(&answer, command, services.clock.now());
    let answer = answer.map_err(Error::cannot("answer a command"))?;
    services.bus.publish(fact.into_iter().chain([answer]).collect()).await
}

/// Sends the message of a step; returns the answer, and the fact if it was sent or failed.
async fn send(
    services: &Services,
    request: &StepRequested,
    command: &Envelope,
) -> Result<(Option<Entry>, StepFinished), Error> {
    let failed = |name: &str, refusal: Refusal| {
        Ok((None, StepFinished::failed(request.id.clone(), StepError::invocation(name, refusal.message))))
    };
    let (channel_id, outgoing) = match outgoing::of_action(request) {
        Ok(action) => action,
        Err(refusal) => return failed("InvalidAction", refusal),
    };
    let Some(channel) = services.open_channels.get(&channel_id, services.clock.now()).await? else {
        return failed("UnknownChannel", open_channel::unknown(&channel_id));
    };
    match Sender::new(services, &channel).send(outgoing, Trigger::Step(request)).await? {
        SendAttempt::Finished(record, result) => {
            let fact = send::fact(&channel, &record, &result, Trace::caused_by(command), services.clock.now());
            Ok((fact, answer(request, &result)))
        }
        SendAttempt::Refused(refusal) => failed("InvalidAction", refusal),
        SendAttempt::InProgress => Err(Error::new("send a message", "another delivery of its command is sending it")),
    }
}

fn answer(request: &StepRequested, result: &SendResult) -> StepFinished {
    let output = serde_json::to_value(result).unwrap_or_default();
    let id = request.id.clone();
    if result.success {
        return StepFinished::succeeded(id, output);
    }
    let name = match (result.status, result.retry_after_seconds) {
        (MessageStatus::Unknown, _) => StepError::OUTCOME_UNKNOWN,
        (_, Some(_)) => "RateLimited",
        _ => "PlatformRefused",
    };
    let problem = result.error.as_ref().map(|problem| format!("{}: {}", problem.code, problem.message));
    let error = StepError::invocation(name, problem.unwrap_or_default());
    StepFinished { output: Some(output), ..StepFinished::failed(id, error) }
}
