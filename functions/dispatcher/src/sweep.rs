//! The sweeper: finds runs without progress, and the attempts whose time has come.

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use shared::Error;
use shared::event::{DispatcherId, EventId, StepId};

use crate::App;
use crate::recent::Known;
use crate::run::Step;
use crate::store::{OpenRow, Runs};

/// How long a row must be untouched.
const AGE: SignedDuration = SignedDuration::from_mins(1);
/// The most rows of one partition in one sweep; what is left comes first in the next.
const ROWS_PER_PARTITION: usize = 32;
/// How many rows are worked on at once.
const CONCURRENT_ROWS: usize = 8;

impl App {
    /// Looks at the rows that nothing has touched for a minute.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let before = now.checked_sub(AGE).unwrap_or(now);
        let rows: Vec<Vec<OpenRow>> = stream::iter(Runs::open_partitions())
            .map(|partition| self.runs.open(partition, before, ROWS_PER_PARTITION))
            .buffer_unordered(CONCURRENT_ROWS)
            .try_collect()
            .await?;
        // One row that fails must not keep the others from being looked at.
        let failed: Vec<Error> = stream::iter(rows.into_iter().flatten())
            .map(|row| self.sweep_row(row, now))
            .buffer_unordered(CONCURRENT_ROWS)
            .filter_map(|swept| async { swept.err() })
            .collect()
            .await;
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    async fn sweep_row(&self, row: OpenRow, now: Timestamp) -> Result<(), Error> {
        match row {
            OpenRow::Run(event_id, dispatcher_id) => self.sweep_run(&event_id, &dispatcher_id, now).await,
            OpenRow::Event(event_id) => match self.runs.receipt(&event_id).await? {
                Some(receipt) if !receipt.planned => self.complete(receipt, now).await,
                _ => Ok(()),
            },
        }
    }

    async fn sweep_run(&self, event_id: &EventId, dispatcher_id: &DispatcherId, now: Timestamp) -> Result<(), Error> {
        let Some(mut run) = self.runs.run(event_id, dispatcher_id).await? else { return Ok(()) };
        let Some(event) = self.event(event_id).await? else { return Ok(()) };
        let Some(commands) = run.sweep(&event, now) else { return Ok(()) };
        run.version += 1;
        if !self.runs.save(&run).await? {
            // It made progress just now.
            return Ok(());
        }
        tracing::warn!(event = %event_id, dispatcher = %dispatcher_id, commands = commands.len(), "run made no progress");
        self.send_next(Known { run, event: Some(event), sent: HashSet::new() }, commands).await
    }

    /// Sends the command of an attempt whose time has come, if that is still the one to do.
    pub(crate) async fn retry(&self, id: &StepId) -> Result<(), Error> {
        let Some(run) = self.runs.run(&id.event_id, &id.dispatcher_id).await? else { return Ok(()) };
        let Some(event) = self.event(&id.event_id).await? else { return Ok(()) };
        let is_this = |step: &Step| step.name() == id.step && step.attempt() == id.attempt;
        // Scheduler fires on the full second, never before the attempt is due by our own clock but for its skew.
        let now = self.clock.now().max(run.due_at(id).unwrap_or_default());
        self.send(run.requested(&event, now, |_, step| is_this(step))).await
    }
}
