//! All connections: how many there are, and which one makes room for another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::Limits;
use crate::place::Place;

/// The connections of a process; clones share their number, so that several ports keep within one bound.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    limits: Limits,
    places: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<u64, Weak<Place>>>>,
    next: AtomicU64,
    /// How many accepted connections wait for a place.
    waiting: AtomicUsize,
    idle: Arc<Notify>,
}

/// The entry of a place in the list of those that are taken.
#[derive(Debug)]
pub(crate) struct Registered {
    id: u64,
    taken: Arc<Mutex<HashMap<u64, Weak<Place>>>>,
}

impl Connections {
    /// Starts without connections.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Pool {
            limits,
            places: Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS))),
            taken: Arc::default(),
            next: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            idle: Arc::default(),
        }))
    }

    /// Waits for a place; when all are taken, the connection that has waited longest for a request gives up its own.
    pub(crate) async fn place(&self) -> Arc<Place> {
        let pool = &self.0;
        let permit = match pool.places.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.permit_of_another().await,
        };
        let id = pool.next.fetch_add(1, Ordering::Relaxed);
        let registered = Registered { id, taken: pool.taken.clone() };
        let place = Arc::new(Place::new(pool.limits, pool.idle.clone(), registered, permit));
        lock(&pool.taken).insert(id, Arc::downgrade(&place));
        place
    }

    async fn permit_of_another(&self) -> OwnedSemaphorePermit {
        let pool = &self.0;
        let _waiting = Waiting::new(&pool.waiting);
        loop {
            // What was closed already makes room for one of those who wait.
            if self.places().iter().filter(|place| place.is_closed()).count() < pool.waiting.load(Ordering::Relaxed) {
                self.make_room();
            }
            tokio::select! {
                // The semaphore is never closed.
                Ok(permit) = pool.places.clone().acquire_owned() => return permit,
                () = pool.idle.notified() => {}
            }
        }
    }

    /// Closes the connection that has waited longest for a request.
    pub(crate) fn make_room(&self) {
        let places = self.places();
        let mut waiting: Vec<_> = places.iter().filter_map(|place| Some((place.waits_since()?, place))).collect();
        waiting.sort_by_key(|(since, _)| *since);
        // One that has just begun to serve a request is left alone.
        let _ = waiting.iter().any(|(_, place)| place.close());
    }

    fn places(&self) -> Vec<Arc<Place>> {
        lock(&self.0.taken).values().filter_map(Weak::upgrade).collect()
    }
}

/// Counts one that waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
