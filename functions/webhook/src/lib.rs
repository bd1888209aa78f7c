//! The webhook function: manages channels, verifies and publishes the webhooks that arrive on them, and sends messages.
//!
//! In: webhooks, `/channels`, `message.requested`, and its own `message.received` and `message.status` for the log.
//! Out: `webhook.received` or `<platform>.<kind>`, `message.*`, `channel.*`, `step.finished`.
//!
//! A webhook is verified byte for byte with the secrets of its channel, split into its updates, and answered with 2xx
//! only after the bus has accepted an event for each (`ingest`). An event's id follows from the channel and the
//! platform's id of the update, so that a repeated update is the same event. Channels and their keys stay in memory for
//! at most five seconds (`open_channel`); in between, a webhook costs its `PutEvents` and nothing else. The message log
//! is written from the bus, after the sender has its answer (`on_message_event`).
//!
//! What is particular about a platform is in the crate `platform`.

mod api;
mod channel;
mod ingest;
mod message;
mod on_message_event;
mod on_message_requested;
mod open_channel;
mod outgoing;
mod rate_limit;
mod refusal;
mod send;
mod services;
mod store;

use std::sync::Arc;

use shared::auth::Permission;
use shared::event::command::MESSAGE;
use shared::event::fact::WEBHOOK_SOURCE;
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::api::{channel_health, channels, messages, platforms, webhooks};
use crate::services::Services;
use crate::store::channel::ChannelRecord;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Arc::new(Services::new(environment)?);
    let api = Api::new(environment.tokens()?)
        .public_up_to(webhooks::BODY_LIMIT_BYTES, routes!(webhooks::ingest, webhooks::verify))
        .permission(Permission::CreateChannels, routes!(channels::create))
        .permission(Permission::ViewChannels, routes!(channels::list))
        .permission(Permission::ViewChannels, routes!(channels::get))
        .permission(Permission::UpdateChannels, routes!(channels::update))
        .permission(Permission::DeleteChannels, routes!(channels::delete))
        .permission(Permission::RotateKeys, routes!(channels::rotate))
        .permission(Permission::ViewChannels, routes!(channel_health::check))
        .permission(Permission::UpdateChannels, routes!(channel_health::validate))
        .permission(Permission::SendMessages, routes!(messages::send))
        .permission(Permission::ViewMessages, routes!(messages::list))
        .permission(Permission::RotateKeys, routes!(messages::rotate))
        .signed_in(routes!(platforms::list));
    let checks =
        [environment.table("CHANNELS_TABLE")?.check(|_: ChannelRecord| Ok(())), store::message::check(environment)?];
    let routes = api.finish(services.clone());
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(services.clone(), incoming))
        .with_checks(checks))
}

async fn on_event(services: Arc<Services>, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == MESSAGE.event_type() => {
            on_message_requested::handle(&services, &envelope).await
        }
        Incoming::Event { source, envelope } if source == WEBHOOK_SOURCE => {
            on_message_event::handle(services.messages.store(), &envelope).await
        }
        other => Err(other.unexpected()),
    }
}
