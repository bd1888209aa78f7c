//! What the function works with; handlers pass on only what is touched.

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::outbound::Outbound;
use shared::{Environment, Error};

use crate::open_channel::OpenChannels;
use crate::store::channel::ChannelStore;
use crate::store::counter::CounterStore;
use crate::store::message::MessageStore;

/// The services.
pub(crate) struct Services {
    pub channels: ChannelStore,
    pub open_channels: OpenChannels,
    pub messages: MessageStore,
    pub counters: CounterStore,
    pub bus: Bus,
    pub outbound: Outbound,
    pub clock: Clock,
    pub ids: Ids,
    /// The public URL of the API, where it is configured.
    pub base_url: Option<String>,
}

impl Services {
    /// Connects the services of an environment.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let channels = ChannelStore::new(environment)?;
        let base_url = environment.config.optional("BASE_URL");
        Ok(Self {
            open_channels: OpenChannels::new(channels.clone(), environment.seal()?),
            channels,
            messages: MessageStore::new(environment)?,
            counters: CounterStore::new(environment)?,
            bus: environment.bus()?,
            outbound: environment.outbound()?,
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
            base_url: base_url.map(|url| url.trim_end_matches('/').to_owned()),
        })
    }
}
