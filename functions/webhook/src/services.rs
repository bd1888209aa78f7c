//! What the function works with; handlers pass on only what is touched.

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::BaseUrl;
use shared::outbound::Outbound;
use shared::step::Claims;
use shared::{Environment, Error};

use crate::open_channel::OpenChannels;
use crate::store::channel::ChannelStore;
use crate::store::counter::CounterStore;
use crate::store::message::MessageStore;

/// The services.
pub(crate) struct Services {
    pub channels: ChannelStore,
    pub open_channels: OpenChannels,
    pub messages: Claims<MessageStore>,
    pub counters: CounterStore,
    pub bus: Bus,
    pub outbound: Outbound,
    pub clock: Clock,
    pub ids: Ids,
    pub base_url: BaseUrl,
}

impl Services {
    /// Connects the services of an environment.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let channels = ChannelStore::new(environment)?;
        Ok(Self {
            open_channels: OpenChannels::new(channels.clone(), environment.seal()?),
            channels,
            messages: Claims::new(environment, MessageStore::new(environment)?),
            counters: CounterStore::new(environment)?,
            bus: environment.bus()?,
            outbound: environment.outbound()?,
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
            base_url: environment.base_url(),
        })
    }
}
