//! The place of one connection: what it waits for, and until when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::Limits;
use crate::pool::Registered;

/// A place that a connection takes among those that there may be, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    limits: Limits,
    state: Mutex<State>,
    /// Tells the connection that it was closed.
    closed: Notify,
    /// Tells those without a place that this one waits for a request.
    idle: Arc<Notify>,
    // Given back in this order: it is out of the list before another one takes its place.
    _registered: Registered,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    reading: Progress,
    writing: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet.
    New,
    /// A request was answered, and nothing has come since.
    Idle,
    /// A part of the next request has come.
    Head,
    /// A request is being served.
    Serving,
    /// The place is needed for somebody else.
    Closed,
}

/// How far the bytes of one direction have come in one exchange, and how long they have stood still.
#[derive(Debug, Default)]
struct Progress {
    bytes: u64,
    stood_still: Duration,
    waits_since: Option<Instant>,
}

impl Place {
    pub(crate) fn new(limits: Limits, idle: Arc<Notify>, registered: Registered, permit: OwnedSemaphorePermit) -> Self {
        let state = State {
            phase: Phase::New,
            since: Instant::now(),
            reading: Progress::default(),
            writing: Progress::default(),
        };
        let (state, closed) = (Mutex::new(state), Notify::new());
        Self { limits, state, closed, idle, _registered: registered, _permit: permit }
    }

    /// Notes that bytes came from the socket; `false` when the connection is already closed.
    pub(crate) fn received(&self) -> bool {
        let mut state = self.state();
        if matches!(state.phase, Phase::New | Phase::Idle) {
            state.enter(Phase::Head);
        }
        state.phase != Phase::Closed
    }

    /// Notes that the head of a request is complete.
    pub(crate) fn serves(&self) {
        let mut state = self.state();
        (state.reading, state.writing) = (Progress::default(), Progress::default());
        state.enter(Phase::Serving);
    }

    /// Notes that a request was answered.
    pub(crate) fn answered(&self) {
        self.state().enter(Phase::Idle);
        self.idle.notify_one();
    }

    /// Notes that the body of a request is waited for.
    pub(crate) fn awaits_body(&self) {
        self.state().reading.wait();
    }

    /// Notes that so many bytes of the body of a request have come.
    pub(crate) fn body_came(&self, bytes: usize) {
        self.state().reading.advance(bytes);
    }

    /// Notes that the other side takes no more bytes.
    pub(crate) fn awaits_reader(&self) {
        self.state().writing.wait();
    }

    /// Notes that so many bytes were sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.state().writing.advance(bytes);
    }

    /// Returns since when it has waited for a request: none at all before a part of one.
    pub(crate) fn waits_since(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        let is_sending = state.writing.waits_since.is_some();
        match state.phase {
            Phase::New | Phase::Idle if !is_sending => Some((false, state.since)),
            Phase::Head => Some((true, state.since)),
            _ => None,
        }
    }

    /// Tells whether the connection was closed and only has to notice it.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().phase == Phase::Closed
    }

    /// Closes the connection unless it has begun to serve a request.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.state();
        let is_served = matches!(state.phase, Phase::Serving | Phase::Closed) || state.writing.waits_since.is_some();
        if !is_served {
            state.enter(Phase::Closed);
            self.closed.notify_one();
        }
        !is_served
    }

    /// Waits until the connection was closed or the other side has used up its time.
    pub(crate) async fn ended(&self) {
        tokio::select! {
            () = self.closed.notified() => {}
            () = self.expired() => {}
        }
    }

    async fn expired(&self) {
        loop {
            let (now, deadline) = (Instant::now(), self.state().deadline(&self.limits));
            if deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            // Whatever it waits for next has at least this much time.
            let later = now + self.limits.head.min(self.limits.idle).min(self.limits.patience);
            sleep_until(deadline.map_or(later, |deadline| deadline.min(later))).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        // What is closed stays closed.
        if self.phase != Phase::Closed {
            (self.phase, self.since) = (phase, Instant::now());
        }
    }

    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let of_phase = match self.phase {
            Phase::New | Phase::Head => Some(self.since + limits.head),
            Phase::Idle => Some(self.since + limits.idle),
            Phase::Serving => self.reading.deadline(limits),
            Phase::Closed => Some(self.since),
        };
        of_phase.into_iter().chain(self.writing.deadline(limits)).min()
    }
}

impl Progress {
    fn wait(&mut self) {
        self.waits_since.get_or_insert_with(Instant::now);
    }

    fn advance(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if let Some(since) = self.waits_since.take() {
            self.stood_still += since.elapsed();
        }
    }

    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let earned = Duration::from_secs(self.bytes / u64::from(limits.bytes_per_second.max(1)));
        let allowed = (limits.patience + earned).saturating_sub(self.stood_still);
        self.waits_since.map(|since| since + allowed)
    }
}
