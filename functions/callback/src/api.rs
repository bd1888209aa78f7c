//! The HTTP routes: callbacks for clients, the public call, the rotation of keys.

mod call;
mod callbacks;
mod keys;

use axum::Router;
use axum::extract::FromRef;
use shared::auth::{Permission, Tokens};
use shared::bus::Bus;
use shared::clock::Clock;
use shared::http::Api;
use shared::scheduler::Scheduler;
use utoipa_axum::routes;

use crate::Services;
use crate::store::Store;
use crate::url::Urls;

/// Returns the routes and their description.
pub(crate) fn routes(services: Services, tokens: Tokens) -> (Router, utoipa::openapi::OpenApi) {
    Api::new(tokens)
        .public(routes!(call::call))
        .permission(Permission::CreateCallbacks, routes!(callbacks::create))
        .permission(Permission::ViewCallbacks, routes!(callbacks::get))
        .permission(Permission::ViewCallbacks, routes!(callbacks::wait))
        .permission(Permission::RotateKeys, routes!(keys::rotate))
        .finish(services)
}

/// Lets a route take a service by its type.
macro_rules! routes_may_use {
    ($($field:ident: $service:ty),+) => {
        $(impl FromRef<Services> for $service {
            fn from_ref(services: &Services) -> Self {
                services.$field.clone()
            }
        })+
    };
}

routes_may_use!(store: Store, bus: Bus, scheduler: Scheduler, urls: Urls, clock: Clock);
