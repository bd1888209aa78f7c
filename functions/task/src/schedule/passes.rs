//! One pass at a time for each schedule in this process.
//!
//! Many come to settle the same schedule: the minute schedule, Scheduler, commands, the ends of its tasks. Whoever comes
//! while a pass is under way waits for the one after it, which is one for all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::event::command::ScheduleDue;
use tokio::sync::oneshot;

use crate::schedule::settle::Settled;

/// What a pass came to; `None` if the schedule is gone.
type Outcome = Option<Settled>;
type Waiting = HashMap<ScheduleDue, Vec<oneshot::Sender<Outcome>>>;

/// The schedules that this process settles at the moment, each with those who wait for its next pass.
#[derive(Clone, Default)]
pub(crate) struct Passes(Arc<Mutex<Waiting>>);

/// The right to settle a schedule; it ends when this is dropped, and those who wait try themselves then.
pub(crate) struct Turn {
    passes: Passes,
    key: ScheduleDue,
    waiting: Vec<oneshot::Sender<Outcome>>,
    is_held: bool,
}

/// The next pass of a schedule that somebody else settles.
pub(crate) struct Next {
    key: ScheduleDue,
    outcome: oneshot::Receiver<Outcome>,
}

impl Passes {
    /// Takes the turn for as many of these schedules as nobody settles, and waits for the next pass of all others.
    pub(crate) fn begin(&self, keys: BTreeSet<ScheduleDue>) -> (Vec<Turn>, Vec<Next>) {
        let (mut turns, mut nexts) = (Vec::with_capacity(keys.len()), Vec::new());
        let mut waiting = self.lock();
        for key in keys {
            if let Some(waiting) = waiting.get_mut(&key) {
                let (sender, outcome) = oneshot::channel();
                waiting.push(sender);
                nexts.push(Next { key, outcome });
                continue;
            }
            waiting.insert(key.clone(), Vec::new());
            turns.push(Turn { passes: self.clone(), key, waiting: Vec::new(), is_held: true });
        }
        (turns, nexts)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// The schedule.
    pub(crate) fn key(&self) -> &ScheduleDue {
        &self.key
    }

    /// Hands what a pass came to to those who waited for it; returns the turn again if others have come meanwhile.
    pub(crate) fn passed(mut self, outcome: &Outcome) -> Option<Self> {
        for sender in std::mem::take(&mut self.waiting) {
            // Who has gone away needs no answer.
            let _ = sender.send(outcome.clone());
        }
        let come = {
            let mut waiting = self.passes.lock();
            let come = waiting.get_mut(&self.key).map(std::mem::take).unwrap_or_default();
            if come.is_empty() {
                // Under the same lock, so that nobody comes in between.
                waiting.remove(&self.key);
            }
            come
        };
        self.is_held = !come.is_empty();
        self.waiting = come;
        self.is_held.then_some(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_held {
            self.passes.lock().remove(&self.key);
        }
    }
}

impl Next {
    /// Waits for the pass; the error is the schedule, whose turn was given up before.
    pub(crate) async fn outcome(self) -> Result<Outcome, ScheduleDue> {
        self.outcome.await.map_err(|_| self.key)
    }
}
