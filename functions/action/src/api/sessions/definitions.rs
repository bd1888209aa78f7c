//! Definitions of sessions over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::http::{Affected, JsonBody, List};
use shared::list;
use shared::rql::Rql;

use super::{known, of_path, unknown};
use crate::services::Services;
use crate::session::{Definition, DefinitionChange, NewDefinition};
use crate::store::owner::Owner;
use crate::store::session::{DefinitionRecord, LIST_LIMIT};

/// Defines what the sessions of a tag of a product are like.
#[utoipa::path(
    post, path = "/sessions", tag = "sessions", request_body = NewDefinition,
    responses((status = 200, description = "The definition.", body = Definition))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewDefinition>,
) -> Result<Json<Definition>, Refusal> {
    let definition = new.checked(services.clock.now())?;
    let record = DefinitionRecord::new(caller.tenant_id(), definition, services.ids.hex24());
    match services.sessions.define(&record).await? {
        true => Ok(Json(record.definition)),
        false => Err(Refusal::already_exists("session", record.definition.tag.as_str())),
    }
}

/// Lists the definitions of all products; the query string is RQL.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions",
    responses((status = 200, description = "One page of definitions.", body = List<Definition>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Definition>(query.as_deref())?;
    let records = services.sessions.definitions(caller.tenant_id()).await?;
    let definitions: Vec<Definition> = records.into_iter().map(|record| record.definition).collect();
    list::items(&query, definitions, LIST_LIMIT).map(Json)
}

/// Shows a definition.
#[utoipa::path(
    get, path = "/sessions/{product}/{tag}", tag = "sessions",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The definition.", body = Definition))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<Definition>, Refusal> {
    let (product, tag) = of_path(&path)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    Ok(Json(known(&services, owner).await?.definition))
}

/// Changes a definition; sessions that were started keep their data, and tokens that were issued their expiry.
#[utoipa::path(
    put, path = "/sessions/{product}/{tag}", tag = "sessions", request_body = DefinitionChange,
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The definition as it is now.", body = Definition))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    JsonBody(change): JsonBody<DefinitionChange>,
) -> Result<Json<Definition>, Refusal> {
    let (product, tag) = of_path(&path)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let mut record = known(&services, owner).await?;
    record.definition = change.apply(record.definition, services.clock.now())?;
    match services.sessions.change(&record).await? {
        true => Ok(Json(record.definition)),
        false => Err(Refusal::illegal_state("the session was changed at the same time, read it and try again")),
    }
}

/// Deletes a definition, and with it ends all of its sessions at once.
#[utoipa::path(
    delete, path = "/sessions/{product}/{tag}", tag = "sessions",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The definition was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<Affected>, Refusal> {
    let (product, tag) = of_path(&path)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let deleted = services.sessions.delete_definition(owner).await?.ok_or_else(|| unknown(tag.as_str()))?;
    // What a crash or the limit leaves is good for nothing, and is removed in its time.
    services.sessions.remove(owner, &deleted.definition_id).await?;
    Ok(Json(Affected { affected_records: 1 }))
}
