//! Functions over HTTP: created, listed, shown, changed, enabled, disabled and deleted.

use axum::Json;
use axum::extract::{Path, State};
use shared::Refusal;
use shared::clock::Clock;
use shared::http::{Affected, ErrorBody, JsonBody, List, Page};

use crate::function_body::FunctionBody;
use crate::function_view::FunctionSummary;
use crate::store::Store;
use crate::store::function::Function;

/// Creates a function.
#[utoipa::path(
    post, path = "/tasks/v1/functions", tag = "functions", request_body = FunctionBody,
    responses(
        (status = 200, description = "The function.", body = Function),
        (status = 400, description = "A field breaks a rule, or the name is taken.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(store): State<Store>,
    State(clock): State<Clock>,
    JsonBody(body): JsonBody<FunctionBody>,
) -> Result<Json<Function>, Refusal> {
    let function = body.create(clock.now()).await?;
    if !store.functions.create(&function).await? {
        return Err(Refusal::already_exists("function", &function.name));
    }
    Ok(Json(function))
}

/// Lists all functions by name.
#[utoipa::path(
    get, path = "/tasks/v1/functions", tag = "functions",
    responses((status = 200, description = "The functions, without their code.", body = List<FunctionSummary>))
)]
pub(crate) async fn list(State(store): State<Store>) -> Result<Json<List<FunctionSummary>>, Refusal> {
    let mut functions = store.functions.all().await?;
    functions.sort_by(|left, right| left.name.cmp(&right.name));
    let data: Vec<FunctionSummary> = functions.into_iter().map(FunctionSummary::from).collect();
    let page = Page { total: Some(data.len()), offset: 0, limit: data.len() };
    Ok(Json(List { page, data }))
}

/// Shows a function.
#[utoipa::path(
    get, path = "/tasks/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function.", body = Function),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn get(State(store): State<Store>, Path(name): Path<String>) -> Result<Json<Function>, Refusal> {
    known(&store, &name).await.map(Json)
}

/// Changes a function; absent fields stay as they are.
#[utoipa::path(
    put, path = "/tasks/v1/functions/{name}", tag = "functions", request_body = FunctionBody,
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function was changed.", body = Affected),
        (status = 400, description = "A field breaks a rule.", body = ErrorBody),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn update(
    State(store): State<Store>,
    State(clock): State<Clock>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<FunctionBody>,
) -> Result<Json<Affected>, Refusal> {
    change(&store, &clock, &name, body).await
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
    State(store): State<Store>,
    State(clock): State<Clock>,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    change(&store, &clock, &name, FunctionBody { enabled: Some(true), ..FunctionBody::default() }).await
}

/// Stops tasks from running a function.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/disable", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function is disabled.", body = Affected),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn disable(
    State(store): State<Store>,
    State(clock): State<Clock>,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    change(&store, &clock, &name, FunctionBody { enabled: Some(false), ..FunctionBody::default() }).await
}

/// Deletes a function; tasks that have not started will fail.
#[utoipa::path(
    delete, path = "/tasks/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function's name.")),
    responses(
        (status = 200, description = "The function was deleted.", body = Affected),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn delete(State(store): State<Store>, Path(name): Path<String>) -> Result<Json<Affected>, Refusal> {
    match store.functions.delete(&name).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("function", &name)),
    }
}

async fn change(store: &Store, clock: &Clock, name: &str, body: FunctionBody) -> Result<Json<Affected>, Refusal> {
    let changed = body.change(known(store, name).await?, clock.now()).await?;
    match store.functions.replace(&changed).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("function", name)),
    }
}

async fn known(store: &Store, name: &str) -> Result<Function, Refusal> {
    store.functions.get(name).await?.ok_or_else(|| Refusal::unknown("function", name))
}
