//! The task function: keeps functions, which are scripts, and runs them as tasks, now or at a set time.
//!
//! In: `task.requested` commands, due schedules, and tasks created over HTTP. Out: `step.finished` for the tasks of
//! steps, and the fact `task_failed`.
//!
//! A task is started by one conditional write that makes this process its owner for a while. Whoever finds a task whose
//! owner has let go may take it over, unless the script had begun to act on the outside world.

mod answer;
mod definition;
mod function;
mod lease;
mod log;
mod record;
mod request;
mod run;
pub mod sandbox;
mod store;
mod task;

use std::sync::Arc;

use moka::sync::Cache;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::scheduler::Scheduler;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::lease::Running;
use crate::sandbox::Sandbox;
use crate::store::{Outcome, Store};

/// How many outcomes are kept until the table answers again.
const UNRECORDED_OUTCOMES: u64 = 100;

/// What the handlers work with.
struct Tasks {
    store: Store,
    bus: Bus,
    scheduler: Scheduler,
    sandbox: Sandbox,
    clock: Clock,
    ids: Ids,
    /// The name under which this process owns tasks.
    owner: String,
    running: Running,
    /// How tasks ended that are not recorded yet, because the table did not answer.
    unrecorded: Cache<String, Outcome>,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let tasks = Arc::new(Tasks {
        store: Store::new(environment)?,
        bus: environment.bus()?,
        scheduler: Scheduler::new(&environment.aws, &environment.config, "TASK_FUNCTION_ARN")?,
        sandbox: Sandbox::new(environment.outbound()?, environment.clock.clone()),
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
        owner: environment.ids.hex24(),
        running: Running::default(),
        unrecorded: Cache::new(UNRECORDED_OUTCOMES),
    });
    let api = Api::new(environment.tokens()?)
        .permission("VIEW_TASKS", routes!(task::list))
        .permission("CREATE_TASKS", routes!(task::create))
        .permission("VIEW_TASKS", routes!(task::get))
        .permission("CANCEL_TASKS", routes!(task::cancel))
        .permission("VIEW_TASK_LOGS", routes!(log::list))
        .permission("VIEW_TASK_FUNCTIONS", routes!(function::list))
        .permission("CREATE_TASK_FUNCTION", routes!(function::create))
        .permission("VIEW_TASK_FUNCTION_DETAILS", routes!(function::get))
        .permission("UPDATE_TASK_FUNCTION", routes!(function::update))
        .permission("DELETE_TASK_FUNCTION", routes!(function::delete))
        .permission("UPDATE_TASK_FUNCTION", routes!(function::enable))
        .permission("UPDATE_TASK_FUNCTION", routes!(function::disable));
    let router = api.finish(tasks.clone());
    Ok(Function::new(router, move |incoming: Incoming| request::handle(tasks.clone(), incoming)))
}
