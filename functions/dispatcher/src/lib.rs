//! The dispatcher function: matches events with dispatchers, fans them out to steps and advances the runs.
//!
//! In: every fact, `step.finished`, schedules. Out: a command for each step that can begin.
//!
//! A fact is matched with the dispatchers of its type. Its receipt and one run per match are written in one
//! transaction on the condition that the event is new; then the commands of the steps that wait for nothing are
//! published. Each answer changes its run by one conditional write; then the commands that follow from it are
//! published. A crash between a write and its commands heals: the same fact or answer comes again and publishes those
//! commands that have no answer yet, or else the sweeper does. Commands may come twice, and the ids of the records that
//! they leave derive from (event, dispatcher, step, attempt), so that nothing is done twice.

mod answer;
mod api;
mod dispatcher;
mod event;
mod fact;
mod recent;
mod recurrence;
mod run;
mod store;
mod sweep;
mod template;
mod timeline;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::event::{COMMAND_SOURCE, STEP_SOURCE, StepId};
use shared::scheduler::Scheduler;
use shared::{Environment, Error, Function, Incoming};

use recent::Recent;
use run::{Command, When};
use store::{Dispatchers, Runs};

/// What the function works with.
struct App {
    dispatchers: Dispatchers,
    runs: Runs,
    recent: Recent,
    bus: Bus,
    scheduler: Scheduler,
    clock: Clock,
    ids: Ids,
    retention: SignedDuration,
}

/// What schedules send.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Due {
    /// The template's schedule of the sweeper.
    Sweep(Swept),
    /// The time of another attempt at a step.
    Retry(StepId),
}

/// What is swept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Swept {
    /// Runs without progress.
    Runs,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let app = Arc::new(App {
        dispatchers: Dispatchers::new(environment)?,
        runs: Runs::new(environment)?,
        recent: Recent::new(),
        bus: environment.bus()?,
        scheduler: Scheduler::new(&environment.aws, &environment.config, "DISPATCHER_FUNCTION_ARN")?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
        retention: SignedDuration::from_secs(environment.config.retention_s()?),
    });
    let routes = api::routes(app.clone(), environment.tokens()?);
    Ok(Function::new(routes, move |incoming| on_event(app.clone(), incoming)))
}

async fn on_event(app: Arc<App>, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { source, .. } if source == COMMAND_SOURCE => Ok(()),
        Incoming::Event { source, envelope } if source == STEP_SOURCE => Box::pin(app.on_answer(&envelope)).await,
        Incoming::Event { source, envelope } => Box::pin(app.on_fact(source, *envelope)).await,
        Incoming::Schedule(input) => Box::pin(app.on_schedule(input)).await,
    }
}

impl App {
    async fn on_schedule(&self, input: Value) -> Result<(), Error> {
        match Due::deserialize(input).map_err(Error::cannot("understand the input of a schedule"))? {
            Due::Sweep(Swept::Runs) => self.sweep().await,
            Due::Retry(id) => self.retry(&id).await,
        }
    }

    /// Publishes commands, and schedules those that are due later.
    async fn send(&self, commands: Vec<Command>) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(commands.len());
        for Command { id, when } in commands {
            match when {
                When::Now(entry) => entries.push(entry),
                When::At(time) => {
                    let input = serde_json::json!({ "retry": id });
                    self.scheduler.run_at(&id.record_id(), time, &input).await?;
                }
            }
        }
        self.bus.publish(entries).await
    }

    fn expires_at(&self, now: Timestamp) -> i64 {
        now.checked_add(self.retention).unwrap_or(now).as_second()
    }
}
