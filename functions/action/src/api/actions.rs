//! Actions of apps over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::event::TenantId;
use shared::http::{Affected, Api, JsonBody, List};
use shared::list;
use shared::rql::Rql;
use utoipa_axum::routes;

use super::apps;
use super::body::{self, ATTEMPTS, Shown, busy, tag};
use crate::app::{Action, declaration};
use crate::services::Services;
use crate::store::app::{ACTION_LIMIT, Addition};
use crate::store::catalog::Stored;
use crate::tag::Tag;

/// Adds the routes.
pub(super) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::UpdateApps, routes!(create))
        .permission(Permission::ViewApps, routes!(list))
        .permission(Permission::ViewApps, routes!(get))
        .permission(Permission::UpdateApps, routes!(update))
        .permission(Permission::UpdateApps, routes!(delete))
}

/// Adds an action to an app, which can have 2,000.
#[utoipa::path(
    post, path = "/apps/{tag}/actions", tag = "apps",
    request_body(content = Action, example = json!({
        "tag": "create_user", "name": "Create a user", "method": "POST", "resource": "/teams/:team/users",
        "query": [{"key": "notify", "type": "boolean", "defaultValue": false}],
        "body": [
            {"key": "email", "type": "email_string", "required": true},
            {"key": "address", "type": "object", "fields": [{"key": "city", "type": "string", "maxLength": 80}]},
        ],
    })),
    responses((status = 200, description = "The action.", body = Shown<Action>))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(app): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<Action>>, Refusal> {
    let tenant = caller.tenant_id();
    let owner = apps::known(&services, tenant, &app).await?.value.tag;
    let action = declaration::checked(body::created(body, &[])?)?;
    let changes = [(action, None)];
    let action = &changes[0].0.tag;
    match services.apps.write_actions(tenant, &owner, &changes).await?.1 {
        Addition::Added => shown(&services, tenant, &owner, action).await,
        refused => Err(refusal(&owner, &refused)),
    }
}

/// Lists the actions of an app by tag; the query string is RQL.
#[utoipa::path(
    get, path = "/apps/{tag}/actions", tag = "apps",
    responses((status = 200, description = "One page of actions.", body = List<Shown<Action>>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(app): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Shown<Action>>(query.as_deref())?;
    let app = apps::known(&services, caller.tenant_id(), &app).await?.value.tag;
    let actions = services.apps.actions(caller.tenant_id(), &app).await?;
    list::few(&query, &actions.into_iter().map(Shown::new).collect::<Vec<_>>()).map(Json)
}

/// Shows an action.
#[utoipa::path(
    get, path = "/apps/{tag}/actions/{action}", tag = "apps",
    responses((status = 200, description = "The action.", body = Shown<Action>))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((app, action)): Path<(String, String)>,
) -> Result<Json<Shown<Action>>, Refusal> {
    Ok(Json(Shown::new(known(&services, caller.tenant_id(), &app, &action).await?.1)))
}

/// Changes an action; absent fields stay as they are, null empties one, and a list is replaced as a whole.
///
/// What the server sets may be sent back and is ignored.
#[utoipa::path(
    put, path = "/apps/{tag}/actions/{action}", tag = "apps",
    request_body(content = Object, description = "The fields to change, which are those of `POST /apps/{tag}/actions`.", example = json!({"resource": "/v2/teams/:team/users"})),
    responses((status = 200, description = "The action as it is now.", body = Shown<Action>))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((app, action)): Path<(String, String)>,
    JsonBody(change): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<Action>>, Refusal> {
    let tenant = caller.tenant_id();
    for _ in 0..ATTEMPTS {
        let (app, former) = known(&services, tenant, &app, &action).await?;
        let mut before = former.value.clone();
        if change.contains_key("resource") && !change.contains_key("params") {
            // Parameters that the new resource does not have any more go with the old one.
            let resource = change["resource"].as_str().unwrap_or_default();
            let declared: Vec<String> = before.params.iter().map(|field| field.key.clone()).collect();
            let declared: Vec<&str> = declared.iter().map(String::as_str).collect();
            let named = crate::app::resource::params(resource, &declared);
            before.params.retain(|field| named.contains(&field.key.as_str()));
        }
        let next = declaration::checked(body::changed(&before, &change, &["tag"], &[])?)?;
        if services.apps.replace_action(tenant, &app, &former, &next).await? {
            return shown(&services, tenant, &app, &next.tag).await;
        }
    }
    Err(busy("action", &tag("action", &action)?))
}

/// Deletes an action.
#[utoipa::path(
    delete, path = "/apps/{tag}/actions/{action}", tag = "apps",
    responses((status = 200, description = "The action was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((app, action)): Path<(String, String)>,
) -> Result<Json<Affected>, Refusal> {
    let tenant = caller.tenant_id();
    let app = apps::known(&services, tenant, &app).await?.value.tag;
    match services.apps.delete_action(tenant, &app, &tag("action", &action)?).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("action", &action)),
    }
}

async fn known(
    services: &Services,
    tenant: &TenantId,
    app: &str,
    action: &str,
) -> Result<(Tag, Stored<Action>), Refusal> {
    let app = apps::known(services, tenant, app).await?.value.tag;
    let found = services.apps.find_action(tenant, &app, &tag("action", action)?).await?;
    Ok((app, found.ok_or_else(|| Refusal::unknown("action", action))?))
}

async fn shown(
    services: &Services,
    tenant: &TenantId,
    app: &Tag,
    action: &Tag,
) -> Result<Json<Shown<Action>>, Refusal> {
    let (_, stored) = known(services, tenant, app.as_str(), action.as_str()).await?;
    Ok(Json(Shown::new(stored)))
}

/// Says why actions were not written.
pub(super) fn refusal(app: &Tag, refused: &Addition) -> Refusal {
    match refused {
        Addition::Exists(action) => Refusal::already_exists("action", action.as_str()),
        Addition::TooMany => {
            Refusal::illegal_state(format!("the app `{app}` would have more than {ACTION_LIMIT} actions"))
        }
        Addition::UnknownApp | Addition::Added => Refusal::unknown("app", app.as_str()),
    }
}
