//! The state that a running script and its host functions share.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::failure::Fault;
use super::fetch::Fetches;
use super::stop::{Reason, Stop};
use super::timers::Timers;
use super::turns::Turn;

/// The host's side of one script.
pub(super) struct Host {
    pub(super) stop: Stop,
    pub(super) turn: Turn,
    pub(super) timers: RefCell<Timers>,
    pub(super) fetches: RefCell<Fetches>,
    /// How much the script has allocated outside its heap.
    pub(super) charged: Cell<f64>,
    pub(super) deadline: Instant,
}

impl Host {
    pub(super) fn new(stop: Stop, turn: Turn, fetches: Fetches, time: Duration) -> Self {
        Self {
            stop,
            turn,
            timers: RefCell::default(),
            fetches: RefCell::new(fetches),
            charged: Cell::new(0.0),
            deadline: Instant::now() + time,
        }
    }

    /// Whether the script must stop; notices when its time is up, and lets other scripts go first now and then.
    pub(super) fn is_stopped(&self) -> bool {
        self.turn.share();
        if self.stop.reason().is_none() && Instant::now() >= self.deadline {
            self.stop.stop(Reason::Time);
        }
        self.stop.reason().is_some()
    }

    /// Fails when the script must stop.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.is_stopped() {
            return Err(Fault::Stopped(self.stop.reason().unwrap_or(Reason::Time)));
        }
        Ok(())
    }
}
