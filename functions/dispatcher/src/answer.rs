//! What happens to an answer: one conditional write of its run, then the commands that follow.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use shared::Error;
use shared::event::{Envelope, EventId, StepFinished, StepId};

use crate::App;
use crate::event::Event;
use crate::recent::Known;
use crate::run::{Applied, Command, Run, StepState};

/// How often a write is tried that others keep getting ahead of.
const TRIES: u32 = 50;

impl App {
    /// Takes the answer to a command.
    pub(crate) async fn on_answer(&self, envelope: &Envelope) -> Result<(), Error> {
        let answer: StepFinished = envelope.content()?;
        let (event_id, dispatcher_id) = (&answer.id.event_id, &answer.id.dispatcher_id);
        if let Some(known) = self.recent.get(event_id, dispatcher_id).await
            && self.apply(Known::clone(&known), &answer, envelope.time).await? == Outcome::Done
        {
            return Ok(());
        }
        for _ in 0..TRIES {
            let Some(run) = self.runs.run(event_id, dispatcher_id).await? else {
                tracing::warn!(event = %event_id, dispatcher = %dispatcher_id, "answer to a run that does not exist");
                return Ok(());
            };
            let known = Known { run: run.clone(), event: None, sent: HashSet::new() };
            match self.apply(known, &answer, envelope.time).await? {
                Outcome::Done => return Ok(()),
                Outcome::Late => return self.late(run, &answer.id).await,
                Outcome::Overtaken => {}
            }
        }
        Err(Error::new("advance a run", "others keep changing it"))
    }

    /// Applies the answer to a run as it is known.
    async fn apply(&self, mut known: Known, answer: &StepFinished, at: Timestamp) -> Result<Outcome, Error> {
        let now = self.clock.now();
        if known.run.apply(answer, at) == Applied::Late {
            return Ok(Outcome::Late);
        }
        let mut commands = Vec::new();
        if known.run.needs_event(&answer.id) {
            let Some(event) = self.event_of(&mut known).await? else { return Ok(Outcome::Done) };
            commands = known.run.advance(&answer.id, &event, now);
        } else {
            known.run.close(now);
        }
        known.run.version += 1;
        if !self.runs.save(&known.run).await? {
            return Ok(Outcome::Overtaken);
        }
        if known.run.is_over() {
            let Known { run, .. } = &known;
            tracing::info!(event = %run.event_id, dispatcher = %run.dispatcher_id, status = ?run.status, "run finished");
        }
        self.send_next(known, commands).await.map(|()| Outcome::Done)
    }

    /// Remembers a run that was just written and sends its next commands.
    pub(crate) async fn send_next(&self, known: Known, commands: Vec<Command>) -> Result<(), Error> {
        let run = known.run.clone();
        self.recent.remember(known, &commands).await;
        let sent = self.send(commands).await;
        if sent.is_err() {
            self.recent.forget(&run).await;
        }
        sent
    }

    /// A late answer changes nothing; but its first delivery may have died before it sent the commands that follow.
    async fn late(&self, run: Run, answered: &StepId) -> Result<(), Error> {
        if !run.steps.iter().any(|step| step.status == StepState::Requested) {
            return Ok(());
        }
        let Some(event) = self.event(&run.event_id).await? else { return Ok(()) };
        let commands = run.requested_by(answered, &event, self.clock.now());
        self.send_again(run, Some(event), commands).await
    }

    /// Returns the event of a run, read once.
    async fn event_of(&self, known: &mut Known) -> Result<Option<Arc<Event>>, Error> {
        if known.event.is_none() {
            known.event = self.event(&known.run.event_id).await?;
        }
        Ok(known.event.clone())
    }

    /// Reads the event of a run; `None` at the end of the time that both are kept, when the event is deleted first.
    pub(crate) async fn event(&self, id: &EventId) -> Result<Option<Arc<Event>>, Error> {
        let receipt = self.runs.receipt(id).await?;
        if receipt.is_none() {
            tracing::warn!(event = %id, "the event of a run has expired");
        }
        Ok(receipt.map(|receipt| Arc::new(receipt.event)))
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is stored, and the commands that follow are sent.
    Done,
    /// It changes nothing in the run as it is known.
    Late,
    /// The run is not stored as it was known.
    Overtaken,
}
