//! The HTTP routes: dispatchers with their actions, events, runs.

mod actions;
mod dispatchers;
mod events;
mod runs;

use axum::Router;
use axum::extract::FromRef;
use shared::auth::Tokens;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use utoipa_axum::routes;

use crate::App;
use crate::store::Store;

/// Returns the routes and their description.
pub(crate) fn routes(app: App, tokens: Tokens) -> (Router, utoipa::openapi::OpenApi) {
    Api::new(tokens)
        .permission("VIEW_DISPATCHERS", routes!(dispatchers::list))
        .permission("CREATE_DISPATCHERS", routes!(dispatchers::create))
        .permission("VIEW_DISPATCHERS", routes!(dispatchers::get))
        .permission("UPDATE_DISPATCHERS", routes!(dispatchers::update))
        .permission("DELETE_DISPATCHERS", routes!(dispatchers::delete))
        .permission("VIEW_DISPATCHERS", routes!(dispatchers::explain))
        .permission("UPDATE_DISPATCHERS", routes!(actions::create))
        .permission("UPDATE_DISPATCHERS", routes!(actions::update))
        .permission("UPDATE_DISPATCHERS", routes!(actions::delete))
        .permission("CREATE_EVENTS", routes!(events::create))
        .permission("VIEW_EVENTS", routes!(events::list))
        .permission("VIEW_RUNS", routes!(runs::get))
        .finish(app)
}

/// Lets a route name the services that it uses by their types.
macro_rules! services {
    ($($field:ident: $service:ty),* $(,)?) => {$(
        impl FromRef<App> for $service {
            fn from_ref(app: &App) -> Self {
                app.$field.clone()
            }
        }
    )*};
}

services!(store: Store, bus: Bus, clock: Clock, ids: Ids);
