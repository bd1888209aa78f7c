//! The task function: keeps functions, which are scripts, and runs them as tasks, now or at a set time.
//!
//! In: `task.requested` for a step, `task.due` and schedules for tasks to start, `schedule.due` and schedules for instants
//! to settle, `step.finished` for the tasks of jobs, a sweep, and requests over HTTP. Out: `step.finished` for the tasks
//! of steps, `task.due` for tasks created over HTTP and by schedules, `action.requested` for the tasks of jobs, and the
//! facts `task_failed`, `schedule.missed` and those about jobs.
//!
//! A task runs once ([`shared::step`]): the process that has claimed it renews its lease for as long as the script runs.
//! Another process may take over a task whose owner is gone, unless the script had begun to act on the outside world.

mod access;
mod action;
mod answer;
mod api;
mod api_function;
mod asset;
mod code;
mod direct;
mod director;
mod function_body;
mod job;
mod lambda;
mod new_task;
mod on_action_finished;
mod on_schedule;
mod on_sweep;
mod on_task_due;
mod on_task_requested;
mod replay;
mod retry;
mod run;
mod runner;
pub mod sandbox;
mod schedule;
mod scripts;
mod services;
mod store;

use std::sync::Arc;

use shared::auth::Permission;
use shared::event::command::{
    COMMAND_SOURCE, SCHEDULE_DUE, TASK, TASK_CANCEL_REQUESTED, TASK_DUE, TaskCancelRequested, TaskDue,
};
use shared::event::step::{STEP_FINISHED, STEP_SOURCE};
use shared::http::{Api, BODY_LIMIT_BYTES};
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::services::Services;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Arc::new(Services::new(environment)?);
    let router = job_routes(schedule_routes(director_routes(direct_routes(Api::new(environment.tokens()?)))))
        .permission(Permission::ViewTasks, routes!(api::tasks::list))
        .permission(Permission::CreateTasks, routes!(api::tasks::create))
        .permission(Permission::ViewTasks, routes!(api::tasks::get))
        .permission(Permission::CancelTasks, routes!(api::tasks::cancel))
        .permission(Permission::ViewTaskLogs, routes!(api::logs::of_task))
        .permission(Permission::ViewTaskLogs, routes!(api::journal::get))
        .permission(Permission::ViewTaskLogs, routes!(api::journal::replay))
        .permission(Permission::RotateKeys, routes!(api::tasks::rotate))
        .permission(Permission::ViewTaskFunctions, routes!(api::functions::list))
        .permission_up_to(code::BODY_LIMIT_BYTES, Permission::CreateTaskFunction, routes!(api::functions::create))
        .permission(Permission::ViewTaskFunctionDetails, routes!(api::functions::get))
        .permission_up_to(code::BODY_LIMIT_BYTES, Permission::UpdateTaskFunction, routes!(api::functions::update))
        .permission(Permission::DeleteTaskFunction, routes!(api::functions::delete))
        .permission(Permission::UpdateTaskFunction, routes!(api::functions::enable))
        .permission(Permission::UpdateTaskFunction, routes!(api::functions::disable))
        .permission(Permission::ViewTaskFunctionDetails, routes!(api::versions::list))
        .permission(Permission::ViewTaskFunctionDetails, routes!(api::versions::get))
        .permission(Permission::UpdateTaskFunction, routes!(api::versions::rollback))
        .permission(Permission::RotateKeys, routes!(api::functions::rotate))
        .permission(Permission::ViewTaskLogs, routes!(api::logs::of_function))
        .finish(services.clone());
    let checks = [
        store::task::check(environment)?,
        store::journal::check(environment)?,
        store::function::check(environment)?,
        store::version::check(environment)?,
        store::code::check(environment)?,
        store::asset::check(environment)?,
        store::schedule::check(environment)?,
        store::history::check(environment)?,
        store::api_request::check(environment)?,
    ];
    Ok(Function::new(environment.seal()?, router, move |incoming| on_event(services.clone(), incoming))
        .with_checks(checks))
}

/// Adds the routes by which functions run at once, and answer requests.
fn direct_routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.decided_by_handler(Permission::ExecuteTaskFunction, BODY_LIMIT_BYTES, routes!(api::execute::execute))
        .decided_by_handler(
            Permission::ExecuteApiFunction,
            api_function::event::LIMIT_BYTES,
            routes!(api::api_functions::call_root),
        )
        .decided_by_handler(
            Permission::ExecuteApiFunction,
            api_function::event::LIMIT_BYTES,
            routes!(api::api_functions::call),
        )
        .permission(Permission::ViewApiFunctionRequests, routes!(api::api_requests::list))
        .permission(Permission::ViewApiFunctionRequestLogs, routes!(api::api_requests::logs))
        .permission(Permission::RotateKeys, routes!(api::api_requests::rotate))
}

/// Adds the routes of schedules.
fn schedule_routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::ViewTaskSchedules, routes!(api::schedules::list))
        .permission(Permission::CreateTaskSchedule, routes!(api::schedules::create))
        .permission(Permission::ViewTaskSchedules, routes!(api::schedules::preview))
        .permission(Permission::RotateKeys, routes!(api::schedules::rotate))
        .permission(Permission::ViewTaskSchedules, routes!(api::schedules::get))
        .permission(Permission::UpdateTaskSchedule, routes!(api::schedules::update))
        .permission(Permission::DeleteTaskSchedule, routes!(api::schedules::delete))
        .permission(Permission::UpdateTaskSchedule, routes!(api::schedules::start))
        .permission(Permission::UpdateTaskSchedule, routes!(api::schedules::stop))
        .permission(Permission::CreateTasks, routes!(api::schedules::run_now))
        .permission(Permission::ViewTaskSchedules, routes!(api::schedules::history))
        .permission(Permission::ViewTaskSchedules, routes!(api::schedules::next))
}

/// Adds the routes of jobs.
fn job_routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::ViewTaskSchedules, routes!(api::jobs::list))
        .permission(Permission::RunActions, routes!(api::jobs::create))
        .permission(Permission::ViewTaskSchedules, routes!(api::jobs::get))
        .permission(Permission::RunActions, routes!(api::jobs::update))
        .permission(Permission::DeleteTaskSchedule, routes!(api::jobs::delete))
        .permission(Permission::UpdateTaskSchedule, routes!(api::jobs::pause))
        .permission(Permission::UpdateTaskSchedule, routes!(api::jobs::resume))
        .permission(Permission::UpdateTaskSchedule, routes!(api::jobs::cancel))
        .permission(Permission::RunActions, routes!(api::jobs::retry))
        .permission(Permission::ViewTaskSchedules, routes!(api::jobs::history))
}

/// Adds the routes of Director's tasks, and of the files that they use.
fn director_routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.plain_errors("/api")
        .permission(Permission::ViewAssets, routes!(api::assets::list))
        .permission(Permission::ViewAssets, routes!(api::assets::get))
        .permission(Permission::UpdateAssets, routes!(api::assets::put))
        .permission(Permission::UpdateAssets, routes!(api::assets::delete))
        .permission(Permission::ViewTaskSchedules, routes!(api::director::list))
        .permission(Permission::CreateTaskSchedule, routes!(api::director::create))
        .permission(Permission::ViewTaskSchedules, routes!(api::director::get))
        .permission(Permission::UpdateTaskSchedule, routes!(api::director::update))
        .permission(Permission::DeleteTaskSchedule, routes!(api::director::delete))
        .permission(Permission::ViewTaskSchedules, routes!(api::director::status::get))
        .permission(Permission::UpdateTaskSchedule, routes!(api::director::status::change))
        .permission(Permission::ViewTaskSchedules, routes!(api::director::status::badge))
        .permission(Permission::ViewTaskSchedules, routes!(api::director::status::next))
        .permission(Permission::ViewTaskSchedules, routes!(api::director::status::history))
        .permission(Permission::ExecuteTaskFunction, routes!(api::director::execution::run))
        .permission(Permission::ExecuteTaskFunction, routes!(api::director::execution::run_by_put))
        .permission(Permission::ExecuteTaskFunction, routes!(api::director::execution::test))
        .public(routes!(api::director::info))
}

async fn on_event(services: Arc<Services>, incoming: Incoming) -> Result<(), Error> {
    match &incoming {
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK.event_type() => {
            on_task_requested::handle(&services, envelope).await
        }
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK_DUE => {
            start(&services, &envelope.content()?).await
        }
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK_CANCEL_REQUESTED => {
            let TaskCancelRequested { task_id } = envelope.content()?;
            api::tasks::cancel_new(&services, &envelope.tenant_id, &task_id).await.map(drop)
        }
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == SCHEDULE_DUE => {
            on_schedule::watch_one(&services, envelope.content()?).await
        }
        Incoming::Event { source, envelope } if source == STEP_SOURCE && envelope.kind == STEP_FINISHED => {
            match Box::pin(on_action_finished::handle(&services, envelope)).await? {
                Some(schedule) => on_schedule::settle_one(&services, schedule).await,
                None => Ok(()),
            }
        }
        Incoming::Schedule(input) if input.get("sweep").is_some_and(|swept| swept == on_sweep::TASKS) => {
            on_sweep::handle(&services).await
        }
        Incoming::Schedule(input) => match on_schedule::Input::read(input)? {
            on_schedule::Input::Minute => on_schedule::watch_minute(&services).await,
            on_schedule::Input::Schedule(due) => on_schedule::wake(&services, due).await,
            on_schedule::Input::Task(due) => start(&services, &due).await,
        },
        Incoming::Event { .. } | Incoming::Service { .. } => Err(incoming.unexpected()),
    }
}

/// Starts a task, and at its end the one that waits for it.
async fn start(services: &Services, due: &TaskDue) -> Result<(), Error> {
    match Box::pin(on_task_due::handle(services, due)).await? {
        Some(schedule) => on_schedule::settle_one(services, schedule).await,
        None => Ok(()),
    }
}
