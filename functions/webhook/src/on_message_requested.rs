//! A step of the type `message`: sends the message and answers the step.

use shared::Error;
use shared::event::{Answer, Received, StepError, StepRequested};
use shared::step::{self, Claimable as _, Outcome};

use crate::open_channel::unknown;
use crate::outgoing;
use crate::send::{self, Sender, Trigger};
use crate::services::Services;

/// Sends the message of a step once, and publishes the fact and the answer.
pub(crate) async fn handle(services: &Services, command: &Received) -> Result<(), Error> {
    let Services { bus, clock, open_channels, .. } = services;
    step::perform(bus, clock, command, async |_, request: StepRequested| {
        let failed = |error: StepError| Ok(Some(Outcome::from(Answer::failed(error))));
        let (channel_id, outgoing) = match outgoing::of_action(&request) {
            Ok(action) => action,
            Err(refusal) => return failed(StepError::bad_request(refusal.message)),
        };
        let channel = open_channels.of_tenant(&channel_id, &command.tenant_id, clock.now()).await?;
        let Some(channel) = channel else {
            return failed(StepError::invocation("UnknownChannel", unknown(&channel_id).message));
        };
        let sender = Sender::new(services, &channel);
        let record = match Box::pin(sender.send(outgoing, Trigger::Step(&request))).await? {
            Ok(once) => once.done()?,
            Err(refusal) => return failed(StepError::bad_request(refusal.message)),
        };
        Ok(record.and_then(|record| {
            let fact = send::fact(&channel, &record, Some(command), clock.now());
            Some(Outcome { answer: record.answer()?.clone(), facts: fact.into_iter().collect() })
        }))
    })
    .await
}
