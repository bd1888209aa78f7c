//! The services of this function; each handler gets those that it touches.

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::event::TenantId;
use shared::outbound::Outbound;
use shared::scheduler::Scheduler;
use shared::step::Claims;
use shared::{Environment, Error};

use crate::app::App;
use crate::cache::Flights;
use crate::product::Place;
use crate::session::SessionTokens;
use crate::store::Calls;
use crate::store::app::Apps;
use crate::store::cache::Caches;
use crate::store::catalog::Use;
use crate::store::circuit::Circuits;
use crate::store::credential::StoredCredentials;
use crate::store::product::Products;
use crate::store::run::Runs;
use crate::store::secret::Secrets;
use crate::store::session::Sessions;

pub(crate) struct Services {
    pub(crate) calls: Arc<Claims<Calls>>,
    pub(crate) runs: Arc<Claims<Runs>>,
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
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
}

impl Services {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            calls: Arc::new(Claims::new(environment, Calls::new(environment)?)),
            runs: Arc::new(Claims::new(environment, Runs::new(environment)?)),
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
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
        })
    }
}

impl Services {
    /// Lists where an app is used: the environments of its access tags.
    pub(crate) async fn places(&self, tenant: &TenantId, app: &App) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for Use { product, access_tag } in self.apps.uses(tenant, &app.tag).await? {
            let Some(connection) = self.products.connection(tenant, &product, &access_tag).await? else { continue };
            places.extend(connection.envs.into_iter().map(|settings| Place {
                tenant_id: tenant.clone(),
                product: product.clone(),
                env: settings.product_env_slug,
                access_tag: access_tag.clone(),
                app: app.tag.clone(),
                app_env: settings.app_env_slug,
            }));
        }
        Ok(places)
    }
}
