//! What makes way while webhooks wait to be accepted: their senders wait, and nobody waits for a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many requests have to wait before deliveries make way; fewer leave room for both.
const CROWD: usize = 4;

/// Counts those who go before deliveries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Precedence(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    count: AtomicUsize,
    /// How many came when there was a crowd, or made one.
    came: AtomicUsize,
}

/// A request that deliveries make way for, until it is dropped.
#[derive(Debug)]
pub struct Precedent(Precedence);

impl Precedence {
    pub(crate) fn enter(&self) -> Precedent {
        if self.0.count.fetch_add(1, Ordering::Relaxed) + 1 >= CROWD {
            self.0.came.fetch_add(1, Ordering::Relaxed);
        }
        Precedent(self.clone())
    }

    /// Whether there is a crowd.
    pub(super) fn is_crowd(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) >= CROWD
    }

    /// How many were part of a crowd since this was asked last.
    ///
    /// Those of a crowd are answered together and come again together, so that in between there seems to be nobody.
    pub(super) fn take_came(&self) -> usize {
        self.0.came.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Precedent {
    fn drop(&mut self) {
        let Precedence(waiting) = &self.0;
        waiting.count.fetch_sub(1, Ordering::Relaxed);
    }
}
