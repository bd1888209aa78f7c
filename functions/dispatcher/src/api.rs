//! The HTTP routes: dispatchers with their actions, events with their runs, and what would happen.

mod bulk_retries;
mod dispatchers;
mod events;
mod explain;
mod graph;
mod replays;
mod retries;
mod runs;
mod simulate;
mod subscriptions;

use std::sync::Arc;

use axum::extract::State;
use axum::{Json, Router};
use shared::Refusal;
use shared::auth::{Permission, Tokens};
use shared::http::Api;
use utoipa_axum::routes;

use crate::App;

/// The services, as a route takes them.
type Services = State<Arc<App>>;
/// What a route answers.
type Answer<T> = Result<Json<T>, Refusal>;

/// Returns the routes and their description.
pub(crate) fn routes(app: Arc<App>, tokens: Tokens) -> (Router, utoipa::openapi::OpenApi) {
    Api::new(tokens)
        .permission(Permission::ViewDispatchers, routes!(dispatchers::list))
        .permission(Permission::CreateDispatchers, routes!(dispatchers::create))
        .permission(Permission::ViewDispatchers, routes!(dispatchers::get))
        .permission(Permission::UpdateDispatchers, routes!(dispatchers::update))
        .permission(Permission::DeleteDispatchers, routes!(dispatchers::delete))
        .permission(Permission::ViewDispatchers, routes!(explain::explain))
        .permission_up_to(simulate::BODY_LIMIT_BYTES, Permission::ViewDispatchers, routes!(simulate::simulate))
        .permission(Permission::UpdateDispatchers, routes!(dispatchers::add_action))
        .permission(Permission::UpdateDispatchers, routes!(dispatchers::update_action))
        .permission(Permission::UpdateDispatchers, routes!(dispatchers::remove_action))
        .permission(Permission::ViewDispatchers, routes!(graph::get))
        .permission(Permission::RotateKeys, routes!(dispatchers::rotate))
        .permission(Permission::CreateEvents, routes!(events::create))
        .permission(Permission::ViewEvents, routes!(events::list))
        .permission(Permission::ViewRuns, routes!(runs::list))
        .permission(Permission::ViewRuns, routes!(runs::timeline))
        .permission(Permission::ViewRuns, routes!(runs::get))
        .permission(Permission::RotateKeys, routes!(runs::rotate))
        .permission(Permission::RetryRuns, routes!(replays::replay))
        .permission(Permission::RetryRuns, routes!(retries::retry))
        .permission(Permission::RetryRuns, routes!(retries::redrive))
        .permission(Permission::RetryRuns, routes!(retries::cancel))
        .permission(Permission::RetryRuns, routes!(bulk_retries::create))
        .permission(Permission::ViewRuns, routes!(bulk_retries::list))
        .permission(Permission::ViewRuns, routes!(bulk_retries::get))
        .permission(Permission::RetryRuns, routes!(bulk_retries::cancel))
        .permission(Permission::ViewDispatchers, routes!(explain::explain_event))
        .public(routes!(events::health))
        .permission(Permission::ViewSubscriptions, routes!(subscriptions::list))
        .permission(Permission::CreateSubscriptions, routes!(subscriptions::create))
        .permission(Permission::CreateSubscriptions, routes!(subscriptions::delete))
        .finish(app)
}
