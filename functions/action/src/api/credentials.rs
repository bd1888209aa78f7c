//! The credentials of access tags over HTTP: given, described and removed, and never shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::http::{Affected, Api, JsonBody, List};
use shared::list;
use shared::rql::Rql;
use utoipa_axum::routes;

use crate::app::Auth;
use crate::credential::data;
use crate::failure::FailureType;
use crate::product::{Connection, Place};
use crate::services::Services;
use crate::store::credential::{Failed, Stored, Token};
use crate::tag::{Slug, Tag};

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::ViewSecrets, routes!(list))
        .permission(Permission::ViewSecrets, routes!(get))
        .permission(Permission::UpdateSecrets, routes!(put))
        .permission(Permission::DeleteSecrets, routes!(delete))
}

/// The credentials of an auth.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"data": {"client_id": "hookyard", "client_secret": "$Secret{WAREHOUSE_CLIENT}"}}))]
pub(crate) struct CredentialsBody {
    /// What the auth's kind needs; texts can refer to secrets.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// What is known of the credentials of an auth, without any value of them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CredentialsView {
    /// The environment of the product.
    env: Slug,
    /// The auth.
    auth_tag: Tag,
    /// The names of the fields that were given.
    fields: Vec<String>,
    /// When they were given.
    #[serde(with = "shared::clock::iso")]
    updated_at: Timestamp,
    /// The token that was made of them, if there is one.
    token: Option<TokenView>,
    /// Why the last attempt at a token failed, if it did.
    failure: Option<FailureView>,
}

/// What is known of a token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenView {
    /// When it was made.
    #[serde(with = "shared::clock::iso")]
    obtained_at: Timestamp,
    /// When it is over; it is made anew before that.
    #[serde(with = "shared::clock::iso")]
    expires_at: Timestamp,
    /// Whether the app has refused it, so that the next run makes it anew.
    is_refused: bool,
}

/// Why there is no newer token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FailureView {
    /// The type.
    #[serde(rename = "type")]
    kind: FailureType,
    /// What went wrong.
    message: String,
    /// When.
    #[serde(with = "shared::clock::iso")]
    at: Timestamp,
    /// Until when runs fail with it without asking again.
    #[serde(with = "shared::clock::iso")]
    retry_at: Timestamp,
}

impl CredentialsView {
    fn new(env: Slug, auth_tag: Tag, stored: Stored) -> Self {
        let Stored { data, token, failed, updated_at, .. } = stored;
        let token = token.map(|Token { obtained_at, expires_at, refused_at, .. }| TokenView {
            obtained_at,
            expires_at,
            is_refused: refused_at.is_some(),
        });
        let failure = failed.map(|Failed { failure, at, retry_at, .. }| FailureView {
            kind: failure.kind,
            message: failure.message,
            at,
            retry_at,
        });
        Self { env, auth_tag, fields: data.keys().cloned().collect(), updated_at, token, failure }
    }
}

/// Stores the credentials of an auth in an environment, in place of any that it had, and forgets the token made of those.
///
/// The same credentials again change nothing, so that a refresh token that was replaced since stays replaced.
#[utoipa::path(
    put, path = "/products/{tag}/apps/{access_tag}/credentials/{env}/{auth_tag}", tag = "secrets",
    request_body = CredentialsBody,
    responses((status = 200, description = "What is known of the credentials.", body = CredentialsView))
)]
pub(crate) async fn put(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(names): Path<(String, String, String, String)>,
    JsonBody(body): JsonBody<CredentialsBody>,
) -> Result<Json<CredentialsView>, Refusal> {
    let (place, auth) = place(&services, &caller, &names).await?;
    data::check(&auth, &body.data).map_err(|rule| Refusal::field("data", rule))?;
    services.credentials.put(&place, &auth.tag, &body.data).await?;
    shown(&services, &place, &auth.tag).await
}

/// Lists what is known of the credentials of an access tag, by environment and auth; the query string is RQL.
#[utoipa::path(
    get, path = "/products/{tag}/apps/{access_tag}/credentials", tag = "secrets",
    responses((status = 200, description = "One page of credentials, without their values.", body = List<CredentialsView>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, access_tag)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<CredentialsView>(query.as_deref())?;
    let (product, connection) = connection(&services, &caller, &product, &access_tag).await?;
    let stored = services.credentials.of_access_tag(caller.tenant_id(), &product, &connection.access_tag).await?;
    let stored = stored.into_iter().filter(|(_, _, stored)| stored.app == connection.app);
    let views: Vec<_> = stored.map(|(env, auth, stored)| CredentialsView::new(env, auth, stored)).collect();
    list::few(&query, &views).map(Json)
}

/// Shows what is known of the credentials of an auth in an environment.
#[utoipa::path(
    get, path = "/products/{tag}/apps/{access_tag}/credentials/{env}/{auth_tag}", tag = "secrets",
    responses((status = 200, description = "What is known of the credentials.", body = CredentialsView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(names): Path<(String, String, String, String)>,
) -> Result<Json<CredentialsView>, Refusal> {
    let (place, auth) = place(&services, &caller, &names).await?;
    shown(&services, &place, &auth.tag).await
}

/// Removes the credentials of an auth in an environment, with the token made of them.
#[utoipa::path(
    delete, path = "/products/{tag}/apps/{access_tag}/credentials/{env}/{auth_tag}", tag = "secrets",
    responses((status = 200, description = "The credentials were removed.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(names): Path<(String, String, String, String)>,
) -> Result<Json<Affected>, Refusal> {
    let (place, auth) = place(&services, &caller, &names).await?;
    match services.credentials.delete(&place, &auth.tag).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(not_configured(&place, &auth.tag)),
    }
}

async fn shown(services: &Services, place: &Place, auth: &Tag) -> Result<Json<CredentialsView>, Refusal> {
    let stored = services.credentials.get(place, auth).await?.filter(|stored| stored.app == place.app);
    let stored = stored.ok_or_else(|| not_configured(place, auth))?;
    Ok(Json(CredentialsView::new(place.env.clone(), auth.clone(), stored)))
}

/// Reads an access tag; a name that cannot be one is unknown like any other.
async fn connection(
    services: &Services,
    caller: &Caller,
    product: &str,
    access_tag: &str,
) -> Result<(Tag, Connection), Refusal> {
    let unknown_product = || Refusal::unknown("product", product);
    let tenant = caller.tenant_id();
    let tag = Tag::parse(product).map_err(|_| unknown_product())?;
    services.products.get(tenant, &tag).await?.ok_or_else(unknown_product)?;
    let unknown = || Refusal::unknown("access tag", access_tag);
    let access_tag = Tag::parse(access_tag).map_err(|_| unknown())?;
    let connection = services.products.connection(tenant, &tag, &access_tag).await?.ok_or_else(unknown)?;
    Ok((tag, connection))
}

/// Reads the place and the auth that a path names.
async fn place(
    services: &Services,
    caller: &Caller,
    (product, access_tag, env, auth): &(String, String, String, String),
) -> Result<(Place, Auth), Refusal> {
    let (product, connection) = connection(services, caller, product, access_tag).await?;
    let known = connection.envs.iter().find(|known| known.product_env_slug.as_str() == env);
    let known = known.ok_or_else(|| Refusal::unknown("environment", env))?;
    let app = services.apps.get(caller.tenant_id(), &connection.app).await?;
    let found = app.and_then(|app| app.auths.into_iter().find(|known| known.tag.as_str() == auth));
    let place = Place {
        tenant_id: caller.tenant_id().clone(),
        product,
        env: known.product_env_slug.clone(),
        access_tag: connection.access_tag,
        app: connection.app,
        app_env: known.app_env_slug.clone(),
    };
    Ok((place, found.ok_or_else(|| Refusal::unknown("auth", auth))?))
}

fn not_configured(place: &Place, auth: &Tag) -> Refusal {
    Refusal::unknown("credentials", &format!("{}/{auth}", place.env))
}
