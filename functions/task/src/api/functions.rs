//! Functions over HTTP: created, listed, shown, changed, enabled, disabled and deleted.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::auth::Caller;
use shared::http::{Affected, JsonBody, List};
use shared::list;
use shared::rql::Rql;
use shared::seal::Resealed;
use shared::{Refusal, permission};

use crate::access::Creator;
use crate::code::Code;
use crate::function_body::{FunctionBody, check_compiles, check_name, invalid_code};
use crate::services::Services;
use crate::store::function::{Change, Function, LIST_LIMIT};

/// A function as a list shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionSummary {
    /// The unique name.
    name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    update_timestamp: Timestamp,
}

/// A function as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FunctionView {
    #[serde(flatten)]
    function: Function,
    /// The code as it was sent: the text of a script, or a package as a zip archive in base64; absent for a function of AWS
    /// Lambda.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// How often a change is tried again that met another one.
pub(super) const ATTEMPTS: usize = 10;

/// Creates a function.
#[utoipa::path(
    post, path = "/tasks/v1/functions", tag = "functions", request_body = FunctionBody,
    responses((status = 200, description = "The function.", body = FunctionView))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(mut body): JsonBody<FunctionBody>,
) -> Result<Json<FunctionView>, Refusal> {
    let Services { functions, sandbox, clock, .. } = &*services;
    let tenant = caller.tenant_id();
    let code = body.take_code()?;
    let mut next = body.create(code.is_some(), clock.now())?;
    permission::require_all(&caller, next.permissions())?;
    if let Some(code) = &code {
        check_compiles(sandbox, tenant, &next, code.program().map_err(invalid_code)?).await?;
    }
    if functions.get(tenant, &next.name).await?.is_some() {
        return Err(Refusal::already_exists("function", &next.name));
    }
    if let Some(code) = &code {
        next.code = functions.upload(tenant, code, None).await?;
    }
    let (name, place) = (next.name.clone(), next.code.clone());
    let change = Change { former: None, next, creator: Creator::of(&caller), rollback_of: None };
    let Some(function) = functions.save(tenant, change).await? else {
        functions.discard(tenant, &place).await?;
        return Err(Refusal::already_exists("function", &name));
    };
    Ok(Json(FunctionView { function, code: code.as_ref().map(Code::as_sent) }))
}

/// Lists all functions by name, or a page of those that an RQL query names.
#[utoipa::path(
    get, path = "/tasks/v1/functions", tag = "functions",
    responses((status = 200, description = "The functions, without their code.", body = List<FunctionSummary>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let mut parsed = Rql::parse::<FunctionSummary>(query.as_deref())?;
    if query.is_none_or(|query| query.is_empty()) {
        parsed = parsed.unlimited();
    }
    let functions = services.functions.all(caller.tenant_id()).await?;
    let summary = |function: Function| {
        let Function { name, description, update_timestamp, .. } = function;
        FunctionSummary { name, description, update_timestamp }
    };
    let data: Vec<FunctionSummary> = functions.into_iter().map(summary).collect();
    list::items(&parsed, data, LIST_LIMIT).map(Json)
}

/// Shows a function.
#[utoipa::path(
    get, path = "/tasks/v1/functions/{name}", tag = "functions",
    responses((status = 200, description = "The function.", body = FunctionView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<FunctionView>, Refusal> {
    for _ in 0..ATTEMPTS {
        let function = known(&services, &caller, &name).await?;
        if let Some(code) = services.functions.code(caller.tenant_id(), &function).await? {
            return Ok(Json(FunctionView {
                code: Some(code.as_sent()).filter(|_| !function.code.is_empty()),
                function,
            }));
        }
    }
    Err(busy(&name))
}

/// Changes a function; absent fields stay as they are.
///
/// One with `executionCredentials` is changed only by a caller that holds their permissions, as its script uses them.
#[utoipa::path(
    put, path = "/tasks/v1/functions/{name}", tag = "functions", request_body = FunctionBody,
    responses((status = 200, description = "The function was changed.", body = Affected))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<FunctionBody>,
) -> Result<Json<Affected>, Refusal> {
    change(&services, &caller, &name, body).await
}

/// Lets tasks run a function again.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/enable", tag = "functions",
    responses((status = 200, description = "The function is enabled.", body = Affected))
)]
pub(crate) async fn enable(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    change(&services, &caller, &name, FunctionBody { enabled: Some(true), ..FunctionBody::default() }).await
}

/// Stops tasks from running a function.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/disable", tag = "functions",
    responses((status = 200, description = "The function is disabled.", body = Affected))
)]
pub(crate) async fn disable(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    change(&services, &caller, &name, FunctionBody { enabled: Some(false), ..FunctionBody::default() }).await
}

/// Deletes a function; tasks that have not started will fail.
#[utoipa::path(
    delete, path = "/tasks/v1/functions/{name}", tag = "functions",
    responses((status = 200, description = "The function was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    check_name("name", &name)?;
    match services.functions.delete(caller.tenant_id(), &name).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("function", &name)),
    }
}

/// Seals the environment variables of a batch of functions with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/tasks/v1/functions/rotate", tag = "functions",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed))
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.functions.reseal().await?))
}

async fn change(
    services: &Services,
    caller: &Caller,
    name: &str,
    mut body: FunctionBody,
) -> Result<Json<Affected>, Refusal> {
    let Services { functions, sandbox, clock, .. } = services;
    let tenant = caller.tenant_id();
    let code = body.take_code()?;
    let mut place = None;
    for _ in 0..ATTEMPTS {
        let former = known(services, caller, name).await?;
        let mut next = body.clone().change(former.clone(), code.is_some(), clock.now())?;
        // Whoever changes what a script does, or who can run it, uses its permissions; to stop it takes none of them.
        if next.enabled || !next.runs_as(&former) || code.is_some() || next.permissions() != former.permissions() {
            permission::require_all(caller, former.permissions())?;
            permission::require_all(caller, next.permissions())?;
        }
        let program = match &code {
            Some(code) => Some(code.program().map_err(invalid_code)?),
            None if next.entry_point != former.entry_point && !former.code.is_empty() => {
                Some(functions.program(tenant, &former).await?)
            }
            None => None,
        };
        if let Some(program) = program {
            check_compiles(sandbox, tenant, &next, program).await?;
        }
        if let Some(code) = &code {
            next.code = match place.clone() {
                Some(place) => place,
                None => functions.upload(tenant, code, Some(&former)).await?,
            };
            place = Some(next.code.clone()).filter(|place| *place != former.code);
        }
        let change = Change { former: Some(&former), next, creator: Creator::of(caller), rollback_of: None };
        if functions.save(tenant, change).await?.is_some() {
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(busy(name))
}

/// Refuses a change that met others again and again.
pub(super) fn busy(name: &str) -> Refusal {
    Refusal::illegal_state(format!("the function `{name}` is being changed by others; try again"))
}

pub(super) async fn known(services: &Services, caller: &Caller, name: &str) -> Result<Function, Refusal> {
    check_name("name", name)?;
    let function = services.functions.get(caller.tenant_id(), name).await?;
    function.ok_or_else(|| Refusal::unknown("function", name))
}
