//! The services of this function; each handler gets those that it touches.

use std::sync::Arc;

use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::invoker::Invoker;
use shared::scheduler::Scheduler;
use shared::step::Claims;
use shared::{Environment, Error};

use crate::direct::Places;
use crate::runner::Runner;
use crate::runner::emitter::Emitter;
use crate::sandbox::Sandbox;
use crate::schedule::passes::Passes;
use crate::store::api_request::ApiRequests;
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
    pub(crate) passes: Passes,
    pub(crate) bus: Bus,
    pub(crate) scheduler: Scheduler,
    pub(crate) sandbox: Sandbox,
    pub(crate) runner: Runner,
    pub(crate) api_requests: ApiRequests,
    pub(crate) places: Places,
    pub(crate) invoker: Invoker,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
}

impl Services {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let tasks = Arc::new(Claims::new(environment, TaskStore::new(environment)?));
        let functions = Functions::new(environment)?;
        let (bus, clock) = (environment.bus()?, environment.clock.clone());
        let scheduler = Scheduler::new(&environment.aws, &environment.config, "TASK_FUNCTION_ARN")?;
        let sandbox = Sandbox::new(
            environment.outbound()?,
            environment.clock.clone(),
            environment.config.optional("SCRIPT_WORKER").map(Into::into),
        );
        let sandbox = sandbox.sending_on(environment.effects.threads().cloned());
        let emitter = Emitter {
            tasks: tasks.clone(),
            functions: functions.clone(),
            bus: bus.clone(),
            scheduler: scheduler.clone(),
            clock,
            event_budget: environment.config.event_budget()?,
        };
        Ok(Self {
            tasks,
            functions,
            assets: Assets::new(environment)?,
            schedules: SchedulesStore::new(environment)?,
            history: History::new(environment)?,
            passes: Passes::default(),
            bus,
            scheduler,
            runner: Runner::new(environment, sandbox.clone(), emitter)?,
            sandbox,
            api_requests: ApiRequests::new(environment)?,
            places: Places::default(),
            invoker: Invoker::new(&environment.aws, &environment.config),
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
        })
    }
}
