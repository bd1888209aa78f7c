//! Definitions of caches over HTTP.

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
use crate::cache::{Definition, DefinitionChange, NewDefinition};
use crate::services::Services;
use crate::store::cache::{DefinitionRecord, LIST_LIMIT};
use crate::store::owner::Owner;

/// Creates a cache of a product.
#[utoipa::path(
    post, path = "/caches", tag = "caches", request_body = NewDefinition,
    responses((status = 200, description = "The cache.", body = Definition))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewDefinition>,
) -> Result<Json<Definition>, Refusal> {
    let definition = new.checked(services.clock.now())?;
    let record = DefinitionRecord::new(caller.tenant_id(), definition, services.ids.hex24());
    match services.caches.define(&record).await? {
        true => Ok(Json(record.definition)),
        false => Err(Refusal::already_exists("cache", record.definition.tag.as_str())),
    }
}

/// Lists the caches of all products; the query string is RQL.
#[utoipa::path(
    get, path = "/caches", tag = "caches",
    responses((status = 200, description = "One page of caches.", body = List<Definition>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Definition>(query.as_deref())?;
    let records = services.caches.definitions(caller.tenant_id()).await?;
    let definitions: Vec<Definition> = records.into_iter().map(|record| record.definition).collect();
    list::items(&query, definitions, LIST_LIMIT).map(Json)
}

/// Shows a cache.
#[utoipa::path(
    get, path = "/caches/{product}/{tag}", tag = "caches",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The cache.", body = Definition))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
) -> Result<Json<Definition>, Refusal> {
    let (product, tag) = of_path(&product, &tag)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    Ok(Json(known(&services, owner).await?.definition))
}

/// Changes a cache; values that are stored already last as long as before.
#[utoipa::path(
    put, path = "/caches/{product}/{tag}", tag = "caches", request_body = DefinitionChange,
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The cache as it is now.", body = Definition))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
    JsonBody(change): JsonBody<DefinitionChange>,
) -> Result<Json<Definition>, Refusal> {
    let (product, tag) = of_path(&product, &tag)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let mut record = known(&services, owner).await?;
    record.definition = change.apply(record.definition, services.clock.now())?;
    match services.caches.change(&record).await? {
        true => Ok(Json(record.definition)),
        false => Err(Refusal::illegal_state("the cache was changed at the same time, read it and try again")),
    }
}

/// Deletes a cache; none of its values is found any more, and up to 1,000 of them are removed at once.
#[utoipa::path(
    delete, path = "/caches/{product}/{tag}", tag = "caches",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The cache was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
) -> Result<Json<Affected>, Refusal> {
    let (product, tag) = of_path(&product, &tag)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let Some(mut deleted) = services.caches.delete_definition(owner).await? else {
        return Err(unknown(tag.as_str()));
    };
    // What a crash or the limit leaves is not found, and is removed when it ends.
    deleted.generation = services.ids.hex24();
    services.caches.remove_former(&deleted).await?;
    Ok(Json(Affected { affected_records: 1 }))
}
