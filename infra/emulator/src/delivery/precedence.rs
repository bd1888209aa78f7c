//! What makes way while webhooks wait to be accepted: their senders wait, and nobody waits for a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many requests have to wait before deliveries make way; fewer leave room for both.
const CROWD: usize = 4;

/// Counts those who go before deliveries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Precedence(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    count: AtomicUsize,
    /// Whether a delivery has made way.
    is_held: AtomicBool,
    thinned: Notify,
}

/// A request that deliveries make way for, until it is dropped.
#[derive(Debug)]
pub struct Precedent(Precedence);

impl Precedence {
    pub(crate) fn enter(&self) -> Precedent {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        Precedent(self.clone())
    }

    fn is_crowded(&self) -> bool {
        self.0.count.load(Ordering::SeqCst) >= CROWD
    }

    /// Tells whether deliveries are to make way; if so, whoever waits for [`Self::thinned`] is told when they need not.
    pub(super) fn holds(&self) -> bool {
        if !self.is_crowded() {
            return false;
        }
        self.0.is_held.store(true, Ordering::SeqCst);
        // The last one may have left in between, and told nobody.
        self.is_crowded()
    }

    /// Waits until there is no crowd any more.
    pub(super) async fn thinned(&self) {
        self.0.thinned.notified().await;
    }
}

impl Drop for Precedent {
    fn drop(&mut self) {
        let Precedence(waiting) = &self.0;
        if waiting.count.fetch_sub(1, Ordering::SeqCst) == CROWD && waiting.is_held.swap(false, Ordering::SeqCst) {
            waiting.thinned.notify_one();
        }
    }
}
