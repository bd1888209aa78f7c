//! The webhook function: keeps channels, verifies what comes in on them and publishes it, and sends messages.
//!
//! In: webhooks, `/channels`, `message.requested`, and its own `message.received` and `message.status` for the log.
//! Out: `webhook.received` or `<platform>.<kind>`, `message.*`, `channel.*`, `step.finished`.
//!
//! A webhook is read byte for byte, believed only with a valid signature of one of its channel's secrets, taken apart
//! into the things that it tells, and answered with 2xx only after the bus has taken an event for each. An event's id
//! follows from the channel and the platform's name for the thing, so that what is told again is the same event.
//! Channels and their keys stay in memory for at most five seconds; in between, a webhook costs its `PutEvents` and
//! nothing else. The message log is written from the bus, after the sender has its answer.
//!
//! A new platform is one file in `platform` and one line of its registry.

mod catalog;
mod channel;
mod fact;
mod handshake;
mod health;
mod ingest;
mod limit;
mod messages;
mod record;
mod refusal;
mod registry;
mod send;
mod store;

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::outbound::Outbound;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::channel::open::OpenChannels;
use crate::limit::Limits;
use crate::store::{Channels, Counters, Messages};

struct Webhook {
    store: Channels,
    channels: OpenChannels,
    limits: Limits,
    messages: Messages,
    bus: Bus,
    outbound: Outbound,
    clock: Clock,
    ids: Ids,
    base_url: Option<String>,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let store = Channels::new(environment)?;
    let webhook = Arc::new(Webhook {
        channels: OpenChannels::new(store.clone(), environment.seal()?, environment.clock.clone()),
        store,
        limits: Limits::new(Counters::new(environment)?),
        messages: Messages::new(environment)?,
        bus: environment.bus()?,
        outbound: environment.outbound()?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
        base_url: environment.config.optional("BASE_URL").map(|url| url.trim_end_matches('/').to_owned()),
    });
    let api = Api::new(environment.tokens()?)
        .public_up_to(ingest::BODY_LIMIT_BYTES, routes!(ingest::ingest, handshake::handshake))
        .permission("CREATE_CHANNELS", routes!(registry::create))
        .permission("VIEW_CHANNELS", routes!(registry::list))
        .permission("VIEW_CHANNELS", routes!(registry::get))
        .permission("UPDATE_CHANNELS", routes!(registry::update))
        .permission("DELETE_CHANNELS", routes!(registry::delete))
        .permission("VIEW_CHANNELS", routes!(health::health))
        .permission("UPDATE_CHANNELS", routes!(health::validate))
        .permission("SEND_MESSAGES", routes!(send::send))
        .permission("VIEW_MESSAGES", routes!(messages::list))
        .signed_in(routes!(catalog::list));
    Ok(Function::new(api.finish(webhook.clone()), move |incoming| on_event(webhook.clone(), incoming)))
}

async fn on_event(webhook: Arc<Webhook>, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == send::COMMAND => webhook.on_command(&envelope).await,
        Incoming::Event { source, envelope } if source == fact::SOURCE => webhook.on_fact(&envelope).await,
        other => Err(Error::new("handle an event", format!("{other:?} is nothing that this function does"))),
    }
}
