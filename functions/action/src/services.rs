//! The services of this function; each handler gets those that it touches.

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::outbound::Outbound;
use shared::scheduler::Scheduler;
use shared::seal::Seal;
use shared::step::Claims;
use shared::{Environment, Error};

use crate::cache::Flights;
use crate::session::SessionTokens;
use crate::store::Calls;
use crate::store::app::Apps;
use crate::store::cache::Caches;
use crate::store::circuit::Circuits;
use crate::store::credential::StoredCredentials;
use crate::store::product::Products;
use crate::store::secret::Secrets;
use crate::store::session::Sessions;

pub(crate) struct Services {
    pub(crate) calls: Arc<Claims<Calls>>,
    pub(crate) apps: Apps,
    pub(crate) products: Products,
    pub(crate) secrets: Secrets,
    pub(crate) credentials: StoredCredentials,
    pub(crate) sessions: Sessions,
    pub(crate) session_tokens: SessionTokens,
    pub(crate) caches: Caches,
    pub(crate) flights: Flights,
    pub(crate) circuits: Circuits,
    pub(crate) bus: Bus,
    pub(crate) scheduler: Scheduler,
    pub(crate) outbound: Outbound,
    pub(crate) seal: Seal,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
}

impl Services {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            calls: Arc::new(Claims::new(environment, Calls::new(environment)?)),
            apps: Apps::new(environment)?,
            products: Products::new(environment)?,
            secrets: Secrets::new(environment)?,
            credentials: StoredCredentials::new(environment)?,
            sessions: Sessions::new(environment)?,
            session_tokens: SessionTokens::new(environment)?,
            caches: Caches::new(environment)?,
            flights: Flights::default(),
            circuits: Circuits::new(environment)?,
            bus: environment.bus()?,
            scheduler: Scheduler::new(&environment.aws, &environment.config, "ACTION_FUNCTION_ARN")?,
            outbound: environment.outbound()?,
            seal: environment.seal()?,
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
        })
    }
}
