//! The deliveries of one queue, or straight to one function: the next ones in memory, those behind them in the journal.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::row::Delivery;

/// The most rows of one lane in memory.
const LANE_ROWS: usize = 1024;
/// The most bytes of one lane in memory, checked before a row is added.
const LANE_BYTES: usize = 4 << 20;
/// The wait before the second attempt, doubled before each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How a lane delivers.
pub(crate) struct Terms {
    /// Logical id of the function.
    pub(crate) function: Arc<str>,
    /// The most deliveries that are with the function at once.
    pub(crate) at_once: usize,
    /// For how long a message of a queue is hidden from the moment that it is received, at most: what a function has failed
    /// to take is shown again sooner.
    pub(crate) visibility_timeout: Option<Duration>,
}

pub(super) struct Lane {
    pub(super) terms: Terms,
    ready: VecDeque<Delivery>,
    bytes: usize,
    pub(super) running: usize,
    /// Highest row id that was seen here.
    pub(super) last_id: i64,
    /// There may be rows after `last_id` that are only in the journal.
    pub(super) behind: bool,
    pub(super) loading: bool,
}

impl Lane {
    /// A lane that does not know yet which rows an earlier process left.
    pub(super) const fn new(terms: Terms) -> Self {
        Self { terms, ready: VecDeque::new(), bytes: 0, running: 0, last_id: 0, behind: true, loading: false }
    }

    /// How long a delivery waits that was begun so long ago and has failed so often.
    pub(super) fn wait(&self, attempts: u32, since: Duration) -> Duration {
        let backoff = backoff(attempts, rand::random_range(0.5..=1.0));
        self.terms.visibility_timeout.map_or(backoff, |hidden| backoff.min(hidden.saturating_sub(since)))
    }

    /// Deliveries in memory that wait.
    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.ready.len() >= LANE_ROWS || self.bytes >= LANE_BYTES
    }

    pub(super) fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.event.len();
        self.ready.push_back(delivery);
    }

    pub(super) fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.ready.pop_front()?;
        self.bytes -= delivery.event.len();
        Some(delivery)
    }

    /// Whether one could start now.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether there is none, in memory or in the journal.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && !self.behind
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
