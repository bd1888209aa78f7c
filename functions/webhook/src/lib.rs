//! The webhook function: keeps channels, verifies what comes in on them and publishes it.
//!
//! In: `POST /webhooks/{channelId}` from platforms, `/channels` from clients. Out: the fact `webhook.received`.
//!
//! A webhook is read byte for byte, believed only with a valid signature of one of its channel's secrets, parsed, and
//! answered with 2xx only after the bus has taken its event. The event's id follows from the channel and the sender's
//! name for the delivery, so that a repeated delivery is the same event. Channels and their keys stay in memory for at
//! most five seconds; in between, a webhook costs one `PutEvents` and nothing else.
//!
//! A new platform is one file in `platform` and one line of its registry.

mod channel;
mod fact;
mod handshake;
mod header;
mod ingest;
mod limit;
mod message;
mod payload;
mod platform;
mod registry;
mod signature;
mod store;

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::channel::open::OpenChannels;
use crate::limit::Limits;
use crate::store::{Channels, Counters};

struct Webhook {
    store: Channels,
    channels: OpenChannels,
    limits: Limits,
    bus: Bus,
    clock: Clock,
    ids: Ids,
    base_url: Option<String>,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let store = Channels::new(environment)?;
    let webhook = Webhook {
        channels: OpenChannels::new(store.clone(), environment.seal()?, environment.clock.clone()),
        store,
        limits: Limits::new(Counters::new(environment)?),
        bus: environment.bus()?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
        base_url: environment.config.optional("BASE_URL").map(|url| url.trim_end_matches('/').to_owned()),
    };
    let api = Api::new(environment.tokens()?)
        .public(routes!(ingest::ingest, handshake::handshake))
        .permission("CREATE_CHANNELS", routes!(registry::create))
        .permission("VIEW_CHANNELS", routes!(registry::list))
        .permission("VIEW_CHANNELS", routes!(registry::get))
        .permission("UPDATE_CHANNELS", routes!(registry::update))
        .permission("DELETE_CHANNELS", routes!(registry::delete));
    Ok(Function::new(api.finish(Arc::new(webhook)), on_event))
}

async fn on_event(incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { source, .. } if source == fact::SOURCE => Ok(()),
        other => Err(Error::new("handle an event", format!("{other:?} is nothing that this function does"))),
    }
}
