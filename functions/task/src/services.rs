//! The services of this function; each handler gets those that it touches.

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::scheduler::Scheduler;
use shared::step::Claims;
use shared::{Environment, Error};

use crate::sandbox::Sandbox;
use crate::store::asset::Assets;
use crate::store::function::Functions;
use crate::store::history::History;
use crate::store::schedule::SchedulesStore;
use crate::store::task::{TaskStore, Tasks};

pub(crate) struct Services {
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) functions: Functions,
    pub(crate) assets: Assets,
    pub(crate) schedules: SchedulesStore,
    pub(crate) history: History,
    pub(crate) bus: Bus,
    pub(crate) scheduler: Scheduler,
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
}

impl Services {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            tasks: Arc::new(Claims::new(environment, TaskStore::new(environment)?)),
            functions: Functions::new(environment)?,
            assets: Assets::new(environment)?,
            schedules: SchedulesStore::new(environment)?,
            history: History::new(environment)?,
            bus: environment.bus()?,
            scheduler: Scheduler::new(&environment.aws, &environment.config, "TASK_FUNCTION_ARN")?,
            sandbox: Sandbox::new(
                environment.outbound()?,
                environment.clock.clone(),
                environment.config.optional("SCRIPT_WORKER").map(Into::into),
            ),
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
        })
    }
}
