//! The timers of a script; their callbacks stay on the script's side.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// The pending timers of one script.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, u32)>,
    by_id: HashMap<u32, Instant>,
}

impl Timers {
    /// Sets the time at which a timer is due.
    pub(super) fn schedule(&mut self, id: u32, at: Instant) {
        self.unschedule(id);
        self.by_id.insert(id, at);
        self.by_time.insert((at, id));
    }

    /// Removes a timer and returns whether it was pending.
    pub(super) fn unschedule(&mut self, id: u32) -> bool {
        self.by_id.remove(&id).is_some_and(|at| self.by_time.remove(&(at, id)))
    }

    /// When the next timer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first of the timers that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<u32> {
        let (at, id) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.unschedule(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timers_are_due_in_order_of_time_then_of_start() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (id, ms) in [(1, 20), (2, 10), (3, 10), (4, 30), (5, 15)] {
            timers.schedule(id, at(ms));
        }
        timers.unschedule(5);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.take_due(at(9)), None);
        let due: Vec<u32> = std::iter::from_fn(|| timers.take_due(at(20))).collect();
        assert_eq!(due, [2, 3, 1]);
        assert_eq!(timers.next(), Some(at(30)));
    }

    #[test]
    fn a_timer_that_is_set_again_waits_once() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.schedule(1, start);
        timers.schedule(1, start + Duration::from_millis(1));
        assert_eq!(timers.take_due(start), None);
        assert_eq!(timers.take_due(start + Duration::from_millis(1)), Some(1));
        assert_eq!(timers.next(), None);
    }
}
