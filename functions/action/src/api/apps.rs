//! Apps over HTTP.

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

use super::body::{self, ATTEMPTS, Shown, busy, tag};
use super::{actions, imports};
use crate::app::{Action, App, declaration, rules};
use crate::services::Services;
use crate::store::app::{Deletion, FIRST_ACTION_LIMIT, LIST_LIMIT};
use crate::store::catalog::Stored;
use crate::tag::Tag;

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    let api = api
        .permission(Permission::CreateApps, routes!(create))
        .permission(Permission::ViewApps, routes!(list))
        .permission(Permission::ViewApps, routes!(get))
        .permission(Permission::UpdateApps, routes!(update))
        .permission(Permission::DeleteApps, routes!(delete));
    imports::routes(actions::routes(api))
}

/// Creates an app, with up to 50 actions at once.
#[utoipa::path(
    post, path = "/apps", tag = "apps",
    request_body(content = App, example = json!({
        "tag": "crm", "name": "CRM",
        "envs": [{"slug": "prd", "env_name": "production", "base_url": "https://api.example.com/v1", "active": true}],
        "auths": [{"tag": "key", "setup_type": "api_key", "key_name": "X-Api-Key", "in": "header"}],
    })),
    responses((status = 200, description = "The app.", body = Shown<App>))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<App>>, Refusal> {
    let tenant = caller.tenant_id();
    let actions = first_actions(body.remove("actions"))?;
    let app: App = body::created(body, &[])?;
    rules::check(&app)?;
    if !services.apps.create(tenant, &app, &actions).await? {
        return Err(Refusal::already_exists("app", app.tag.as_str()));
    }
    shown(&services, tenant, &app.tag).await
}

/// Lists the apps by tag, without their actions; the query string is RQL.
#[utoipa::path(
    get, path = "/apps", tag = "apps",
    responses((status = 200, description = "One page of apps.", body = List<Shown<App>>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Shown<App>>(query.as_deref())?;
    let apps = services.apps.all(caller.tenant_id()).await?;
    list::items(&query, apps.into_iter().map(Shown::new).collect(), LIST_LIMIT).map(Json)
}

/// Shows an app, without its actions.
#[utoipa::path(
    get, path = "/apps/{tag}", tag = "apps",
    responses((status = 200, description = "The app.", body = Shown<App>))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(app): Path<String>,
) -> Result<Json<Shown<App>>, Refusal> {
    Ok(Json(Shown::new(known(&services, caller.tenant_id(), &app).await?)))
}

/// Changes an app; absent fields stay as they are, null empties one, and a list is replaced as a whole.
///
/// Actions have their own routes. What the server sets may be sent back and is ignored.
#[utoipa::path(
    put, path = "/apps/{tag}", tag = "apps",
    request_body(content = Object, description = "The fields to change, which are those of `POST /apps`.", example = json!({"description": "Customers and their orders."})),
    responses((status = 200, description = "The app as it is now.", body = Shown<App>))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(app): Path<String>,
    JsonBody(change): JsonBody<Map<String, Value>>,
) -> Result<Json<Shown<App>>, Refusal> {
    let tenant = caller.tenant_id();
    for _ in 0..ATTEMPTS {
        let former = known(&services, tenant, &app).await?;
        if change.contains_key("actions") {
            let rule = format!("are changed one by one, under `/apps/{}/actions`", former.value.tag);
            return Err(Problem::field("actions", rule).into());
        }
        let next: App = body::changed(&former.value, &change, &["tag"], &[])?;
        rules::check(&next)?;
        if services.apps.replace(tenant, &former, &next).await? {
            return shown(&services, tenant, &next.tag).await;
        }
    }
    Err(busy("app", &tag("app", &app)?))
}

/// Deletes an app with its actions, unless an access tag uses it.
#[utoipa::path(
    delete, path = "/apps/{tag}", tag = "apps",
    responses((status = 200, description = "The app was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(app): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    match services.apps.delete(caller.tenant_id(), &tag("app", &app)?).await? {
        Deletion::Deleted => Ok(Json(Affected { affected_records: 1 })),
        Deletion::Unknown => Err(Refusal::unknown("app", &app)),
        Deletion::InUse(uses) => {
            let shown = uses.iter().take(10).map(|user| format!("`{}` of `{}`", user.access_tag, user.product));
            let more = if uses.len() > 10 { " and more" } else { "" };
            let users = shown.collect::<Vec<_>>().join(", ");
            Err(Refusal::illegal_state(format!("the app `{app}` is used by the access tags {users}{more}")))
        }
    }
}

/// Reads an app of the tenant.
pub(super) async fn known(services: &Services, tenant: &TenantId, app: &str) -> Result<Stored<App>, Refusal> {
    let found = services.apps.find(tenant, &tag("app", app)?).await?;
    found.ok_or_else(|| Refusal::unknown("app", app))
}

/// Shows an app that has just been written, with what a run may miss.
async fn shown(services: &Services, tenant: &TenantId, app: &Tag) -> Result<Json<Shown<App>>, Refusal> {
    let stored = known(services, tenant, app.as_str()).await?;
    let warnings = warnings(services, tenant, &stored.value).await?;
    Ok(Json(Shown::new(stored).warning(warnings)))
}

/// Says which actions an app names and does not have.
pub(super) async fn warnings(services: &Services, tenant: &TenantId, app: &App) -> Result<Vec<String>, Error> {
    let mut there = Vec::new();
    for action in rules::named_actions(app) {
        if services.apps.action(tenant, &app.tag, &action).await?.is_some() {
            there.push(action);
        }
    }
    Ok(rules::warnings(app, |action| there.contains(action)))
}

fn first_actions(actions: Option<Value>) -> Result<Vec<Action>, Refusal> {
    let Some(actions) = actions else { return Ok(Vec::new()) };
    let Value::Array(actions) = actions else { return Err(Problem::field("actions", "must be an array").into()) };
    if actions.len() > FIRST_ACTION_LIMIT {
        let rule =
            format!("must be at most {FIRST_ACTION_LIMIT} here: create the others under `/apps/{{tag}}/actions`");
        return Err(Problem::field("actions", rule).into());
    }
    let mut read: Vec<Action> = Vec::with_capacity(actions.len());
    for (index, action) in actions.into_iter().enumerate() {
        let at = |problem: Problem| problem.within(&format!("actions[{index}]"));
        let action: Action = shared::json::from_value(action).map_err(at)?;
        let action = declaration::checked(action).map_err(at)?;
        if read.iter().any(|other| other.tag == action.tag) {
            let rule = format!("is `{}`, which stands there twice", action.tag);
            return Err(at(Problem::field("tag", rule)).into());
        }
        read.push(action);
    }
    Ok(read)
}
