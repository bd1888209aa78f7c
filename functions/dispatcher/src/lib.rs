//! The dispatcher function: matches events with dispatchers, fans them out to steps and advances the runs.
//!
//! In: every fact, `step.finished`, schedules. Out: a command for each step that can start, on the bus or on a schedule, and
//! `run.succeeded` or `run.failed` where a dispatcher listens for it.
//!
//! A fact is matched with the dispatchers of its type. Its record is written on the condition that the event is new, and
//! one run per match after it; then the commands of the steps that wait for nothing are published (`on_fact`). Each answer
//! changes its run in one conditional write; then the commands that follow from it are published (`on_step_finished`). A
//! crash between a write and what follows heals: the same fact or answer is delivered again, writes the runs that are missing,
//! and publishes the commands that have no answer yet, or else the sweeper does (`on_schedule`). A command may be
//! sent twice, but the ids of the records that it leaves derive from (event, dispatcher, step, attempt), so that nothing
//! is done twice.
//!
//! The last write of a run says whether its outcome becomes a fact, which is published after it (`outcome`).

mod api;
mod budget;
mod bulk;
mod decision;
mod dispatcher;
mod event;
mod graph;
mod on_bulk_retry;
mod on_fact;
mod on_schedule;
mod on_step_finished;
mod outbox;
mod outcome;
mod rehearsal;
mod replay;
mod retry;
mod run;
mod simulate;
mod store;
mod subscription;
mod template;
mod timeline;

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::directory::Directory;
use shared::event::command::COMMAND_SOURCE;
use shared::event::step::STEP_SOURCE;
use shared::{Environment, Error, Function, Incoming};

use outbox::Outbox;
use store::Store;

/// The services that the function uses.
struct App {
    store: Store,
    bus: Bus,
    outbox: Outbox,
    directory: Directory,
    /// How many events and steps a first event may cause.
    event_budget: u64,
    clock: Clock,
    ids: Ids,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let app = Arc::new(App {
        store: Store::new(environment)?,
        bus: environment.bus()?,
        outbox: Outbox::new(environment)?,
        directory: Directory::new(environment)?,
        event_budget: environment.config.event_budget()?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
    });
    let routes = api::routes(app.clone(), environment.tokens()?);
    let checks = app.store.checks();
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(app.clone(), incoming)).with_checks(checks))
}

async fn on_event(app: Arc<App>, incoming: Incoming) -> Result<(), Error> {
    let App { store, outbox, clock, event_budget, .. } = &*app;
    match incoming {
        Incoming::Event { ref source, .. } if source == COMMAND_SOURCE => Err(incoming.unexpected()),
        Incoming::Event { source, envelope } if source == STEP_SOURCE => {
            Box::pin(on_step_finished::handle(store, outbox, clock, &envelope)).await
        }
        Incoming::Event { source, envelope } => {
            Box::pin(on_fact::handle(store, outbox, *event_budget, clock.now(), &source, *envelope)).await
        }
        Incoming::Schedule(input) => {
            Box::pin(on_schedule::handle(store, outbox, *event_budget, clock.now(), input)).await
        }
        Incoming::Service { .. } => Err(incoming.unexpected()),
    }
}
