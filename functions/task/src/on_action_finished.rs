//! The answer to the action of a task ends it.

use shared::Error;
use shared::event::command::ScheduleDue;
use shared::event::{Received, StepFinished, StepStatus};

use crate::action;
use crate::services::Services;

/// Ends the task; an answer that was delivered before changes nothing. Returns the schedule whose instants may wait for
/// its end.
pub(crate) async fn handle(services: &Services, envelope: &Received) -> Result<Option<ScheduleDue>, Error> {
    let StepFinished { id, answer } = envelope.content()?;
    if !action::is_of_task(&id) {
        return Err(Error::new("end a task", format!("the answer {} is not one for a task", envelope.id)));
    }
    let task = services.tasks.store().get(&envelope.tenant_id, id.event_id.as_str()).await?;
    match task.filter(|task| task.action.is_some()) {
        Some(_) if answer.status == StepStatus::Waiting => Ok(None),
        Some(task) => action::end(services, task, answer).await,
        None => {
            tracing::warn!(task_id = %id.event_id, "the task of an answer does not exist, so it is left");
            Ok(None)
        }
    }
}
