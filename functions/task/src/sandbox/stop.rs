//! What a running script shares with the rest of the worker: whether to stop, and the way of what it prints.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde::{Deserialize, Serialize};

use super::calls::CallEnded;
use super::console::PRINTED_BYTES;
use super::exchange::Finished;
use super::message::{Output, Said};

/// Why a script is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// Its time is up.
    Time = 1,
    /// It printed too much.
    Output = 2,
    /// Nobody is waiting for it any more, or its first request must not be sent.
    Abandoned = 3,
    /// It reads something else than the journal that it is run from.
    Diverged = 4,
}

/// What wakes a waiting script up.
#[derive(Debug)]
pub(super) enum Wake {
    /// A request has ended.
    Fetched(Finished),
    /// A call has ended.
    Called(CallEnded),
    /// The script was stopped.
    Stopped,
}

/// The shared state. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    shared: Arc<Shared>,
    wake: Sender<Wake>,
}

#[derive(Debug)]
struct Shared {
    id: u64,
    output: Output,
    reason: AtomicU8,
    printed_bytes: AtomicUsize,
}

impl Stop {
    /// The state of a new script, and the receiver of the events that wake it up.
    pub(super) fn new(id: u64, output: Output) -> (Self, Receiver<Wake>) {
        let (wake, events) = channel();
        let shared = Shared { id, output, reason: AtomicU8::new(0), printed_bytes: AtomicUsize::new(0) };
        (Self { shared: Arc::new(shared), wake }, events)
    }

    /// Why the script was stopped, if it was.
    pub(super) fn reason(&self) -> Option<Reason> {
        match self.shared.reason.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Reason::Time),
            2 => Some(Reason::Output),
            3 => Some(Reason::Abandoned),
            _ => Some(Reason::Diverged),
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

    /// Notifies the script that a call has ended.
    pub(super) fn called(&self, ended: CallEnded) {
        let _ = self.wake.send(Wake::Called(ended));
    }

    /// Passes on what the script printed; stops the script when it has printed too much.
    pub(super) fn print(&self, mut text: String) {
        if self.reason().is_some() {
            return;
        }
        let length = text.len() + 1;
        text.truncate(text.floor_char_boundary(PRINTED_BYTES));
        self.shared.output.say(self.shared.id, Said::Print { text });
        if self.shared.printed_bytes.fetch_add(length, Ordering::Relaxed) + length > PRINTED_BYTES {
            self.stop(Reason::Output);
        }
    }

    /// Passes on a line of our own for the script's log.
    pub(super) fn note(&self, text: String) {
        self.shared.output.say(self.shared.id, Said::Note { text });
    }
}
