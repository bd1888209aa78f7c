//! The task that delivers: one lane per queue and per function, a bounded part of each in memory, the rest in the journal.
//!
//! On AWS, an invocation ends when its slowest event has, and only then are the others of its batch deleted. Here each
//! is deleted as soon as it has been handled, so that a batch is no more than a bound on how many are handled at once.
//! What a process had received when it died counts as not received: nobody has refused it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::inbox::{Deliveries, Invoke, Message, notify};
use super::lane::{LONGEST_RETRY, Lane, Terms};
use super::row::Delivery;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::journal::{Journal, Refused};

/// Rows read back at once.
const LOAD: usize = 128;
/// The most messages that are taken before anything else.
const TAKEN: usize = 256;
/// The wait before the journal is read again after it failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Queue {
    journal: Arc<Journal>,
    clock: Clock,
    faults: Arc<Faults>,
    own: Deliveries,
    lanes: HashMap<Arc<str>, Lane>,
    /// Failed deliveries by the steady time of their next attempt (ms) and row id.
    retries: BinaryHeap<Reverse<(i64, i64)>>,
    /// Due retries that are being read back.
    fetching: usize,
    /// What was accepted and is still to be deleted.
    accepted: Vec<i64>,
    invoke: Option<Invoke>,
    running: JoinSet<()>,
    in_flight: usize,
    idle: Vec<oneshot::Sender<()>>,
    stopping: Vec<oneshot::Sender<()>>,
}

impl Queue {
    pub(super) fn new(
        lanes: impl Iterator<Item = (Arc<str>, Terms)>,
        journal: Arc<Journal>,
        (clock, faults): (Clock, Arc<Faults>),
        own: Deliveries,
    ) -> Self {
        Self {
            journal,
            clock,
            faults,
            own,
            lanes: lanes.map(|(id, terms)| (id, Lane::new(terms))).collect(),
            retries: BinaryHeap::new(),
            fetching: 0,
            accepted: Vec::new(),
            invoke: None,
            running: JoinSet::new(),
            in_flight: 0,
            idle: Vec::new(),
            stopping: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut sleepers = self.clock.sleepers();
        let mut messages = Vec::with_capacity(TAKEN);
        loop {
            let due = self.next_retry();
            tokio::select! {
                taken = inbox.recv_many(&mut messages, TAKEN) => match taken {
                    0 => return,
                    _ => messages.drain(..).for_each(|message| self.take(message)),
                },
                () = self.clock.wait_until_steady(due) => {}
                // The clock that sends lives as long as this queue.
                Ok(()) = sleepers.changed() => self.pump_all(),
            }
            while self.running.try_join_next().is_some() {}
            self.delete_accepted();
            self.fetch_due();
            self.settle();
        }
    }

    fn next_retry(&self) -> Option<Timestamp> {
        let Reverse((due_ms, _)) = self.retries.peek().filter(|_| self.is_delivering())?;
        Timestamp::from_millisecond(*due_ms).ok()
    }

    fn due_ms(&self, wait: Duration) -> i64 {
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.clock.steady().as_millisecond().saturating_add(wait_ms)
    }

    fn is_delivering(&self) -> bool {
        self.invoke.is_some() && self.stopping.is_empty()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Committed(rows) => rows.into_iter().for_each(|row| self.committed(row)),
            Message::Loaded(target, rows, all) => self.loaded(&target, rows, all),
            Message::Fetched(row) => {
                self.fetching -= 1;
                if let Some(row) = row
                    && let Some(lane) = self.lanes.get_mut(&row.target)
                {
                    let target = row.target.clone();
                    lane.push(row);
                    self.pump(&target);
                }
            }
            Message::Unread(id) => {
                self.fetching -= 1;
                self.retries.push(Reverse((self.due_ms(READ_AGAIN), id)));
            }
            Message::Finished(finished) => self.finished(*finished),
            Message::Start(invoke) => {
                self.invoke = Some(invoke);
                self.pump_all();
            }
            Message::Idle(done) => self.idle.push(done),
            Message::Stop(done) => self.stopping.push(done),
        }
    }

    fn committed(&mut self, row: Delivery) {
        let Some(lane) = self.lanes.get_mut(&row.target) else {
            return;
        };
        if lane.is_full() {
            lane.behind = true;
        }
        if lane.behind {
            // It is read back when it is due.
            return;
        }
        lane.last_id = row.id;
        let target = row.target.clone();
        lane.push(row);
        self.pump(&target);
    }

    fn loaded(&mut self, target: &Arc<str>, rows: Vec<Delivery>, all: bool) {
        let now_ms = self.clock.steady().as_millisecond();
        // Whatever an earlier process took for the time, none of its waits was longer.
        let latest_ms = self.due_ms(LONGEST_RETRY);
        let Some(lane) = self.lanes.get_mut(target) else {
            return;
        };
        lane.loading = false;
        lane.behind = !all;
        for row in rows {
            lane.last_id = row.id;
            if row.due_at_ms > now_ms {
                self.retries.push(Reverse((row.due_at_ms.min(latest_ms), row.id)));
            } else {
                lane.push(row);
            }
        }
        self.pump(target);
    }

    fn pump_all(&mut self) {
        let targets: Vec<_> = self.lanes.keys().cloned().collect();
        targets.iter().for_each(|target| self.pump(target));
    }

    /// Starts deliveries of a lane while there is room.
    fn pump(&mut self, target: &Arc<str>) {
        let (true, Some(invoke), Some(lane)) = (self.is_delivering(), &self.invoke, self.lanes.get_mut(target)) else {
            return;
        };
        // Those that only wait for their time take no room.
        while (lane.running < lane.terms.at_once || lane.running < lane.terms.at_once + self.clock.asleep())
            && lane.has_ready()
        {
            let Some(delivery) = lane.pop() else { break };
            lane.running += 1;
            self.in_flight += 1;
            let times = if self.faults.delivers_twice() { 2 } else { 1 };
            let started = self.clock.steady();
            let attempt = Attempt { delivery, function: lane.terms.function.clone(), started };
            self.running.spawn(attempt.make(self.own.clone(), invoke.clone(), times));
        }
        if lane.behind && !lane.loading && lane.len() < LOAD {
            lane.loading = true;
            let (journal, own) = (self.journal.clone(), self.own.clone());
            tokio::spawn(load(journal, own, target.clone(), lane.last_id));
        }
    }

    fn finished(&mut self, (attempt, result): (Attempt, Result<(), String>)) {
        self.in_flight -= 1;
        let target = attempt.delivery.target.clone();
        if let Some(lane) = self.lanes.get_mut(&target) {
            lane.running -= 1;
        }
        match result {
            Ok(()) => self.accepted.push(attempt.delivery.id),
            Err(error) => self.failed(attempt, error),
        }
        self.pump(&target);
    }

    fn failed(&mut self, Attempt { mut delivery, function, started }: Attempt, error: String) {
        let (now, steady) = (self.clock.now(), self.clock.steady());
        delivery.attempts += 1;
        let (id, attempts) = (delivery.id, delivery.attempts);
        let is_old = steady.as_millisecond() >= delivery.expires_at_ms;
        if attempts > delivery.retries || is_old {
            tracing::error!(%function, attempts, error, "a delivery has failed for good and is now a dead letter");
            self.journal.post_lazy(move |connection| delivery.bury(&error, now, connection));
            return;
        }
        let since = steady.duration_since(started).unsigned_abs();
        let wait = self.lanes.get(&delivery.target).map(|lane| lane.wait(attempts, since)).unwrap_or_default();
        tracing::warn!(%function, attempts, error, ?wait, "a delivery failed");
        let due_ms = self.due_ms(wait);
        self.retries.push(Reverse((due_ms, id)));
        self.journal.post_lazy(move |c| Delivery::postpone(id, attempts, due_ms, c));
    }

    /// Deletes what was accepted since the last time, all at once.
    fn delete_accepted(&mut self) {
        if !self.accepted.is_empty() {
            let accepted = std::mem::take(&mut self.accepted);
            self.journal.post_lazy(move |c| accepted.iter().try_for_each(|id| Delivery::delete(*id, c)));
        }
    }

    /// Reads back the deliveries whose next attempt is due.
    fn fetch_due(&mut self) {
        if self.retries.is_empty() || !self.is_delivering() {
            return;
        }
        let now_ms = self.clock.steady().as_millisecond();
        while let Some(Reverse((due_ms, id))) = self.retries.peek().copied()
            && due_ms <= now_ms
        {
            self.retries.pop();
            self.fetching += 1;
            tokio::spawn(fetch(self.journal.clone(), self.own.clone(), id));
        }
    }

    /// Notifies those who wait until the queue is idle or has stopped.
    fn settle(&mut self) {
        if self.idle.is_empty() && self.stopping.is_empty() {
            return;
        }
        // What only waits for its time is done again after the next start.
        let is_quiet = self.in_flight <= self.clock.asleep();
        if is_quiet && !self.stopping.is_empty() {
            self.invoke = None;
            notify(&mut self.stopping);
        }
        let resting = self.fetching == 0 && is_quiet && self.lanes.values().all(Lane::is_empty);
        if resting || !self.is_delivering() {
            notify(&mut self.idle);
        }
    }
}

async fn load(journal: Arc<Journal>, own: Deliveries, target: Arc<str>, after: i64) {
    let (to, of) = (own.clone(), target.clone());
    let read = move |c: &Connection| Delivery::load(&of, after, LOAD, c).map(|rows| (of, rows));
    let send = move |(target, rows): (Arc<str>, Vec<Delivery>)| {
        let all = rows.len() < LOAD;
        to.send(Message::Loaded(target, rows, all));
    };
    if journal.write_then(read, send).await.is_err() {
        tokio::time::sleep(READ_AGAIN).await;
        own.send(Message::Loaded(target, Vec::new(), false));
    }
}

async fn fetch(journal: Arc<Journal>, own: Deliveries, id: i64) {
    let message = match journal.write(move |c| Delivery::fetch(id, c)).await {
        Ok(row) => Message::Fetched(row),
        Err(Refused) => Message::Unread(id),
    };
    own.send(message);
}
