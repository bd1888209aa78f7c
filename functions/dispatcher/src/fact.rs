//! What happens to a fact: matched, written with its runs, fanned out.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use shared::Error;
use shared::event::{Envelope, Trace};

use crate::App;
use crate::dispatcher::event_type;
use crate::event::Event;
use crate::recent::Known;
use crate::run::{Command, Run};
use crate::store::{Begun, Matching, Receipt, Received};

const A_DAY_S: i64 = 86_400;

/// A run that starts, with its first commands.
type Started = (Run, Vec<Command>);

impl App {
    /// Takes a fact: the first time it starts its runs, later it completes what a crash has left undone.
    pub(crate) async fn on_fact(&self, source: String, envelope: Envelope) -> Result<(), Error> {
        let now = self.clock.now();
        let expires_at = self.kept_until(now, &envelope);
        let event = Arc::new(Event::new(envelope));
        let (received, started) = self.plan(&event, now, expires_at).await?;
        let receipt = Receipt {
            event: Event::clone(&event),
            source,
            received_at: now,
            received,
            planned: true,
            duplicates: 0,
            latest: None,
            expires_at,
        };
        let runs: Vec<&Run> = started.iter().map(|(run, _)| run).collect();
        match self.runs.begin(&receipt, &runs).await? {
            Begun::First => {
                tracing::info!(event = %event.id(), kind = event.envelope.kind, runs = runs.len(), "event received");
                self.send_first(&event, started).await
            }
            Begun::Again => self.again(&receipt, now).await,
        }
    }

    /// Finds the dispatchers that match and starts a run for each.
    async fn plan(&self, event: &Event, now: Timestamp, expires_at: i64) -> Result<(Received, Vec<Started>), Error> {
        let Envelope { kind, trace, .. } = &event.envelope;
        if trace.depth > Trace::MAX_DEPTH {
            return Ok((Received::LoopDetected, Vec::new()));
        }
        // A type that no dispatcher can have could name a partition that holds no dispatchers.
        let candidates = match event_type("type", kind) {
            Ok(()) => self.dispatchers.of_type(kind).await?,
            Err(_) => Vec::new(),
        };
        let started = start(event, &candidates, now, expires_at);
        Ok((if started.is_empty() { Received::Unmatched } else { Received::Matched }, started))
    }

    /// Sends the first commands of runs that were just written.
    async fn send_first(&self, event: &Arc<Event>, started: Vec<Started>) -> Result<(), Error> {
        let mut commands = Vec::new();
        let mut runs = Vec::with_capacity(started.len());
        for (run, first) in started {
            let known = Known { run: run.clone(), event: Some(event.clone()), sent: HashSet::new() };
            self.recent.remember(known, &first).await;
            commands.extend(first);
            runs.push(run);
        }
        let sent = self.send(commands).await;
        if sent.is_err() {
            for run in &runs {
                self.recent.forget(run).await;
            }
        }
        sent
    }

    /// Returns when an event may be deleted, in seconds since 1970: a repetition has to find it as long as it is one.
    pub(crate) fn kept_until(&self, now: Timestamp, envelope: &Envelope) -> i64 {
        let window_s = i64::from(envelope.dedup_window_seconds.unwrap_or_default());
        self.expires_at(now).max(now.as_second() + window_s + A_DAY_S)
    }

    /// Takes an event whose id was there before: a repetition, unless it comes after its time.
    async fn again(&self, receipt: &Receipt, now: Timestamp) -> Result<(), Error> {
        let envelope = &receipt.event.envelope;
        if envelope.dedup_window_seconds.is_some()
            && let Some(first) = self.runs.receipt(&envelope.id).await?
            && self.recur(&receipt.source, envelope, &first).await?
        {
            return Ok(());
        }
        self.resume(&envelope.id, now).await
    }

    /// Completes an event that came before: writes runs that are missing, and sends commands that were perhaps not sent.
    pub(crate) async fn resume(&self, event_id: &shared::event::EventId, now: Timestamp) -> Result<(), Error> {
        let Some(receipt) = self.runs.came_again(event_id).await? else {
            return Err(Error::new("resume an event", "its receipt has expired meanwhile"));
        };
        tracing::info!(event = %event_id, duplicates = receipt.duplicates, "event came again");
        match receipt.received {
            Received::Matched => self.complete(receipt, now).await,
            Received::Unmatched | Received::LoopDetected => Ok(()),
        }
    }

    /// Brings an event with runs to where its first delivery should have left it.
    pub(crate) async fn complete(&self, receipt: Receipt, now: Timestamp) -> Result<(), Error> {
        let event = Arc::new(receipt.event);
        if !receipt.planned {
            let (_, started) = self.plan(&event, now, receipt.expires_at).await?;
            let runs: Vec<&Run> = started.iter().map(|(run, _)| run).collect();
            self.runs.plan_rest(event.id(), &runs).await?;
        }
        let Some((_, runs)) = self.runs.timeline(event.id()).await? else { return Ok(()) };
        for run in runs.into_iter().filter(|run| !run.is_over()) {
            let commands = run.requested(&event, now, |_, step| !step.has_answered());
            self.send_again(run, Some(event.clone()), commands).await?;
        }
        Ok(())
    }

    /// Sends those of a run's commands again that this process does not know to be sent.
    pub(crate) async fn send_again(
        &self,
        run: Run,
        event: Option<Arc<Event>>,
        mut commands: Vec<Command>,
    ) -> Result<(), Error> {
        let known = self.recent.get(&run.event_id, &run.dispatcher_id).await;
        if let Some(known) = &known {
            commands.retain(|command| !known.sent.contains(&command.id));
        }
        if commands.is_empty() {
            return Ok(());
        }
        tracing::info!(event = %run.event_id, dispatcher = %run.dispatcher_id, commands = commands.len(), "sending again");
        let sent = known.map(|known| known.sent.clone()).unwrap_or_default();
        self.recent.remember(Known { run: run.clone(), event, sent }, &commands).await;
        let result = self.send(commands).await;
        if result.is_err() {
            self.recent.forget(&run).await;
        }
        result
    }
}

/// Starts a run for each dispatcher that an event matches.
fn start(event: &Event, candidates: &[Arc<Matching>], now: Timestamp, expires_at: i64) -> Vec<Started> {
    let matching = candidates
        .iter()
        .filter(|candidate| candidate.filter.as_ref().is_none_or(|filter| filter.matches(&event.value)));
    matching.map(|matching| Run::start(event, &matching.dispatcher, now, expires_at)).collect()
}
