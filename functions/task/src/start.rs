//! How a task gets started: by a command at once, or by a schedule at its time.

use shared::Error;
use shared::bus::{Entry, TooLarge};
use shared::event::{COMMAND_SOURCE, Envelope, EventId, TaskDue, Trace};
use shared::scheduler::Scheduler;

use crate::store::task::Task;

/// Schedules the start of a task at its time; a second call changes nothing.
pub(crate) async fn schedule(scheduler: &Scheduler, task: &Task) -> Result<(), Error> {
    let time = task.start_timestamp.unwrap_or(task.creation_timestamp);
    scheduler.run_at(&task.task_id, time, &due(task)).await
}

/// The command that starts a task at once.
pub(crate) fn command(task: &Task) -> Result<Entry, TooLarge> {
    let id = EventId::new(format!("{}-due", task.task_id));
    let command = Envelope {
        trace: Trace::start(&id),
        id,
        kind: TaskDue::TYPE.to_owned(),
        dedup_window_seconds: None,
        tenant_id: task.tenant_id.clone(),
        time: task.creation_timestamp,
        content: due(task),
    };
    Entry::fact(COMMAND_SOURCE, &command)
}

fn due(task: &Task) -> TaskDue {
    TaskDue { task_id: task.task_id.clone(), requested_at: task.creation_timestamp }
}
