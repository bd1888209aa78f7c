//! The action function: keeps apps and runs their actions with credentials, sessions, caches and retries.
//!
//! In: `action.requested` for a step, schedules for attempts that are due, `http.requested` for a step that is one plain
//! call, and requests over HTTP. Out: `step.finished` with the output of the app.
//!
//! A run goes from the product over the access tag of the environment to the app and its action (`run`): the session is
//! verified, the input checked against the declaration, placeholders are filled in with what credentials, session and
//! input have for them, and the request is sent, again or to a fallback if it fails. It is recorded before and after, so
//! that a redelivered command never calls twice: a recorded answer is published again, and a request whose outcome was lost
//! is `OutcomeUnknown`, unless a second one does no harm.

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
mod health;
mod import;
mod input;
mod mask;
mod on_action_requested;
mod on_http_requested;
mod on_run_due;
mod placeholder;
#[cfg(test)]
mod played;
mod product;
mod request;
mod retry;
mod run;
mod services;
mod session;
mod store;
mod tag;

use std::sync::Arc;

use serde::Deserialize as _;
use shared::auth::Permission;
use shared::event::command::{ACTION, HTTP};
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::on_run_due::Due;
use crate::services::Services;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Arc::new(Services::new(environment)?);
    let api = Api::new(environment.tokens()?).permission(Permission::RotateKeys, routes!(api::rotate));
    let api = api::apps::routes(api::products::routes(api::secrets::routes(api)));
    let api = api::sessions::routes(api::caches::routes(api::health::routes(api::runs::routes(api))));
    let api = api::credentials::routes(api);
    let routes = api.finish(services.clone());
    let checks = [
        store::check(environment)?,
        store::app::check(environment)?,
        store::secret::check(environment)?,
        store::credential::check(environment)?,
        store::circuit::check(environment)?,
        store::session::check(environment)?,
        store::cache::check(environment)?,
    ];
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(services.clone(), incoming))
        .with_checks(checks))
}

async fn on_event(services: Arc<Services>, incoming: Incoming) -> Result<(), Error> {
    let Services { calls, bus, outbound, clock, .. } = &*services;
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == HTTP.event_type() => {
            on_http_requested::handle(calls, bus, outbound, clock, &envelope).await
        }
        Incoming::Event { envelope, .. } if envelope.kind == ACTION.event_type() => {
            on_action_requested::handle(&services, &envelope).await
        }
        Incoming::Schedule(input) if input.get("runDue").is_some() => {
            let due = Due::deserialize(input).map_err(Error::cannot("read the input of a schedule"))?;
            on_run_due::handle(&services, &due.run_due).await
        }
        Incoming::Schedule(input) if input.get("sweep").is_some_and(|swept| swept == health::sweep::HEALTH) => {
            health::sweep::handle(&services).await
        }
        other => Err(other.unexpected()),
    }
}
