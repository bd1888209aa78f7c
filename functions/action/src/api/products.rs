//! Products over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::event::TenantId;
use shared::http::{Affected, Api, JsonBody, List};
use shared::json::Problem;
use shared::list;
use shared::rql::Rql;
use utoipa_axum::routes;

use super::body::{self, ATTEMPTS, Shown, busy, tag};
use super::connections;
use crate::product::{Product, rules};
use crate::services::Services;
use crate::store::catalog::Stored;
use crate::store::product::LIST_LIMIT;

/// What only the server sets.
const COUNTED: [&str; 1] = ["access_tags"];

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    let api = api
        .permission(Permission::CreateApps, routes!(create))
        .permission(Permission::ViewApps, routes!(list))
        .permission(Permission::ViewApps, routes!(get))
        .permission(Permission::UpdateApps, routes!(update))
        .permission(Permission::DeleteApps, routes!(delete));
    connections::routes(api)
}

/// Creates a product.
#[utoipa::path(
    post, path = "/products", tag = "products",
    request_body(content = Product, example = json!({
        "tag": "shop", "name": "Shop", "envs": [{"slug": "dev", "env_name": "development"}, {"slug": "prd"}],
    })),
    responses((status = 200, description = "The product.", body = Shown<Product>))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<Product>>, Refusal> {
    let product: Product = body::created(body, &COUNTED)?;
    rules::check(&product)?;
    if !services.products.create(caller.tenant_id(), &product).await? {
        return Err(Refusal::already_exists("product", product.tag.as_str()));
    }
    Ok(Json(Shown::new(known(&services, caller.tenant_id(), product.tag.as_str()).await?)))
}

/// Lists the products by tag; the query string is RQL.
#[utoipa::path(
    get, path = "/products", tag = "products",
    responses((status = 200, description = "One page of products.", body = List<Shown<Product>>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Shown<Product>>(query.as_deref())?;
    let products = services.products.all(caller.tenant_id()).await?;
    list::items(&query, products.into_iter().map(Shown::new).collect(), LIST_LIMIT).map(Json)
}

/// Shows a product.
#[utoipa::path(
    get, path = "/products/{tag}", tag = "products",
    responses((status = 200, description = "The product.", body = Shown<Product>))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(product): Path<String>,
) -> Result<Json<Shown<Product>>, Refusal> {
    Ok(Json(Shown::new(known(&services, caller.tenant_id(), &product).await?)))
}

/// Changes a product; absent fields stay as they are, and the list of environments is replaced as a whole.
///
/// An environment that an access tag uses cannot go. What the server sets may be sent back and is ignored.
#[utoipa::path(
    put, path = "/products/{tag}", tag = "products",
    request_body(content = Object, description = "The fields to change, which are those of `POST /products`.", example = json!({"name": "The shop"})),
    responses((status = 200, description = "The product as it is now.", body = Shown<Product>))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(product): Path<String>,
    JsonBody(change): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<Product>>, Refusal> {
    let tenant = caller.tenant_id();
    for _ in 0..ATTEMPTS {
        let former = known(&services, tenant, &product).await?;
        let next: Product = body::changed(&former.value, &change, &["tag"], &COUNTED)?;
        rules::check(&next)?;
        check_used_envs(&services, tenant, &former.value, &next).await?;
        if services.products.replace(tenant, &former, &next).await? {
            return Ok(Json(Shown::new(known(&services, tenant, &product).await?)));
        }
    }
    Err(busy("product", &tag("product", &product)?))
}

/// Deletes a product that has no access tags.
#[utoipa::path(
    delete, path = "/products/{tag}", tag = "products",
    responses((status = 200, description = "The product was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(product): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    let tenant = caller.tenant_id();
    for _ in 0..ATTEMPTS {
        let former = known(&services, tenant, &product).await?;
        if former.value.access_tags > 0 {
            let connections = services.products.connections(tenant, &former.value.tag).await?;
            let shown = connections.iter().take(10).map(|stored| format!("`{}`", stored.value.access_tag));
            let more = if connections.len() > 10 { " and more" } else { "" };
            let tags = shown.collect::<Vec<_>>().join(", ");
            return Err(Refusal::illegal_state(format!("the product `{product}` has the access tags {tags}{more}")));
        }
        if services.products.delete(tenant, &former).await? {
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(busy("product", &tag("product", &product)?))
}

/// Refuses to take an environment from a product that an access tag uses.
async fn check_used_envs(
    services: &Services,
    tenant: &TenantId,
    former: &Product,
    next: &Product,
) -> Result<(), Refusal> {
    let is_kept = |slug: &crate::tag::Slug| next.envs.iter().any(|env| env.slug == *slug);
    if former.access_tags == 0 || former.envs.iter().all(|env| is_kept(&env.slug)) {
        return Ok(());
    }
    for Stored { value: connection, .. } in services.products.connections(tenant, &former.tag).await? {
        if let Some(env) = connection.envs.iter().find(|env| !is_kept(&env.product_env_slug)) {
            let (slug, access_tag) = (&env.product_env_slug, &connection.access_tag);
            return Err(Problem::field("envs", format!("must keep `{slug}`, which `{access_tag}` uses")).into());
        }
    }
    Ok(())
}

/// Reads a product of the tenant.
pub(super) async fn known(services: &Services, tenant: &TenantId, product: &str) -> Result<Stored<Product>, Refusal> {
    let found = services.products.find(tenant, &tag("product", product)?).await?;
    found.ok_or_else(|| Refusal::unknown("product", product))
}
