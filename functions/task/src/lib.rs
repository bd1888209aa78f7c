//! The task function: keeps functions, which are scripts, and runs them as tasks, now or at a set time.
//!
//! In: `task.requested` for a step, `task.due` and schedules for tasks to start, and requests over HTTP. Out:
//! `step.finished` for the tasks of steps, `task.due` for tasks created over HTTP, and the fact `task_failed`.
//!
//! A task runs once ([`shared::step`]): the process that has claimed it renews its lease for as long as the script runs.
//! Another process may take over a task whose owner is gone, unless the script had begun to act on the outside world.

mod answer;
mod api;
mod function_body;
mod kept;
mod mask;
mod new_task;
mod on_task_due;
mod on_task_requested;
mod replay;
mod retry;
mod run;
pub mod sandbox;
mod services;
mod store;

use std::sync::Arc;

use serde::Deserialize as _;
use shared::auth::Permission;
use shared::event::command::{COMMAND_SOURCE, TASK, TASK_DUE, TaskDue};
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::services::Services;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Arc::new(Services::new(environment)?);
    let router = Api::new(environment.tokens()?)
        .permission(Permission::ViewTasks, routes!(api::tasks::list))
        .permission(Permission::CreateTasks, routes!(api::tasks::create))
        .permission(Permission::ViewTasks, routes!(api::tasks::get))
        .permission(Permission::CancelTasks, routes!(api::tasks::cancel))
        .permission(Permission::ViewTaskLogs, routes!(api::tasks::logs))
        .permission(Permission::ViewTaskLogs, routes!(api::journal::get))
        .permission(Permission::ViewTaskLogs, routes!(api::journal::replay))
        .permission(Permission::RotateKeys, routes!(api::tasks::rotate))
        .permission(Permission::ViewTaskFunctions, routes!(api::functions::list))
        .permission(Permission::CreateTaskFunction, routes!(api::functions::create))
        .permission(Permission::ViewTaskFunctionDetails, routes!(api::functions::get))
        .permission(Permission::UpdateTaskFunction, routes!(api::functions::update))
        .permission(Permission::DeleteTaskFunction, routes!(api::functions::delete))
        .permission(Permission::UpdateTaskFunction, routes!(api::functions::enable))
        .permission(Permission::UpdateTaskFunction, routes!(api::functions::disable))
        .permission(Permission::RotateKeys, routes!(api::functions::rotate))
        .finish(services.clone());
    let checks =
        [store::task::check(environment)?, store::function::check(environment)?, store::journal::check(environment)?];
    Ok(Function::new(environment.seal()?, router, move |incoming| on_event(services.clone(), incoming))
        .with_checks(checks))
}

async fn on_event(services: Arc<Services>, incoming: Incoming) -> Result<(), Error> {
    let Services { tasks, functions, bus, scheduler, sandbox, clock, .. } = &*services;
    let due = match &incoming {
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK.event_type() => {
            return on_task_requested::handle(tasks, functions, bus, scheduler, sandbox, clock, envelope).await;
        }
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK_DUE => {
            envelope.content()?
        }
        Incoming::Schedule(input) => {
            TaskDue::deserialize(input).map_err(Error::cannot("read the input of a schedule"))?
        }
        Incoming::Event { .. } => return Err(incoming.unexpected()),
    };
    on_task_due::handle(tasks, functions, bus, scheduler, sandbox, clock, &due).await
}
