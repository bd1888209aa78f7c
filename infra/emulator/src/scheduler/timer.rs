//! The task that waits for the next due schedule and turns it into a delivery.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::definition::{AfterCompletion, State};
use super::store::{self, Key};
use crate::clock::Clock;
use crate::delivery::row::Delivery;
use crate::delivery::{Deliveries, notify};
use crate::journal::{Journal, Refused};
use crate::template::Stack;

/// The most schedules fired in one transaction.
const BATCH: usize = 256;
/// The wait after the journal failed.
const RETRY: Duration = Duration::from_secs(1);

pub(super) enum Message {
    /// A schedule is due at another time, or never.
    Changed(Key, Option<Timestamp>),
    /// As `Changed`, because it fired.
    Fired(Key, Option<Timestamp>),
    Settle(oneshot::Sender<()>),
}

pub(super) struct Timer {
    pub(super) journal: Arc<Journal>,
    pub(super) clock: Clock,
    pub(super) stack: Arc<Stack>,
    pub(super) deliveries: Deliveries,
    pub(super) own: mpsc::UnboundedSender<Message>,
    due: BTreeSet<(Timestamp, Key)>,
    times: HashMap<Key, Timestamp>,
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
            times: HashMap::new(),
            firing: 0,
            settling: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        loop {
            self.fire_due().await;
            if self.firing == 0 && self.next().is_none_or(|next| next > self.clock.now()) {
                notify(&mut self.settling);
            }
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = self.clock.wait_until_some(self.next()) => {}
            }
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Changed(key, due) => self.set(key, due),
            Message::Fired(key, due) => {
                self.firing -= 1;
                self.set(key, due);
            }
            Message::Settle(done) => self.settling.push(done),
        }
    }

    fn set(&mut self, key: Key, due: Option<Timestamp>) {
        if let Some(old) = self.times.remove(&key) {
            self.due.remove(&(old, key.clone()));
        }
        if let Some(due) = due {
            self.times.insert(key.clone(), due);
            self.due.insert((due, key));
        }
    }

    async fn fire_due(&mut self) {
        let now = self.clock.now();
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        let keys: Vec<Key> = due.take(BATCH).map(|(_, key)| key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        keys.iter().for_each(|key| self.set(key.clone(), None));
        self.firing += keys.len();
        let (stack, fired) = (self.stack.clone(), keys.clone());
        let work = move |connection: &Connection| {
            let fire = |key| fire(key, now, &stack, connection);
            fired.into_iter().map(fire).collect::<rusqlite::Result<Vec<_>>>()
        };
        let (deliveries, own) = (self.deliveries.clone(), self.own.clone());
        let after = move |fired: Vec<Fired>| {
            deliveries.committed(fired.iter().filter_map(|fired| fired.delivery.clone()).collect());
            for fired in fired {
                // The timer ends with the emulator.
                let _ = own.send(Message::Fired(fired.key, fired.next));
            }
        };
        if let Err(Refused) = self.journal.write_then(work, after).await {
            tokio::time::sleep(RETRY).await;
            self.firing -= keys.len();
            keys.into_iter().for_each(|key| self.set(key, Some(now)));
        }
    }
}

struct Fired {
    key: Key,
    delivery: Option<Delivery>,
    next: Option<Timestamp>,
}

/// Inserts the delivery of a due schedule and moves the schedule on, in one transaction.
fn fire(key: Key, now: Timestamp, stack: &Stack, connection: &Connection) -> rusqlite::Result<Fired> {
    let found = store::get(&key, connection)?;
    let due = found.and_then(|(definition, due)| Some((definition, due?)));
    // It may have been changed or deleted since it became due.
    let due = due.filter(|(definition, _)| definition.state == State::Enabled);
    let Some((definition, instant)) = due else {
        return Ok(Fired { key, delivery: None, next: None });
    };
    if instant > now {
        return Ok(Fired { key, delivery: None, next: Some(instant) });
    }
    let Ok(plan) = definition.plan(stack) else {
        tracing::error!(schedule = key.1, "a schedule's function is gone from the template");
        store::set_due(&key, None, connection)?;
        return Ok(Fired { key, delivery: None, next: None });
    };
    let event = definition.event(instant);
    let mut delivery = Delivery::new(plan.function.as_str().into(), event.into(), plan.retry, now);
    delivery.insert(connection)?;
    let next = plan.next(now);
    if next.is_none() && definition.action_after_completion == AfterCompletion::Delete {
        store::delete(&key, connection)?;
    } else {
        store::set_due(&key, next, connection)?;
    }
    Ok(Fired { key, delivery: Some(delivery), next })
}
