//! Sends the commands of runs: remember, send, forget.
//!
//! A run that this process has just written stays in memory, so that the answer to one of its commands costs no read.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use moka::future::Cache;
use serde_json::{Value, json};
use shared::bus::{Bus, Entry};
use shared::event::{DispatcherId, EventId, StepId};
use shared::scheduler::Scheduler;
use shared::{Environment, Error};

use crate::run::{Command, Run, RunContext, When};

const CAPACITY_BYTES: u64 = 16 * 1024 * 1024;

type Key = (EventId, DispatcherId);

/// Where commands are sent from.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    bus: Bus,
    scheduler: Scheduler,
    recent: Cache<Key, Arc<RecentRun>>,
}

/// A run as it was last written, and which of its commands this process has sent or is sending.
///
/// Another process may have written it since; every write is conditional on the version, so that this shows.
#[derive(Debug, Clone)]
pub(crate) struct RecentRun {
    pub(crate) run: Run,
    pub(crate) context: Option<RunContext>,
    sent: HashSet<StepId>,
}

impl Outbox {
    /// Opens the bus and the scheduler; no run is remembered.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let weigh = |_: &Key, recent: &Arc<RecentRun>| u32::try_from(recent.size_bytes()).unwrap_or(u32::MAX);
        Ok(Self {
            bus: environment.bus()?,
            scheduler: Scheduler::new(&environment.aws, &environment.config, "DISPATCHER_FUNCTION_ARN")?,
            recent: Cache::builder().max_capacity(CAPACITY_BYTES).weigher(weigh).build(),
        })
    }

    /// Returns a run that is remembered.
    pub(crate) async fn recent(&self, event_id: &EventId, dispatcher_id: &DispatcherId) -> Option<Arc<RecentRun>> {
        self.recent.get(&(event_id.clone(), dispatcher_id.clone())).await
    }

    /// Remembers runs that were just written, unless they are over, and sends their next commands; forgets the runs if that
    /// fails.
    pub(crate) async fn send(&self, runs: Vec<(RecentRun, Vec<Command>)>) -> Result<(), Error> {
        let mut all = Vec::new();
        let mut keys = Vec::with_capacity(runs.len());
        for (mut recent, commands) in runs {
            let key = (recent.run.event_id.clone(), recent.run.dispatcher_id.clone());
            if recent.run.is_over() {
                self.recent.invalidate(&key).await;
            } else {
                recent.sent.extend(commands.iter().map(|command| command.id.clone()));
                self.recent.insert(key.clone(), Arc::new(recent)).await;
            }
            keys.push(key);
            all.extend(commands);
        }
        let published = self.publish(all).await;
        if published.is_err() {
            for key in &keys {
                self.recent.invalidate(key).await;
            }
        }
        published
    }

    /// Sends those of a run's commands that this process has not sent as far as it knows.
    pub(crate) async fn send_missing(
        &self,
        run: Run,
        context: RunContext,
        mut commands: Vec<Command>,
    ) -> Result<(), Error> {
        let recent = self.recent(&run.event_id, &run.dispatcher_id).await;
        let sent = recent.map(|recent| recent.sent.clone()).unwrap_or_default();
        commands.retain(|command| !sent.contains(&command.id));
        if commands.is_empty() {
            return Ok(());
        }
        let (event_id, dispatcher_id) = (&run.event_id, &run.dispatcher_id);
        tracing::info!(event = %event_id, dispatcher = %dispatcher_id, commands = commands.len(), "sending commands again");
        self.send(vec![(RecentRun { run, context: Some(context), sent }, commands)]).await
    }

    /// Publishes facts.
    pub(crate) async fn publish_facts(&self, facts: Vec<Entry>) -> Result<(), Error> {
        self.bus.publish(facts).await
    }

    /// Calls this function with an input at a time, once for each name.
    pub(crate) async fn run_at(&self, name: &str, time: Timestamp, input: &Value) -> Result<(), Error> {
        self.scheduler.run_at(name, time, input).await
    }

    /// Publishes commands, and schedules those that are due later and the ends of those that have a timeout.
    pub(crate) async fn publish(&self, commands: Vec<Command>) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(commands.len());
        for Command { id, when, times_out_at } in commands {
            if let Some(time) = times_out_at {
                let name = format!("{}-timeout", id.record_id());
                self.scheduler.run_at(&name, time, &json!({ "timeout": id })).await?;
            }
            match when {
                When::Now(entry) => entries.push(entry),
                When::At(time) => self.scheduler.run_at(&id.record_id(), time, &json!({ "retry": id })).await?,
            }
        }
        self.bus.publish(entries).await
    }
}

impl RecentRun {
    /// Returns a run of which no command is known to be sent.
    pub(crate) fn new(run: Run, context: Option<RunContext>) -> Self {
        Self { run, context, sent: HashSet::new() }
    }

    /// Estimates the memory that it takes.
    fn size_bytes(&self) -> usize {
        let steps = self.run.steps.iter().map(|step| 1_000 + step.output.as_ref().map_or(0, |_| 4_000));
        steps.sum::<usize>() + self.context.as_ref().map_or(0, |_| 4_000)
    }
}
