//! The callback function: one-time URLs by which the outside world answers.
//!
//! In: the command `callback.requested` to create a callback or to wait for one, and the call of its URL. Out:
//! `step.finished`, and the facts `callback.resolved` and `callback.expired`.
//!
//! A callback is created for a step (`on_callback_requested`) or for a client (`api::callbacks`). One conditional write
//! ends it: the call of its URL, which stores the body (`api::call`), or its deadline (`on_schedule`). Whoever ends it
//! announces that with a fact and an answer to every step that waits (`ending`); what an interruption left unannounced a
//! sweep announces later (`on_schedule`).

mod action;
mod api;
mod creation;
mod ending;
mod expiry;
mod on_callback_requested;
mod on_schedule;
mod schema;
mod store;
mod url;

use axum::extract::FromRef;
use shared::auth::Permission;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::command::CALLBACK;
use shared::http::Api;
use shared::scheduler::Scheduler;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::schema::Checks;
use crate::store::{Callback, Store};
use crate::url::Urls;

/// The services of this function; each handler gets those that it touches.
#[derive(Clone, FromRef)]
struct Services {
    store: Store,
    bus: Bus,
    scheduler: Scheduler,
    urls: Urls,
    checks: Checks,
    clock: Clock,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Services {
        store: Store::new(environment)?,
        bus: environment.bus()?,
        scheduler: Scheduler::new(&environment.aws, &environment.config, "CALLBACK_FUNCTION_ARN")?,
        urls: Urls::new(environment),
        checks: Checks::new(),
        clock: environment.clock.clone(),
    };
    let routes = Api::new(environment.tokens()?)
        .public(api::call::routes())
        .permission(Permission::CreateCallbacks, routes!(api::callbacks::create))
        .permission(Permission::ViewCallbacks, routes!(api::callbacks::get))
        .permission(Permission::ViewCallbacks, routes!(api::callbacks::wait))
        .permission(Permission::RotateKeys, routes!(api::keys::rotate))
        .finish(services.clone());
    let check = environment.table("CALLBACKS_TABLE")?.check(|_: Callback| Ok(()));
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(services.clone(), incoming))
        .with_checks([check]))
}

async fn on_event(services: Services, incoming: Incoming) -> Result<(), Error> {
    let Services { store, bus, scheduler, urls, checks, clock } = &services;
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind.as_str() == CALLBACK.command => {
            on_callback_requested::handle(store, bus, scheduler, urls, checks, clock, &envelope).await
        }
        Incoming::Schedule(input) => on_schedule::handle(store, bus, clock.now(), input).await,
        other => Err(other.unexpected()),
    }
}
