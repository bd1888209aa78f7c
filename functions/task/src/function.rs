//! Functions over HTTP: created, listed, shown, changed, enabled, disabled and deleted.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Serialize;
use shared::Refusal;
use shared::http::{Affected, ErrorBody, JsonBody, List, Page};

use crate::Tasks;
use crate::definition::DefinitionBody;
use crate::record::Definition;

/// A function as a list shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionSummary {
    /// The unique name.
    name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    update_timestamp: Timestamp,
}

/// Creates a function.
#[utoipa::path(
    post, path = "/tasks/v1/functions", tag = "functions", request_body = DefinitionBody,
    responses(
        (status = 200, description = "The function.", body = Definition),
        (status = 400, description = "A field breaks a rule, or the name is taken.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(tasks): State<Arc<Tasks>>,
    JsonBody(body): JsonBody<DefinitionBody>,
) -> Result<Json<Definition>, Refusal> {
    let definition = body.create(tasks.clock.now()).await?;
    if !tasks.store.create_definition(&definition).await? {
        return Err(Refusal::already_exists("function", &definition.name));
    }
    Ok(Json(definition))
}

/// Lists all functions by name.
#[utoipa::path(
    get, path = "/tasks/v1/functions", tag = "functions",
    responses((status = 200, description = "The functions, without their code.", body = List<DefinitionSummary>))
)]
pub(crate) async fn list(State(tasks): State<Arc<Tasks>>) -> Result<Json<List<DefinitionSummary>>, Refusal> {
    let mut definitions = tasks.store.definitions().await?;
    definitions.sort_by(|left, right| left.name.cmp(&right.name));
    let data: Vec<DefinitionSummary> = definitions
        .into_iter()
        .map(|Definition { name, description, update_timestamp, .. }| DefinitionSummary {
            name,
            description,
            update_timestamp,
        })
        .collect();
    let page = Page { total: Some(data.len()), offset: 0, limit: data.len() };
    Ok(Json(List { page, data }))
}

/// Shows a function.
#[utoipa::path(
    get, path = "/tasks/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function.", body = Definition),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn get(
    State(tasks): State<Arc<Tasks>>,
    Path(name): Path<String>,
) -> Result<Json<Definition>, Refusal> {
    known(&tasks, &name).await.map(Json)
}

/// Changes a function; what the body does not name stays.
#[utoipa::path(
    put, path = "/tasks/v1/functions/{name}", tag = "functions", request_body = DefinitionBody,
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function is changed.", body = Affected),
        (status = 400, description = "A field breaks a rule.", body = ErrorBody),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn update(
    State(tasks): State<Arc<Tasks>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<DefinitionBody>,
) -> Result<Json<Affected>, Refusal> {
    change(&tasks, &name, body).await
}

/// Lets tasks run a function again.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/enable", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function is enabled.", body = Affected),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn enable(
    State(tasks): State<Arc<Tasks>>,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    change(&tasks, &name, DefinitionBody { enabled: Some(true), ..DefinitionBody::default() }).await
}

/// Lets no task run a function.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/disable", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function is disabled.", body = Affected),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn disable(
    State(tasks): State<Arc<Tasks>>,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    change(&tasks, &name, DefinitionBody { enabled: Some(false), ..DefinitionBody::default() }).await
}

/// Deletes a function; tasks that wait for their time will fail.
#[utoipa::path(
    delete, path = "/tasks/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function is deleted.", body = Affected),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn delete(
    State(tasks): State<Arc<Tasks>>,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    match tasks.store.delete_definition(&name).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("function", &name)),
    }
}

async fn change(tasks: &Tasks, name: &str, body: DefinitionBody) -> Result<Json<Affected>, Refusal> {
    let changed = body.change(known(tasks, name).await?, tasks.clock.now()).await?;
    match tasks.store.replace_definition(&changed).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("function", name)),
    }
}

async fn known(tasks: &Tasks, name: &str) -> Result<Definition, Refusal> {
    tasks.store.definition(name).await?.ok_or_else(|| Refusal::unknown("function", name))
}
