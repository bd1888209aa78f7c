//! Director's periodic tasks over HTTP: created, listed, shown, changed and deleted.

mod body;
pub(crate) mod execution;
pub(crate) mod status;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::rql;
use shared::{Error, Refusal};

use self::body::Verbatim;
pub(crate) use self::body::{DirectorTask, TestBody};
use super::schedules::blank;
use crate::access::Creator;
use crate::director::definition::{Definition, check_id};
use crate::director::document::{Answered, answered, document, has_all, matches};
use crate::director::timing::Given;
use crate::schedule::lifecycle;
use crate::scripts::url::ScriptUrl;
use crate::services::Services;
use crate::store::schedule::{LIST_LIMIT, Program, Schedule};

/// How often a change is tried again that meets another one.
const ATTEMPTS: usize = 10;

/// The answer to a change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Done {
    /// A number like that of an HTTP status.
    code: u16,
    /// What was done.
    message: &'static str,
}

/// What this service is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Info {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// What it does.
    description: &'static str,
}

/// Lists the tasks; each parameter names a property and the text that it must have.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "director",
    responses((status = 200, description = "All tasks with these properties.", body = Vec<DirectorTask>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Answered>>, Refusal> {
    let query = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let query: Vec<(String, String)> = query.into_owned().collect();
    let schedules = all(&services, &caller).await?;
    let found =
        schedules.iter().filter(|schedule| document(schedule).is_some_and(|document| matches(&document, &query)));
    Ok(Json(found.filter_map(answered).collect()))
}

/// Creates a task, or replaces the one with its id.
///
/// A task that has every property of the body exists already.
#[utoipa::path(
    post, path = "/api/v1/tasks", tag = "director", request_body = DirectorTask,
    responses((status = 200, description = "The task, with its id.", body = DirectorTask))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    body: Verbatim,
) -> Result<Json<Answered>, Refusal> {
    let mut given = body.fields.clone();
    given.retain(|_, value| !value.is_null());
    let definition = definition(&services, &caller, body).await?;
    let id = definition.id.clone().unwrap_or_else(|| services.ids.uuid().to_string());
    // What can never be a task is refused whatever else exists.
    built(&services, &caller, &definition, &id)?;
    for _ in 0..ATTEMPTS {
        let existing = match &definition.id {
            Some(id) => find(&services, &caller, id).await?.into_iter().collect(),
            None => all(&services, &caller).await?,
        };
        if existing.iter().filter_map(document).any(|existing| has_all(&existing, &given)) {
            return Err(bad("Task already exists"));
        }
        let written = match existing.is_empty() || definition.id.is_none() {
            true => create_under(&services, &caller, &definition, &id).await?,
            false => replace(&services, &caller, &definition, &id).await?,
        };
        if let Some(written) = written {
            return shown(&written);
        }
    }
    Err(contended())
}

/// Shows a task.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", tag = "director",
    responses((status = 200, description = "The task.", body = DirectorTask))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Answered>, Refusal> {
    shown(&known(&services, &caller, &id).await?)
}

/// Replaces a task by the body; another id in the body renames it.
#[utoipa::path(
    put, path = "/api/v1/tasks/{id}", tag = "director", request_body = DirectorTask,
    responses((status = 200, description = "The task was changed.", body = Done))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Verbatim,
) -> Result<Json<Done>, Refusal> {
    known(&services, &caller, &id).await?;
    let definition = definition(&services, &caller, body).await?;
    let new_id = definition.id.clone().filter(|new_id| *new_id != id);
    for _ in 0..ATTEMPTS {
        let former = known(&services, &caller, &id).await?;
        let is_done = match &new_id {
            None => replace(&services, &caller, &definition, &id).await?.is_some(),
            Some(new_id) => {
                check_free(&services, &caller, new_id).await?;
                let mut renamed = built(&services, &caller, &definition, new_id)?;
                lifecycle::rename(&services, &former, &mut renamed).await?
            }
        };
        if is_done {
            return Ok(Json(Done { code: 201, message: "Updated" }));
        }
    }
    Err(contended())
}

/// Deletes a task, also one that is running.
#[utoipa::path(
    delete, path = "/api/v1/tasks/{id}", tag = "director",
    responses((status = 202, description = "The task was deleted.", body = Done))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Done>), Refusal> {
    known(&services, &caller, &id).await?;
    match lifecycle::delete(&services, caller.tenant_id(), &id).await? {
        true => Ok((StatusCode::ACCEPTED, Json(Done { code: 202, message: "Deleted" }))),
        false => Err(unknown()),
    }
}

/// Says what this service is.
#[utoipa::path(
    get, path = "/api/v1/info", tag = "director",
    responses((status = 200, description = "What this service is.", body = Info))
)]
pub(crate) async fn info() -> Json<Info> {
    let description = "Runs tasks periodically and on demand.";
    Json(Info { name: "hookyard", version: env!("CARGO_PKG_VERSION"), description })
}

/// Reads a definition, with the settings beside its script where that is an own asset.
async fn definition(services: &Services, caller: &Caller, body: Verbatim) -> Result<Definition, Refusal> {
    let Verbatim { fields, texts } = body;
    let definition = Definition::read(fields, texts.get("config").map(String::as_str))?;
    let script = services.functions.scripts.parse(&definition.script);
    let script = script.map_err(|rule| Refusal::field("script", rule))?;
    let settings = match script {
        ScriptUrl::Asset(name) => name.settings(),
        ScriptUrl::Elsewhere(_) => None,
    };
    let Some(settings) = settings else { return Ok(definition) };
    let Some(settings) = services.assets.get(caller.tenant_id(), &settings).await? else { return Ok(definition) };
    let fields: Map<String, Value> = serde_json::from_str(&settings.content).unwrap_or_default();
    Ok(definition.with_settings(Given::read(&fields)?))
}

/// Creates a task under an id; `None` if another one has it.
async fn create_under(
    services: &Services,
    caller: &Caller,
    definition: &Definition,
    id: &str,
) -> Result<Option<Schedule>, Refusal> {
    check_free(services, caller, id).await?;
    let mut schedule = built(services, caller, definition, id)?;
    Ok(lifecycle::create(services, &mut schedule).await?.then_some(schedule))
}

/// Replaces what a task is; `None` if it is gone.
async fn replace(
    services: &Services,
    caller: &Caller,
    definition: &Definition,
    id: &str,
) -> Result<Option<Schedule>, Refusal> {
    let now = services.clock.now();
    lifecycle::change(services, caller.tenant_id(), id, |schedule| definition.put_into(schedule, now)).await
}

/// Builds a new schedule under an id.
fn built(services: &Services, caller: &Caller, definition: &Definition, id: &str) -> Result<Schedule, Refusal> {
    let now = services.clock.now();
    let mut schedule = Schedule { schedule_id: id.to_owned(), ..blank(services, caller.tenant_id(), now) };
    schedule.creator = Creator::of(caller);
    definition.put_into(&mut schedule, now)?;
    Ok(schedule)
}

/// Refuses an id that another task, or the schedule of a function, has.
async fn check_free(services: &Services, caller: &Caller, id: &str) -> Result<(), Refusal> {
    match services.schedules.get(caller.tenant_id(), id, services.clock.now()).await? {
        Some(other) if is_script(&other) => Err(bad("Task already exists")),
        Some(_) => Err(Refusal::field("id", "is that of a job, or of the schedule of a function")),
        None => Ok(()),
    }
}

/// Reads all tasks of the caller's tenant.
async fn all(services: &Services, caller: &Caller) -> Result<Vec<Schedule>, Refusal> {
    let schedules = services.schedules.list(caller.tenant_id(), services.clock.now()).await?;
    let mut schedules = rql::within(schedules, LIST_LIMIT)?;
    schedules.retain(is_script);
    Ok(schedules)
}

async fn find(services: &Services, caller: &Caller, id: &str) -> Result<Option<Schedule>, Error> {
    if check_id(id).is_err() {
        return Ok(None);
    }
    let found = services.schedules.get(caller.tenant_id(), id, services.clock.now()).await?;
    Ok(found.filter(is_script))
}

async fn known(services: &Services, caller: &Caller, id: &str) -> Result<Schedule, Refusal> {
    find(services, caller, id).await?.ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, 16, "RESOURCE_UNKNOWN_EXCEPTION", "Not Found")
}

fn shown(schedule: &Schedule) -> Result<Json<Answered>, Refusal> {
    answered(schedule).map(Json).ok_or_else(unknown)
}

fn is_script(schedule: &Schedule) -> bool {
    matches!(schedule.program, Program::Script { .. })
}

fn bad(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, 27, "ILLEGAL_STATE_EXCEPTION", message)
}

fn contended() -> Refusal {
    Error::new("change a task", "others change it at the same time").into()
}
