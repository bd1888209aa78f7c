//! Starts a task whose time has come, or that was created to start at once.

use shared::Error;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::TaskDue;
use shared::scheduler::Scheduler;

use crate::claim::{self, Claims};
use crate::run;
use crate::sandbox::Sandbox;
use crate::store::Store;

/// How long after its schedule the record of a task may appear.
const RECORD_DELAY_S: i64 = 60;

/// Starts the task; one that was started before is resumed.
pub(crate) async fn handle(
    store: &Store,
    bus: &Bus,
    scheduler: &Scheduler,
    sandbox: &Sandbox,
    claims: &Claims,
    clock: &Clock,
    due: &TaskDue,
) -> Result<(), Error> {
    let id = &due.task_id;
    let Some(_work) = claims.begin(id) else {
        return Ok(());
    };
    let now = clock.now();
    if let Some(task) = store.tasks.start(id, claims.owner(), now, claim::lease_until_ms(now)).await? {
        return run::run(store, bus, sandbox, claims, clock, &task).await;
    }
    match store.tasks.get(id).await? {
        Some(task) => run::resume(store, bus, scheduler, sandbox, claims, clock, &task).await,
        None if now.as_second() - due.requested_at.as_second() < RECORD_DELAY_S => {
            Err(Error::new("start a task", format!("task {id} is not there yet")))
        }
        None => {
            tracing::warn!(task_id = id, "a task was never created or has been removed, so it is not started");
            Ok(())
        }
    }
}
