//! `/events/v1/subscriptions`: what services outside of Hookyard say that they listen to.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::http::{Affected, JsonBody, List};
use shared::rql::Rql;

use super::{Answer, Services};
use crate::dispatcher::is_id;
use crate::store::SUBSCRIPTION_LIMIT;
use crate::subscription::{Subscription, SubscriptionBody};

/// Lists subscriptions, the oldest first.
///
/// The query string is RQL, such as `eq(event_types,user_deleted)&limit(50)`.
#[utoipa::path(
    get, path = "/events/v1/subscriptions", tag = "events", responses((status = 200, body = List<Subscription>)),
)]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<Subscription>(query.as_deref())?;
    query.apply(&app.store.subscriptions.all(caller.tenant_id()).await?).map(Json)
}

/// Registers what a service listens to.
///
/// Nothing is delivered to it, as it names no address: it is shown in the graph as a listener, and the events of its types
/// are not without one. The same again from the same version of a service is the same subscription.
#[utoipa::path(
    post, path = "/events/v1/subscriptions", tag = "events", request_body = SubscriptionBody,
    responses((status = 200, body = Subscription)),
)]
pub(crate) async fn create(
    State(app): Services,
    caller: Caller,
    JsonBody(body): JsonBody<SubscriptionBody>,
) -> Answer<Subscription> {
    let (subscriptions, tenant) = (&app.store.subscriptions, caller.tenant_id());
    let new = Subscription::new(tenant, body, app.clock.now())?;
    let known = subscriptions.all(tenant).await?;
    if known.len() >= SUBSCRIPTION_LIMIT && known.iter().all(|known| known.id != new.id) {
        let rule = format!("there are {SUBSCRIPTION_LIMIT} subscriptions already, delete one of them first");
        return Err(Refusal::illegal_state(rule));
    }
    Ok(Json(subscriptions.create(tenant, new).await?))
}

/// Deletes a subscription.
#[utoipa::path(
    delete, path = "/events/v1/subscriptions/{id}", tag = "events", responses((status = 200, body = Affected)),
)]
pub(crate) async fn delete(State(app): Services, caller: Caller, Path(id): Path<String>) -> Answer<Affected> {
    if !is_id(&id) {
        return Err(Refusal::id_format("the id of a subscription is 24 hex digits"));
    }
    match app.store.subscriptions.delete(caller.tenant_id(), &id).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("subscription", &id)),
    }
}
