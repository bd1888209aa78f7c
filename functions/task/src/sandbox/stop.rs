//! What a running script shares with the task that waits for it: whether to stop, and what it printed.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use shared::Error;

use super::console::{Console, LogLine};
use super::exchange::Finished;

/// Why a script is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its time is up.
    Time = 1,
    /// It printed too much.
    Output = 2,
    /// Nobody is waiting for it any more, or its first request must not be sent.
    Abandoned = 3,
}

/// What wakes a waiting script up.
#[derive(Debug)]
pub(super) enum Wake {
    /// A request has ended.
    Fetched(Finished),
    /// The script was stopped.
    Stopped,
}

/// The shared state. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    shared: Arc<Shared>,
    wake: Sender<Wake>,
}

#[derive(Debug, Default)]
struct Shared {
    reason: AtomicU8,
    console: Mutex<Console>,
    effect_error: Mutex<Option<Error>>,
}

impl Stop {
    /// The state of a new script, and the receiver of the events that wake it up.
    pub(super) fn new() -> (Self, Receiver<Wake>) {
        let (wake, events) = channel();
        (Self { shared: Arc::default(), wake }, events)
    }

    /// Why the script was stopped, if it was.
    pub(super) fn reason(&self) -> Option<Reason> {
        match self.shared.reason.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Reason::Time),
            2 => Some(Reason::Output),
            _ => Some(Reason::Abandoned),
        }
    }

    /// Stops the script; the first reason counts.
    pub(super) fn stop(&self, reason: Reason) {
        let _ = self.shared.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        let _ = self.wake.send(Wake::Stopped);
    }

    /// Notifies the script that a request has ended.
    pub(super) fn fetched(&self, finished: Finished) {
        // Nobody is listening once the script has ended.
        let _ = self.wake.send(Wake::Fetched(finished));
    }

    /// Stops the script because its first request must not be sent.
    pub(super) fn effect_failed(&self, error: Error) {
        *lock(&self.shared.effect_error) = Some(error);
        self.stop(Reason::Abandoned);
    }

    pub(super) fn take_effect_error(&self) -> Option<Error> {
        lock(&self.shared.effect_error).take()
    }

    /// Adds what the script printed; stops the script when it has printed too much.
    pub(super) fn print(&self, time: Timestamp, message: String) {
        if !lock(&self.shared.console).print(time, message) {
            self.stop(Reason::Output);
        }
    }

    /// Adds a line of our own to the console output.
    pub(super) fn note(&self, time: Timestamp, message: String) {
        lock(&self.shared.console).keep(time, message);
    }

    pub(super) fn take_lines(&self) -> Vec<LogLine> {
        lock(&self.shared.console).take()
    }

    /// Stops the script when the returned guard is dropped.
    pub(super) fn on_drop(self) -> StopOnDrop {
        StopOnDrop(self)
    }
}

/// Stops a script that nobody is waiting for any more.
#[derive(Debug)]
pub(super) struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(Reason::Abandoned);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
