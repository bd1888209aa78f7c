//! The task that delivers: one lane per function, a bounded part of each lane in memory, the rest in the journal.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::inbox::{Deliveries, Invoke, Message, notify};
use super::lane::Lane;
use super::row::Delivery;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::journal::{Journal, Refused};

/// The most invocations of one function at the same time: an invocation may wait for minutes, and must not stop the others.
const CONCURRENCY: usize = 512;
/// Rows read back at once.
const LOAD: usize = 128;
/// The wait before the second attempt, doubled before each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

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
    invoke: Option<Invoke>,
    running: JoinSet<()>,
    in_flight: usize,
    idle: Vec<oneshot::Sender<()>>,
    stopping: Vec<oneshot::Sender<()>>,
}

impl Queue {
    pub(super) fn new(
        functions: impl Iterator<Item = String>,
        journal: Arc<Journal>,
        clock: Clock,
        faults: Arc<Faults>,
        own: Deliveries,
    ) -> Self {
        Self {
            journal,
            clock,
            faults,
            own,
            lanes: functions.map(|id| (id.into(), Lane::new())).collect(),
            retries: BinaryHeap::new(),
            fetching: 0,
            invoke: None,
            running: JoinSet::new(),
            in_flight: 0,
            idle: Vec::new(),
            stopping: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut sleepers = self.clock.sleepers();
        loop {
            let due = self.next_retry();
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                Some(_) = self.running.join_next() => {}
                () = self.clock.wait_until_steady(due) => {}
                // The clock that sends lives as long as this queue.
                Ok(()) = sleepers.changed() => self.pump_all(),
            }
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
            Message::Loaded(function, rows, all) => self.loaded(&function, rows, all),
            Message::Fetched(row) => {
                self.fetching -= 1;
                if let Some(row) = row
                    && let Some(lane) = self.lanes.get_mut(&row.function)
                {
                    let function = row.function.clone();
                    lane.push(row);
                    self.pump(&function);
                }
            }
            Message::Unread(id) => {
                self.fetching -= 1;
                self.retries.push(Reverse((self.due_ms(FIRST_RETRY), id)));
            }
            Message::Finished(delivery, result) => self.finished(delivery, result),
            Message::Start(invoke) => {
                self.invoke = Some(invoke);
                self.pump_all();
            }
            Message::Idle(done) => self.idle.push(done),
            Message::Stop(done) => self.stopping.push(done),
        }
    }

    fn committed(&mut self, row: Delivery) {
        let Some(lane) = self.lanes.get_mut(&row.function) else {
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
        let function = row.function.clone();
        lane.push(row);
        self.pump(&function);
    }

    fn loaded(&mut self, function: &Arc<str>, rows: Vec<Delivery>, all: bool) {
        let now_ms = self.clock.steady().as_millisecond();
        // Whatever an earlier process took for the time, none of its waits was longer.
        let latest_ms = self.due_ms(LONGEST_RETRY);
        let Some(lane) = self.lanes.get_mut(function) else {
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
        self.pump(function);
    }

    fn pump_all(&mut self) {
        let functions: Vec<_> = self.lanes.keys().cloned().collect();
        functions.iter().for_each(|function| self.pump(function));
    }

    /// Starts deliveries of a function while there is room.
    fn pump(&mut self, function: &Arc<str>) {
        let delivering = self.is_delivering();
        let (Some(invoke), Some(lane)) = (&self.invoke, self.lanes.get_mut(function)) else {
            return;
        };
        if !delivering {
            return;
        }
        // Those that only wait for their time take no room.
        let room = CONCURRENCY + self.clock.asleep();
        while lane.running < room
            && let Some(delivery) = lane.pop()
        {
            lane.running += 1;
            self.in_flight += 1;
            let times = if self.faults.delivers_twice() { 2 } else { 1 };
            let (own, invoke) = (self.own.clone(), invoke.clone());
            self.running.spawn(deliver(own, invoke, delivery, times));
        }
        if lane.behind && !lane.loading && lane.len() < LOAD {
            lane.loading = true;
            let (journal, own) = (self.journal.clone(), self.own.clone());
            tokio::spawn(load(journal, own, function.clone(), lane.last_id));
        }
    }

    fn finished(&mut self, mut delivery: Delivery, result: Result<(), String>) {
        self.in_flight -= 1;
        let function = delivery.function.clone();
        if let Some(lane) = self.lanes.get_mut(&function) {
            lane.running -= 1;
        }
        let id = delivery.id;
        if let Err(error) = result {
            delivery.attempts += 1;
            self.failed(delivery, error);
        } else {
            self.journal.post_lazy(move |connection| Delivery::delete(id, connection));
        }
        self.pump(&function);
    }

    fn failed(&mut self, delivery: Delivery, error: String) {
        let now = self.clock.now();
        let (id, attempts) = (delivery.id, delivery.attempts);
        let function = delivery.function.as_ref();
        let is_old = self.clock.steady().as_millisecond() >= delivery.expires_at_ms;
        if attempts > delivery.retries || is_old {
            tracing::error!(function, attempts, error, "a delivery has failed for good and is now a dead letter");
            self.journal.post_lazy(move |connection| delivery.bury(&error, now, connection));
            return;
        }
        let wait = backoff(attempts, rand::random_range(0.5..=1.0));
        tracing::warn!(function, attempts, error, ?wait, "a delivery failed");
        let due_ms = self.due_ms(wait);
        self.retries.push(Reverse((due_ms, id)));
        self.journal.post_lazy(move |c| Delivery::postpone(id, attempts, due_ms, c));
    }

    /// Reads back the deliveries whose next attempt is due.
    fn fetch_due(&mut self) {
        if !self.is_delivering() {
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

async fn load(journal: Arc<Journal>, own: Deliveries, function: Arc<str>, after: i64) {
    let (to, of) = (own.clone(), function.clone());
    let read = move |c: &Connection| Delivery::load(&of, after, LOAD, c).map(|rows| (of, rows));
    let send = move |(function, rows): (Arc<str>, Vec<Delivery>)| {
        let all = rows.len() < LOAD;
        to.send(Message::Loaded(function, rows, all));
    };
    if journal.write_then(read, send).await.is_err() {
        tokio::time::sleep(FIRST_RETRY).await;
        own.send(Message::Loaded(function, Vec::new(), false));
    }
}

async fn fetch(journal: Arc<Journal>, own: Deliveries, id: i64) {
    let message = match journal.write(move |c| Delivery::fetch(id, c)).await {
        Ok(row) => Message::Fetched(row),
        Err(Refused) => Message::Unread(id),
    };
    own.send(message);
}

async fn deliver(own: Deliveries, invoke: Invoke, delivery: Delivery, times: usize) {
    let mut result = Ok(());
    for _ in 0..times {
        result = invoke_once(&invoke, &delivery).await;
    }
    own.send(Message::Finished(delivery, result));
}

async fn invoke_once(invoke: &Invoke, delivery: &Delivery) -> Result<(), String> {
    let event = serde_json::from_str(&delivery.event).map_err(|error| error.to_string())?;
    let call = async { invoke(delivery.function.to_string(), event).await };
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(answer) => answer.map(drop),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("the function panicked: {}", text.unwrap_or_default()))
        }
    }
}

/// Exponential, from one second to a minute; `jitter` is a factor from 0.5 to 1.
fn backoff(attempts: u32, jitter: f64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    doubled.min(LONGEST_RETRY).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::backoff;

    #[test]
    fn the_wait_doubles_from_a_second_to_a_minute() {
        let waits = [1, 2, 3, 6, 7, 8, 185].map(|attempts| backoff(attempts, 1.0).as_secs());
        assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(backoff(1, 0.5).as_millis(), 500);
    }
}
