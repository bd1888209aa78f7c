//! The task that waits for the next due schedule and turns it into a delivery.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::definition::{AfterCompletion, State};
use super::store::{self, Key};
use crate::clock::{Clock, left};
use crate::delivery::row::Delivery;
use crate::delivery::{Deliveries, notify};
use crate::journal::{Journal, Refused};
use crate::template::Stack;

/// The most schedules fired in one transaction.
const BATCH: usize = 256;
/// How far the clock may be set back without a schedule noticing.
const CORRECTION: SignedDuration = SignedDuration::from_secs(30);
/// The wait after the journal failed.
const RETRY: Duration = Duration::from_secs(1);

pub(super) enum Message {
    /// A schedule is due at another time, or never.
    Changed(Key, Option<Timestamp>),
    /// It fired at the first time, and is due again at the second.
    Fired(Key, Timestamp, Option<Timestamp>),
    Settle(oneshot::Sender<()>),
}

pub(super) struct Timer {
    pub(super) journal: Arc<Journal>,
    pub(super) clock: Clock,
    pub(super) stack: Arc<Stack>,
    pub(super) deliveries: Deliveries,
    pub(super) own: mpsc::UnboundedSender<Message>,
    /// By wall time.
    due: BTreeSet<(Timestamp, Key)>,
    /// By the steady time at which they would be due if the wall time were never set.
    steadily_due: BTreeSet<(Timestamp, Key)>,
    times: HashMap<Key, (Timestamp, Timestamp)>,
    /// Fired schedules whose next time is not known yet.
    firing: usize,
    settling: Vec<oneshot::Sender<()>>,
}

impl Timer {
    pub(super) fn new(
        journal: Arc<Journal>,
        clock: Clock,
        stack: Arc<Stack>,
        deliveries: Deliveries,
        own: mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self {
            journal,
            clock,
            stack,
            deliveries,
            own,
            due: BTreeSet::new(),
            steadily_due: BTreeSet::new(),
            times: HashMap::new(),
            firing: 0,
            settling: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        loop {
            self.fire_due().await;
            if self.firing == 0 && self.next_due().is_none() {
                notify(&mut self.settling);
            }
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = self.clock.wait_while(|| self.left()), if !self.due.is_empty() => {}
            }
        }
    }

    /// The next schedule that is due: by the wall time, or because its time has passed although the clock was set back.
    fn next_due(&self) -> Option<Key> {
        let (wall, steady) = (self.clock.now(), self.clock.steady());
        let by_wall = self.due.first().filter(|(due, _)| *due <= wall);
        let by_steady = || self.steadily_due.first().filter(|(due, key)| *due <= steady && self.is_set_back(key));
        by_wall.or_else(by_steady).map(|(_, key)| key.clone())
    }

    /// Tells whether the wall time was set back so far that a schedule would be late; less is a correction to follow.
    fn is_set_back(&self, key: &Key) -> bool {
        let (wall, steady) = (self.clock.now(), self.clock.steady());
        self.times
            .get(key)
            .is_some_and(|(due, steadily)| due.duration_since(wall) > steadily.duration_since(steady) + CORRECTION)
    }

    fn left(&self) -> Option<Duration> {
        if self.next_due().is_some() {
            return None;
        }
        // A schedule may be due by the steady time for longer, unless the clock is set back only now.
        let by_wall = self.due.first().and_then(|(due, _)| left(*due, self.clock.now()));
        let by_steady = self.steadily_due.first().and_then(|(due, _)| left(*due, self.clock.steady()));
        by_wall.into_iter().chain(by_steady).min().or(Some(RETRY))
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Changed(key, due) => self.set(key, due),
            Message::Fired(key, fired, due) => {
                self.firing -= 1;
                self.set_from(key, due, fired, self.clock.steady());
            }
            Message::Settle(done) => self.settling.push(done),
        }
    }

    fn set(&mut self, key: Key, due: Option<Timestamp>) {
        let (wall, steady) = (self.clock.now(), self.clock.steady());
        self.set_from(key, due, wall, steady);
    }

    /// Sets when a schedule is due, seen from a moment in wall time and in steady time.
    fn set_from(&mut self, key: Key, due: Option<Timestamp>, wall: Timestamp, steady: Timestamp) {
        if let Some((old, steadily)) = self.times.remove(&key) {
            self.due.remove(&(old, key.clone()));
            self.steadily_due.remove(&(steadily, key.clone()));
        }
        if let Some(due) = due {
            let steadily = steady.checked_add(due.duration_since(wall)).unwrap_or(Timestamp::MAX);
            self.times.insert(key.clone(), (due, steadily));
            self.due.insert((due, key.clone()));
            self.steadily_due.insert((steadily, key));
        }
    }

    /// Takes what is due, at most a batch, with the wall times for which it is due.
    fn take_due(&mut self) -> Vec<(Key, Timestamp)> {
        let mut taken = Vec::new();
        while taken.len() < BATCH
            && let Some(key) = self.next_due()
            && let Some((due, _)) = self.times.get(&key).copied()
        {
            self.set(key.clone(), None);
            taken.push((key, due));
        }
        taken
    }

    async fn fire_due(&mut self) {
        let (now, steady) = (self.clock.now(), self.clock.steady());
        let keys = self.take_due();
        if keys.is_empty() {
            return;
        }
        self.firing += keys.len();
        let (stack, fired) = (self.stack.clone(), keys.clone());
        let work = move |connection: &Connection| {
            let fire = |(key, due)| fire(key, due, (now, steady), &stack, connection);
            fired.into_iter().map(fire).collect::<rusqlite::Result<Vec<_>>>()
        };
        let (deliveries, own) = (self.deliveries.clone(), self.own.clone());
        let after = move |fired: Vec<Fired>| {
            deliveries.committed(fired.iter().filter_map(|fired| fired.delivery.clone()).collect());
            for fired in fired {
                // The timer ends with the emulator.
                let _ = own.send(Message::Fired(fired.key, fired.at, fired.next));
            }
        };
        if let Err(Refused) = self.journal.write_then(work, after).await {
            tokio::time::sleep(RETRY).await;
            self.firing -= keys.len();
            keys.into_iter().for_each(|(key, due)| self.set(key, Some(due.min(now))));
        }
    }
}

struct Fired {
    key: Key,
    /// The wall time, or the due time if the clock was set back before it.
    at: Timestamp,
    delivery: Option<Delivery>,
    next: Option<Timestamp>,
}

/// Inserts the delivery of a due schedule and moves the schedule on, in one transaction.
fn fire(
    key: Key,
    expected: Timestamp,
    (now, steady): (Timestamp, Timestamp),
    stack: &Stack,
    connection: &Connection,
) -> rusqlite::Result<Fired> {
    let found = store::get(&key, connection)?;
    let due = found.and_then(|(definition, due)| Some((definition, due?)));
    // It may have been changed or deleted since it became due.
    let due = due.filter(|(definition, _)| definition.state == State::Enabled);
    let Some((definition, instant)) = due else {
        return Ok(Fired { key, at: now, delivery: None, next: None });
    };
    if instant != expected {
        return Ok(Fired { key, at: now, delivery: None, next: Some(instant) });
    }
    // What it was due for does not come again.
    let at = now.max(instant);
    let Ok(plan) = definition.plan(stack) else {
        tracing::error!(schedule = key.1, "a schedule's function is gone from the template");
        store::set_due(&key, None, connection)?;
        return Ok(Fired { key, at, delivery: None, next: None });
    };
    let event = definition.event(instant);
    let mut delivery = Delivery::new(plan.function.as_str().into(), event.into(), plan.retry, steady);
    delivery.insert(connection)?;
    let next = plan.next(at);
    if next.is_none() && definition.action_after_completion == AfterCompletion::Delete {
        store::delete(&key, connection)?;
    } else {
        store::set_due(&key, next, connection)?;
    }
    Ok(Fired { key, at, delivery: Some(delivery), next })
}
