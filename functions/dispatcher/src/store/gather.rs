//! Reads that are asked for at the same time and are done once.
//!
//! Whoever asks gets what a read found that began after they had asked, so that everything written before is in it. No
//! timer is involved: while a read is under way, those who ask gather for the next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use moka::future::Cache;
use shared::Error;
use tokio::sync::Mutex;

/// How many keys are known at once; what is forgotten is read once more.
const CAPACITY: u64 = 10_000;

/// Gathers reads by their keys.
#[derive(Debug)]
pub(super) struct Gather<T: Send + Sync + 'static>(Cache<String, Arc<Place<T>>>);

/// Where those gather who ask for one key.
#[derive(Debug)]
struct Place<T> {
    /// How many have asked.
    asked: AtomicU64,
    /// What the last read found, and how many had asked before it began; whoever holds it reads.
    found: Mutex<(u64, Weak<T>)>,
}

impl<T: Send + Sync + 'static> Gather<T> {
    /// Nothing has been read yet.
    pub(super) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// Returns what a read of a key finds that begins after this call.
    pub(super) async fn read(
        &self,
        key: &str,
        read: impl AsyncFnOnce() -> Result<Arc<T>, Error>,
    ) -> Result<Arc<T>, Error> {
        let new = async { Arc::new(Place { asked: AtomicU64::new(0), found: Mutex::new((0, Weak::new())) }) };
        let place = self.0.get_with_by_ref(key, new).await;
        let own = place.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut found = place.found.lock().await;
        if found.0 >= own
            && let Some(value) = found.1.upgrade()
        {
            return Ok(value);
        }
        let before = place.asked.load(Ordering::SeqCst);
        let value = read().await?;
        *found = (before, Arc::downgrade(&value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_meanwhile_share_the_next_read() {
        let (gather, reads) = (Gather::new(), Cell::new(0_u32));
        let read = async |key: &'static str| {
            let found = gather.read(key, async || {
                let found = Arc::new(reads.replace(reads.get() + 1) + 1);
                tokio::task::yield_now().await;
                Ok(found)
            });
            found.await.unwrap()
        };
        let found = join_all((0..100).map(|_| read("a"))).await;
        assert!(found.iter().all(|found| (1..=2).contains(&**found)), "{found:?}");
        let before = reads.get();
        // Nobody gets what was found before they asked.
        assert_eq!((*read("a").await, *read("a").await, *read("b").await), (before + 1, before + 2, before + 3));
    }

    #[tokio::test]
    async fn a_read_that_fails_fails_for_one_only() {
        let (gather, reads) = (Gather::new(), Cell::new(0_u32));
        let read = async || {
            let found = gather.read("a", async || {
                let read = reads.replace(reads.get() + 1);
                tokio::task::yield_now().await;
                (read > 0).then(|| Arc::new(read)).ok_or_else(|| Error::new("read", "no"))
            });
            found.await.is_ok()
        };
        assert_eq!(join_all((0..3).map(|_| read())).await, [false, true, true]);
    }
}
