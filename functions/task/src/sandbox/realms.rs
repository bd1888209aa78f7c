//! Realms that wait for the next task of their function, if it shares them: with whom, how many, and for how long.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many realms wait at most.
const MAX_WAITING: usize = 64;
/// How many tasks run in one realm.
pub(super) const MAX_RUNS: u32 = 200;
/// How long after its start a realm takes no further tasks.
pub(super) const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// What the tasks have in common that may share a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) tenant: String,
    /// Which version of which function.
    pub(super) what: String,
}

/// The realms that wait, each on its thread. Cheap to clone.
#[derive(Debug)]
pub(super) struct Realms<T> {
    waiting: Arc<Mutex<Waiting<T>>>,
}

#[derive(Debug)]
struct Waiting<T> {
    last_id: u64,
    /// The one that has waited longest comes first.
    seats: Vec<Seat<T>>,
}

#[derive(Debug)]
struct Seat<T> {
    id: u64,
    owner: Owner,
    inbox: Sender<T>,
}

/// The offer of a realm to take the next task.
#[derive(Debug)]
pub(super) struct Offer<T> {
    realms: Realms<T>,
    id: u64,
    inbox: Receiver<T>,
}

impl<T> Clone for Realms<T> {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone() }
    }
}

impl<T> Default for Realms<T> {
    fn default() -> Self {
        Self { waiting: Arc::new(Mutex::new(Waiting { last_id: 0, seats: Vec::new() })) }
    }
}

impl<T> Realms<T> {
    /// Hands a task to the realm of its owner that was used last; gives it back if none waits.
    pub(super) fn hand_over(&self, owner: &Owner, mut task: T) -> Result<(), T> {
        let mut waiting = self.lock();
        while let Some(at) = waiting.seats.iter().rposition(|seat| seat.owner == *owner) {
            // Fails when its thread has ended without a word.
            match waiting.seats.remove(at).inbox.send(task) {
                Ok(()) => return Ok(()),
                Err(unsent) => task = unsent.0,
            }
        }
        Err(task)
    }

    /// Offers a realm for the next task of its owner; of too many, the oldest of the tenant with most of them is given up.
    pub(super) fn offer(&self, owner: Owner) -> Offer<T> {
        let (sender, inbox) = channel();
        let mut waiting = self.lock();
        waiting.last_id += 1;
        let id = waiting.last_id;
        waiting.seats.push(Seat { id, owner, inbox: sender });
        if waiting.seats.len() > MAX_WAITING {
            let oldest = waiting.oldest_of_most();
            waiting.seats.remove(oldest);
        }
        drop(waiting);
        Offer { realms: self.clone(), id, inbox }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiting<T> {
    fn oldest_of_most(&self) -> usize {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for seat in &self.seats {
            *counts.entry(&seat.owner.tenant).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        self.seats.iter().position(|seat| counts.get(seat.owner.tenant.as_str()) == Some(&most)).unwrap_or(0)
    }
}

impl<T> Offer<T> {
    /// Waits for the next task; `None` if there is none until then, or the realm is given up.
    pub(super) fn wait(self, until: Instant) -> Option<T> {
        match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(task) => Some(task),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.realms.lock().seats.retain(|seat| seat.id != self.id);
                // It may have been handed over in that moment.
                self.inbox.try_recv().ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(tenant: &str, what: &str) -> Owner {
        Owner { tenant: tenant.to_owned(), what: what.to_owned() }
    }

    fn soon() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_task_goes_to_the_realm_of_its_owner_that_was_used_last() {
        let realms = Realms::default();
        let offers = ["f", "g", "f"].map(|what| realms.offer(owner("a", what)));
        assert_eq!(realms.hand_over(&owner("a", "h"), 1), Err(1));
        assert_eq!(realms.hand_over(&owner("b", "f"), 2), Err(2));
        for task in [3, 4] {
            assert_eq!(realms.hand_over(&owner("a", "f"), task), Ok(()));
        }
        assert_eq!(realms.hand_over(&owner("a", "f"), 5), Err(5));
        assert_eq!(offers.map(|offer| offer.wait(soon())), [Some(4), None, Some(3)]);
        assert_eq!(realms.hand_over(&owner("a", "g"), 6), Err(6), "a realm that has waited long enough is gone");
    }

    #[test]
    fn a_realm_whose_thread_has_ended_gets_no_task() {
        let realms = Realms::default();
        let _first = realms.offer(owner("a", "f"));
        drop(realms.offer(owner("a", "f")).inbox);
        assert_eq!(realms.hand_over(&owner("a", "f"), 1), Ok(()));
        assert_eq!(realms.hand_over(&owner("a", "f"), 2), Err(2));
    }

    #[test]
    fn whoever_has_most_realms_loses_the_oldest() {
        let realms = Realms::default();
        let other = realms.offer(owner("b", "f"));
        let mut offers: Vec<_> = (0..MAX_WAITING).map(|at| realms.offer(owner("a", &at.to_string()))).collect();
        let kept: Vec<bool> =
            (0..MAX_WAITING).map(|at| realms.hand_over(&owner("a", &at.to_string()), 1).is_ok()).collect();
        assert_eq!(kept.iter().position(|kept| !kept), Some(0));
        assert_eq!(kept.iter().filter(|kept| **kept).count(), MAX_WAITING - 1);
        assert_eq!(offers.remove(0).wait(soon() + MAX_AGE), None, "one that is given up does not wait");
        assert_eq!(realms.hand_over(&owner("b", "f"), 2), Ok(()));
        assert_eq!(other.wait(soon()), Some(2));
    }
}
