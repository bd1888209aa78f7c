//! The action function: makes the HTTP call of a step.
//!
//! In: the command `http.requested`. Out: `step.finished` with the status, headers and body of the answer.
//!
//! The call is recorded before and after, so that a redelivered command never calls twice: a recorded answer is
//! published again, and a call whose outcome was lost is `OutcomeUnknown`, unless its method promises that a second call
//! does no harm.

#![allow(dead_code, unused_imports, clippy::needless_pass_by_value, clippy::unused_async)]

mod answer;
mod api;
mod app;
mod cache;
mod call;
mod circuit;
mod credential;
mod declared;
mod failure;
mod form;
mod import;
mod input;
mod mask;
mod on_http_requested;
mod placeholder;
mod product;
mod request;
mod retry;
mod run;
mod services;
mod session;
mod store;
mod tag;

use std::sync::Arc;

use shared::auth::Permission;
use shared::event::command::HTTP;
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::services::Services;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Arc::new(Services::new(environment)?);
    let api = Api::new(environment.tokens()?).permission(Permission::RotateKeys, routes!(api::rotate));
    let api = api::apps::routes(api::products::routes(api::secrets::routes(api)));
    let api = api::sessions::routes(api::caches::routes(api::health::routes(api::runs::routes(api))));
    let routes = api.finish(services.clone());
    let checks = [store::check(environment)?, store::app::check(environment)?];
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(services.clone(), incoming))
        .with_checks(checks))
}

async fn on_event(services: Arc<Services>, incoming: Incoming) -> Result<(), Error> {
    let Services { calls, bus, outbound, clock, .. } = &*services;
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == HTTP.event_type() => {
            on_http_requested::handle(calls, bus, outbound, clock, &envelope).await
        }
        other => Err(other.unexpected()),
    }
}
