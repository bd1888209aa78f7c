//! The command `action.requested`: run the action once, and answer with what came of it.

use shared::Error;
use shared::event::{Answer, Received, StepError, StepRequested};
use shared::step;

use crate::run::ask::Ask;
use crate::run::{self, Asker};
use crate::services::Services;
use crate::{on_run_due, run::STEP};

/// Does one step; a second delivery finds its run and continues from there.
pub(crate) async fn handle(services: &Services, command: &Received) -> Result<(), Error> {
    step::perform(&services.bus, &services.clock, command, async |origin, request: StepRequested<Received>| {
        let ask = match Ask::of_step(request.action) {
            Ok(ask) => ask,
            Err(problem) => return Ok(Some(Answer::failed(StepError::bad_request(problem.to_string())).into())),
        };
        let (id, tenant) = (request.id.record_id(), origin.command.tenant_id.clone());
        let record = run::record(services, id, &tenant, Asker::Step(Box::new(origin)), &ask);
        let work = |record| Box::pin(run::go(services, &ask, record, STEP));
        let once = Box::pin(services.runs.once(record, STEP.policy(), work)).await?;
        let Some(record) = once.done()? else { return Ok(None) };
        Ok(Some(on_run_due::answer(services, &record).await?.into()))
    })
    .await
}
