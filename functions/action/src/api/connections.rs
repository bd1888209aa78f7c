//! The access tags of products over HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Map, Value};
use shared::auth::{Caller, Permission};
use shared::event::TenantId;
use shared::http::{Affected, Api, JsonBody, List};
use shared::json::Problem;
use shared::list;
use shared::rql::Rql;
use shared::{Error, Refusal};
use utoipa_axum::routes;

use super::apps;
use super::body::{self, ATTEMPTS, Shown, busy, tag};
use super::products;
use crate::product::{AuthData, Connection, ConnectionEnv, Place, Product, rules};
use crate::services::Services;
use crate::store::catalog::Stored;
use crate::store::product::{ACCESS_TAG_LIMIT, Connecting};
use crate::tag::{TAG_LIMIT_CHARACTERS, Tag};

/// Adds the routes.
pub(super) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::UpdateApps, routes!(create))
        .permission(Permission::ViewApps, routes!(list))
        .permission(Permission::ViewApps, routes!(get))
        .permission(Permission::UpdateApps, routes!(update))
        .permission(Permission::UpdateApps, routes!(delete))
}

/// Connects an app to a product, under an access tag that is chosen or made of the tags of both.
///
/// An app can be connected several times. The `data` of auths are credentials: they are kept apart, sealed, and never
/// shown.
#[utoipa::path(
    post, path = "/products/{tag}/apps", tag = "products",
    request_body(content = Connection, example = json!({
        "app": "crm", "access_tag": "crm_europe",
        "envs": [{
            "product_env_slug": "prd", "app_env_slug": "prd",
            "variables": [{"key": "region", "value": "eu"}],
            "auth": [{"auth_tag": "key", "data": {"key": "the API key"}}],
        }],
    })),
    responses((status = 200, description = "The access tag and what it stands for.", body = Shown<Connection>))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(product): Path<String>,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<Connection>>, Refusal> {
    let tenant = caller.tenant_id();
    let chosen = body.get("access_tag").is_some_and(|given| !given.is_null());
    if !chosen {
        body.insert("access_tag".to_owned(), "-".into());
    }
    let mut given: Connection = body::created(body, &[])?;
    for _ in 0..ATTEMPTS {
        let owner = products::known(&services, tenant, &product).await?.value;
        if !chosen {
            given.access_tag = free_tag(&services, tenant, &owner.tag, &given.app).await?;
        }
        check(&services, tenant, &owner, &given, None).await?;
        let kept = merged(&given, None)?;
        match services.products.connect(tenant, &owner.tag, &kept).await? {
            Connecting::Connected => {
                keep_data(&services, tenant, &owner.tag, &given).await?;
                return shown(&services, tenant, &owner.tag, &given.access_tag).await;
            }
            Connecting::Exists if chosen => {
                return Err(Refusal::already_exists("access tag", given.access_tag.as_str()));
            }
            Connecting::Exists => {}
            Connecting::UnknownProduct => return Err(Refusal::unknown("product", &product)),
            Connecting::UnknownApp => return Err(unknown_app(&given.app)),
            Connecting::TooMany => {
                let message = format!("an app or a product can have {ACCESS_TAG_LIMIT} access tags");
                return Err(Refusal::illegal_state(message));
            }
        }
    }
    Err(busy("product", &tag("product", &product)?))
}

/// Lists the access tags of a product; the query string is RQL.
#[utoipa::path(
    get, path = "/products/{tag}/apps", tag = "products",
    responses((status = 200, description = "One page of access tags.", body = List<Shown<Connection>>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(product): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Shown<Connection>>(query.as_deref())?;
    let product = products::known(&services, caller.tenant_id(), &product).await?.value.tag;
    let connections = services.products.connections(caller.tenant_id(), &product).await?;
    list::few(&query, &connections.into_iter().map(Shown::new).collect::<Vec<_>>()).map(Json)
}

/// Shows what an access tag stands for, without credentials.
#[utoipa::path(
    get, path = "/products/{tag}/apps/{access_tag}", tag = "products",
    responses((status = 200, description = "The access tag and what it stands for.", body = Shown<Connection>))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, access_tag)): Path<(String, String)>,
) -> Result<Json<Shown<Connection>>, Refusal> {
    Ok(Json(Shown::new(known(&services, caller.tenant_id(), &product, &access_tag).await?.1)))
}

/// Changes what an access tag stands for; absent fields stay as they are, and lists are replaced as a whole.
///
/// An auth of `envs` without `data` keeps the credentials that it has; one that is left out loses them.
#[utoipa::path(
    put, path = "/products/{tag}/apps/{access_tag}", tag = "products",
    request_body(content = Object, description = "The fields to change, which are those of `POST /products/{tag}/apps`.", example = json!({"fallbacks": [{"app": "crm_backup"}]})),
    responses((status = 200, description = "The access tag and what it stands for now.", body = Shown<Connection>))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, access_tag)): Path<(String, String)>,
    JsonBody(change): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<Connection>>, Refusal> {
    let tenant = caller.tenant_id();
    for _ in 0..ATTEMPTS {
        let (owner, former) = known(&services, tenant, &product, &access_tag).await?;
        let given: Connection = body::changed(&former.value, &change, &["access_tag", "app"], &[])?;
        check(&services, tenant, &owner.value, &given, Some(&former.value)).await?;
        let kept = merged(&given, Some(&former.value))?;
        // Credentials go first: what is interrupted here leaves too little behind, never too much.
        forget(&services, tenant, &owner.value.tag, &former.value, &kept).await?;
        if services.products.replace_connection(tenant, &owner, &former, &kept).await? {
            keep_data(&services, tenant, &owner.value.tag, &given).await?;
            return shown(&services, tenant, &owner.value.tag, &kept.access_tag).await;
        }
    }
    Err(busy("access tag", &tag("access tag", &access_tag)?))
}

/// Deletes an access tag and its credentials.
#[utoipa::path(
    delete, path = "/products/{tag}/apps/{access_tag}", tag = "products",
    responses((status = 200, description = "The access tag was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, access_tag)): Path<(String, String)>,
) -> Result<Json<Affected>, Refusal> {
    let tenant = caller.tenant_id();
    let (owner, former) = known(&services, tenant, &product, &access_tag).await?;
    services.credentials.delete_access_tag(tenant, &owner.value.tag, &former.value.access_tag).await?;
    match services.products.disconnect(tenant, &owner.value.tag, &former.value.access_tag).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("access tag", &access_tag)),
    }
}

async fn known(
    services: &Services,
    tenant: &TenantId,
    product: &str,
    access_tag: &str,
) -> Result<(Stored<Product>, Stored<Connection>), Refusal> {
    let owner = products::known(services, tenant, product).await?;
    let found = services.products.find_connection(tenant, &owner.value.tag, &tag("access tag", access_tag)?).await?;
    Ok((owner, found.ok_or_else(|| Refusal::unknown("access tag", access_tag))?))
}

/// Checks what an access tag is to stand for; an app that has been deleted meanwhile is as one that never was.
async fn check(
    services: &Services,
    tenant: &TenantId,
    product: &Product,
    given: &Connection,
    former: Option<&Connection>,
) -> Result<(), Refusal> {
    let app = services.apps.get(tenant, &given.app).await?.ok_or_else(|| unknown_app(&given.app))?;
    rules::check_connection(given, product, &app)?;
    merged(given, former).map(drop)
}

fn unknown_app(app: &Tag) -> Refusal {
    Problem::field("app", format!("names the app `{app}`, which does not exist")).into()
}

/// Returns what is kept of a request: which auths have data, and none of it.
fn merged(given: &Connection, former: Option<&Connection>) -> Result<Connection, Refusal> {
    let mut kept = given.clone();
    for (index, env) in kept.envs.iter_mut().enumerate() {
        let before = former.and_then(|former| same_env(former, env));
        for (at, auth) in env.auth.iter_mut().enumerate() {
            let there = before.and_then(|before| before.auth.iter().find(|other| other.auth_tag == auth.auth_tag));
            if auth.data.is_none() && there.is_none() {
                return Err(Problem::missing(&format!("envs[{index}].auth[{at}].data")).into());
            }
            let configured = there.is_some_and(|there| there.configured);
            *auth = AuthData { auth_tag: auth.auth_tag.clone(), data: None, configured };
        }
    }
    Ok(kept)
}

/// Finds the environment for which credentials are the same ones.
fn same_env<'a>(connection: &'a Connection, env: &ConnectionEnv) -> Option<&'a ConnectionEnv> {
    let is_same = |other: &&ConnectionEnv| {
        other.product_env_slug == env.product_env_slug && other.app_env_slug == env.app_env_slug
    };
    connection.envs.iter().find(is_same)
}

/// Keeps the data of a request, and then notes that it is there.
async fn keep_data(services: &Services, tenant: &TenantId, product: &Tag, given: &Connection) -> Result<(), Refusal> {
    let mut is_noted = true;
    for env in &given.envs {
        for auth in &env.auth {
            if let Some(data) = &auth.data {
                services.credentials.put(&place(tenant, product, given, env), &auth.auth_tag, data).await?;
                is_noted = false;
            }
        }
    }
    for _ in 0..ATTEMPTS {
        if is_noted {
            return Ok(());
        }
        let (owner, former) = known(services, tenant, product.as_str(), given.access_tag.as_str()).await?;
        let mut next = former.value.clone();
        for env in &mut next.envs {
            let sent = same_env(given, env);
            for auth in &mut env.auth {
                let is_sent = |other: &AuthData| other.auth_tag == auth.auth_tag && other.data.is_some();
                auth.configured |= sent.is_some_and(|sent| sent.auth.iter().any(is_sent));
            }
        }
        is_noted = next == former.value || services.products.replace_connection(tenant, &owner, &former, &next).await?;
    }
    Err(busy("access tag", &given.access_tag))
}

/// Removes the credentials that an access tag no longer has.
async fn forget(
    services: &Services,
    tenant: &TenantId,
    product: &Tag,
    former: &Connection,
    next: &Connection,
) -> Result<(), Error> {
    for env in &former.envs {
        let still = same_env(next, env);
        if still.is_none() {
            services.credentials.delete_place(&place(tenant, product, former, env)).await?;
            continue;
        }
        for auth in &env.auth {
            if !still.is_some_and(|still| still.auth.iter().any(|other| other.auth_tag == auth.auth_tag)) {
                services.credentials.delete(&place(tenant, product, former, env), &auth.auth_tag).await?;
            }
        }
    }
    Ok(())
}

fn place(tenant: &TenantId, product: &Tag, connection: &Connection, env: &ConnectionEnv) -> Place {
    Place {
        tenant_id: tenant.clone(),
        product: product.clone(),
        env: env.product_env_slug.clone(),
        access_tag: connection.access_tag.clone(),
        app: connection.app.clone(),
        app_env: env.app_env_slug.clone(),
    }
}

/// Makes an access tag that the product does not have yet: `product.app`, and `product.app-2` for the second one.
async fn free_tag(services: &Services, tenant: &TenantId, product: &Tag, app: &Tag) -> Result<Tag, Refusal> {
    let taken = access_tags(services, tenant, product).await?;
    let base: String = format!("{product}.{app}").chars().take(TAG_LIMIT_CHARACTERS - 5).collect();
    let numbered = (2..=taken.len() + 2).map(|number| format!("{base}-{number}"));
    let free = std::iter::once(base.clone()).chain(numbered).find(|tag| !taken.contains(tag));
    free.and_then(|tag| Tag::parse(&tag).ok()).ok_or_else(Refusal::internal)
}

async fn access_tags(services: &Services, tenant: &TenantId, product: &Tag) -> Result<BTreeSet<String>, Error> {
    let connections = services.products.connections(tenant, product).await?;
    Ok(connections.into_iter().map(|stored| stored.value.access_tag.to_string()).collect())
}

async fn shown(
    services: &Services,
    tenant: &TenantId,
    product: &Tag,
    access_tag: &Tag,
) -> Result<Json<Shown<Connection>>, Refusal> {
    let (_, stored) = known(services, tenant, product.as_str(), access_tag.as_str()).await?;
    let app = apps::known(services, tenant, stored.value.app.as_str()).await?.value;
    let warnings = rules::warnings(&stored.value, &app, &access_tags(services, tenant, product).await?);
    Ok(Json(Shown::new(stored).warning(warnings)))
}
