//! The task function: keeps functions, which are scripts, and runs them as tasks, now or at a set time.
//!
//! In: `task.requested` for a step, `task.due` and schedules for tasks to start, and requests over HTTP. Out:
//! `step.finished` for the tasks of steps, `task.due` for tasks created over HTTP, and the fact `task_failed`.
//!
//! A task is started by one conditional write that makes this process its owner for a while. Another process may take
//! over a task whose owner is gone, unless the script had begun to act on the outside world.

mod answer;
mod api;
mod claim;
mod function_body;
mod function_view;
mod new_task;
mod on_task_due;
mod on_task_requested;
mod run;
pub mod sandbox;
mod start;
mod store;
mod task_view;

use std::sync::Arc;

use axum::extract::FromRef;
use serde::Deserialize as _;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::event::{COMMAND_SOURCE, TASK_REQUESTED, TaskDue};
use shared::http::Api;
use shared::scheduler::Scheduler;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::claim::Claims;
use crate::sandbox::Sandbox;
use crate::store::Store;

/// The services of this function; each handler gets those that it touches.
#[derive(Clone)]
struct Services {
    store: Store,
    bus: Bus,
    scheduler: Scheduler,
    sandbox: Sandbox,
    claims: Claims,
    clock: Clock,
    ids: Ids,
}

macro_rules! routes_may_use {
    ($($field:ident: $service:ty),+) => {
        $(impl FromRef<Services> for $service {
            fn from_ref(services: &Services) -> Self {
                services.$field.clone()
            }
        })+
    };
}

routes_may_use!(store: Store, bus: Bus, scheduler: Scheduler, clock: Clock, ids: Ids);

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Services {
        store: Store::new(environment)?,
        bus: environment.bus()?,
        scheduler: Scheduler::new(&environment.aws, &environment.config, "TASK_FUNCTION_ARN")?,
        sandbox: Sandbox::new(environment.outbound()?, environment.clock.clone()),
        claims: Claims::new(environment.ids.hex24()),
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
    };
    let router = Api::new(environment.tokens()?)
        .permission("VIEW_TASKS", routes!(api::tasks::list))
        .permission("CREATE_TASKS", routes!(api::tasks::create))
        .permission("VIEW_TASKS", routes!(api::tasks::get))
        .permission("CANCEL_TASKS", routes!(api::tasks::cancel))
        .permission("VIEW_TASK_LOGS", routes!(api::logs::list))
        .permission("VIEW_TASK_FUNCTIONS", routes!(api::functions::list))
        .permission("CREATE_TASK_FUNCTION", routes!(api::functions::create))
        .permission("VIEW_TASK_FUNCTION_DETAILS", routes!(api::functions::get))
        .permission("UPDATE_TASK_FUNCTION", routes!(api::functions::update))
        .permission("DELETE_TASK_FUNCTION", routes!(api::functions::delete))
        .permission("UPDATE_TASK_FUNCTION", routes!(api::functions::enable))
        .permission("UPDATE_TASK_FUNCTION", routes!(api::functions::disable))
        .finish(services.clone());
    let services = Arc::new(services);
    Ok(Function::new(router, move |incoming| on_event(services.clone(), incoming)))
}

async fn on_event(services: Arc<Services>, incoming: Incoming) -> Result<(), Error> {
    let Services { store, bus, scheduler, sandbox, claims, clock, .. } = &*services;
    let due = match incoming {
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK_REQUESTED => {
            return on_task_requested::handle(store, bus, scheduler, sandbox, claims, clock, &envelope).await;
        }
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TaskDue::TYPE => {
            envelope.content()?
        }
        Incoming::Schedule(input) => {
            TaskDue::deserialize(&input).map_err(Error::cannot("read the input of a schedule"))?
        }
        Incoming::Event { source, envelope } => {
            let message = format!("this function does not handle {} of {source}", envelope.kind);
            return Err(Error::new("handle an event", message));
        }
    };
    on_task_due::handle(store, bus, scheduler, sandbox, claims, clock, &due).await
}
