//! The runs that this process wrote a moment ago, so that their answers cost no read.

use std::collections::HashSet;
use std::sync::Arc;

use moka::future::Cache;
use shared::event::{DispatcherId, EventId, StepId};

use crate::event::Event;
use crate::run::{Command, Run};

const CAPACITY_BYTES: u64 = 32 * 1024 * 1024;

/// A run as it was written last, and which of its commands this process has sent or is sending.
///
/// Another process may have written it since; every write is conditional on the version, so that this shows.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) run: Run,
    pub(crate) event: Option<Arc<Event>>,
    pub(crate) sent: HashSet<StepId>,
}

/// Recently written runs.
#[derive(Debug, Clone)]
pub(crate) struct Recent(Cache<(EventId, DispatcherId), Arc<Known>>);

impl Recent {
    /// Knows no run.
    pub(crate) fn new() -> Self {
        let weigh =
            |_: &(EventId, DispatcherId), known: &Arc<Known>| u32::try_from(known.size_bytes()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(CAPACITY_BYTES).weigher(weigh).build())
    }

    /// Returns what is known of a run.
    pub(crate) async fn get(&self, event_id: &EventId, dispatcher_id: &DispatcherId) -> Option<Arc<Known>> {
        self.0.get(&(event_id.clone(), dispatcher_id.clone())).await
    }

    /// Remembers a run that was just written, and the commands that are sent now; forgets one that is over.
    pub(crate) async fn remember(&self, mut known: Known, commands: &[Command]) {
        let key = key(&known.run);
        if known.run.is_over() {
            return self.0.invalidate(&key).await;
        }
        known.sent.extend(commands.iter().map(|command| command.id.clone()));
        self.0.insert(key, Arc::new(known)).await;
    }

    /// Forgets a run, for one whose commands could not be sent.
    pub(crate) async fn forget(&self, run: &Run) {
        self.0.invalidate(&key(run)).await;
    }
}

impl Known {
    /// Estimates the memory that it takes.
    fn size_bytes(&self) -> usize {
        let steps = self.run.steps.iter().map(|step| 1_000 + step.output.as_ref().map_or(0, |_| 4_000));
        steps.sum::<usize>() + self.event.as_ref().map_or(0, |_| 4_000)
    }
}

fn key(run: &Run) -> (EventId, DispatcherId) {
    (run.event_id.clone(), run.dispatcher_id.clone())
}
