//! The callback function: one-time URLs by which the outside world answers.
//!
//! In: the command `callback.requested` to create a callback or to wait for one, and the call of its URL. Out:
//! `step.finished`, and the facts `callback.resolved` and `callback.expired`.
//!
//! A call is taken by one conditional write, which stores the body; whoever makes it announces it, and what an
//! interruption left unannounced a sweep announces later.

mod announce;
mod api;
mod call;
mod create;
mod expire;
mod rotate;
mod schema;
mod step;
mod store;
mod url;

use std::sync::Arc;

use serde::Deserialize;
use shared::auth::Tokens;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::scheduler::Scheduler;
use shared::seal::{KeyRing, Seal};
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::store::Store;

/// What the handlers work with.
struct Callbacks {
    store: Store,
    bus: Bus,
    scheduler: Scheduler,
    seal: Seal,
    ring: KeyRing,
    /// The public base URL, if it is configured.
    base: Option<String>,
    prefix: Option<String>,
    keep_s: i64,
    clock: Clock,
    ids: Ids,
}

/// What a schedule sends.
#[derive(Deserialize)]
#[serde(untagged)]
enum Timer {
    /// The template's own: look for what was not announced.
    Sweep {
        #[serde(rename = "sweep")]
        _sweep: String,
    },
    /// A deadline is over.
    Expire(expire::Deadline),
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let ring = environment.key_ring()?;
    let config = &environment.config;
    let callbacks = Arc::new(Callbacks {
        store: Store::new(environment)?,
        bus: environment.bus()?,
        scheduler: Scheduler::new(&environment.aws, config, "CALLBACK_FUNCTION_ARN")?,
        seal: Seal::new(ring.clone(), environment.ids.clone()),
        ring: ring.clone(),
        base: config.optional("BASE_URL").map(str::to_owned),
        prefix: config.optional("CALLBACK_PATH_PREFIX").map(str::to_owned),
        keep_s: config.retention_s()?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
    });
    let api = Api::new(Tokens::new(ring, environment.clock.clone()))
        .public(routes!(call::call))
        .permission("CREATE_CALLBACKS", routes!(api::create))
        .permission("VIEW_CALLBACKS", routes!(api::get))
        .permission("VIEW_CALLBACKS", routes!(api::wait))
        .permission("ROTATE_KEYS", routes!(rotate::rotate));
    Ok(Function::new(api.finish(callbacks.clone()), move |incoming| on_event(callbacks.clone(), incoming)))
}

async fn on_event(callbacks: Arc<Callbacks>, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == step::COMMAND => callbacks.step(&envelope).await,
        Incoming::Schedule(input) => match Timer::deserialize(input).map_err(Error::cannot("read a schedule"))? {
            Timer::Sweep { .. } => callbacks.sweep().await,
            Timer::Expire(deadline) => callbacks.deadline(&deadline).await,
        },
        other => Err(Error::new("handle an event", format!("{other:?} is nothing that this function does"))),
    }
}
