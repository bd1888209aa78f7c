//! The deliveries of one function: the next ones in memory, those behind them in the journal.

use std::collections::VecDeque;

use super::row::Delivery;

/// The most rows of one function in memory.
const LANE_ROWS: usize = 4096;
/// The most bytes of one function in memory, checked before a row is added.
const LANE_BYTES: usize = 16 << 20;

pub(super) struct Lane {
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
    pub(super) const fn new() -> Self {
        Self { ready: VecDeque::new(), bytes: 0, running: 0, last_id: 0, behind: true, loading: false }
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

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && !self.behind
    }
}
