//! A step of the type `message`: sends the message and answers the step.

use shared::Error;
use shared::bus::Entry;
use shared::event::{Envelope, StepError, StepFinished, StepRequested, Trace};

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
    let (fact, answer) = match send(services, &request, command).await? {
        Ok(sent) => sent,
        Err(error) => (None, StepFinished::failed(request.id, error)),
    };
    let answer = Entry::step_finished(&answer, command, services.clock.now());
    let answer = answer.map_err(Error::cannot("answer a command"))?;
    services.bus.publish(fact.into_iter().chain([answer]).collect()).await
}

/// Sends the message of a step; returns the fact and the answer, or why it cannot be sent.
async fn send(
    services: &Services,
    request: &StepRequested,
    command: &Envelope,
) -> Result<Result<(Option<Entry>, StepFinished), StepError>, Error> {
    let (channel_id, outgoing) = match outgoing::of_action(request) {
        Ok(action) => action,
        Err(refusal) => return Ok(Err(StepError::invocation("InvalidAction", refusal.message))),
    };
    let Some(channel) = services.open_channels.get(&channel_id, services.clock.now()).await? else {
        let message = open_channel::unknown(&channel_id).message;
        return Ok(Err(StepError::invocation("UnknownChannel", message)));
    };
    match Sender::new(services, &channel).send(outgoing, Trigger::Step(request)).await? {
        SendAttempt::Finished(record, result) => {
            let trace = Trace::caused_by(command);
            let fact = send::fact(&channel, &record, &result, trace, services.clock.now());
            Ok(Ok((fact, answer(request, &result))))
        }
        SendAttempt::Refused(refusal) => Ok(Err(StepError::invocation("InvalidAction", refusal.message))),
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
