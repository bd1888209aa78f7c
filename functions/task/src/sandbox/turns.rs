//! Turns at computing: as many scripts compute at once as the machine has use for, and every tenant gets its share.
//!
//! A script gives its turn back while it waits, and lets others go first when it has computed for a while. The turn of
//! one that does not come back, as it is inside a call of the engine, is given to the next: the system then divides the
//! processors among their threads.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fair::Fair;

/// How long a script computes before it lets another one go first.
const SLICE: Duration = Duration::from_millis(10);
/// How long a turn lasts if its script does not come back.
const OVERDUE: Duration = Duration::from_millis(50);

/// The turns of all scripts. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: Fair<Arc<Ticket>>,
    /// Since when each turn lasts.
    turns: HashMap<u64, Instant>,
    last_turn: u64,
}

/// One that waits for its turn.
#[derive(Debug, Default)]
struct Ticket {
    called: Condvar,
    turn: Mutex<Option<u64>>,
}

/// The turn of one script, which is taken and given back many times.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    tenant: String,
    current: Cell<Option<u64>>,
    since: Cell<Instant>,
}

impl Turns {
    /// Lets so many scripts compute at once.
    pub(super) fn new(count: usize) -> Self {
        let state = State { free: count, waiting: Fair::default(), turns: HashMap::new(), last_turn: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), waiting: AtomicUsize::new(0) }) }
    }

    /// The turn of a script of this tenant, which it has not taken yet.
    pub(super) fn of(&self, tenant: &str) -> Turn {
        let (current, since) = (Cell::new(None), Cell::new(Instant::now()));
        Turn { turns: self.clone(), tenant: tenant.to_owned(), current, since }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }

    fn take(&self, tenant: &str) -> u64 {
        let mut state = self.lock();
        state.call_overdue();
        if state.free > 0 {
            state.free -= 1;
            return state.begin();
        }
        let ticket = Arc::new(Ticket::default());
        state.waiting.push(tenant, ticket.clone());
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(turn) = *lock(&ticket.turn) {
                self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                return turn;
            }
            let waited = ticket.called.wait_timeout(state, OVERDUE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.call_overdue();
        }
    }
}

impl State {
    fn begin(&mut self) -> u64 {
        self.last_turn += 1;
        self.turns.insert(self.last_turn, Instant::now());
        self.last_turn
    }

    /// Ends a turn, unless it was overdue and has been given away.
    fn end(&mut self, turn: u64) {
        if self.turns.remove(&turn).is_some() {
            self.free += 1;
            self.call();
        }
    }

    /// Calls those who wait as long as there are free turns.
    fn call(&mut self) {
        while self.free > 0
            && let Some(ticket) = self.waiting.next()
        {
            self.free -= 1;
            *lock(&ticket.turn) = Some(self.begin());
            ticket.called.notify_one();
        }
    }

    /// Takes the turns away from those who have not come back.
    fn call_overdue(&mut self) {
        let before = self.turns.len();
        self.turns.retain(|_, since| since.elapsed() < OVERDUE);
        self.free += before - self.turns.len();
        self.call();
    }
}

impl Turn {
    /// Waits for the turn.
    pub(super) fn take(&self) {
        self.current.set(Some(self.turns.take(&self.tenant)));
        self.since.set(Instant::now());
    }

    /// Gives the turn back.
    pub(super) fn release(&self) {
        if let Some(turn) = self.current.take() {
            self.turns.lock().end(turn);
        }
    }

    /// Lets others go first if the turn has lasted a while and somebody waits.
    pub(super) fn share(&self) {
        let is_wanted = self.turns.shared.waiting.load(Ordering::Relaxed) > 0;
        if is_wanted && self.current.get().is_some() && self.since.get().elapsed() >= SLICE {
            self.release();
            self.take();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.release();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// Waits in another thread for a turn and then says its name.
    fn waits(turns: &Turns, tenant: &'static str, said: &std::sync::mpsc::Sender<&'static str>) {
        let before = turns.shared.waiting.load(Ordering::Relaxed);
        let (turn, said) = (turns.of(tenant), said.clone());
        thread::spawn(move || {
            turn.take();
            said.send(tenant).unwrap();
        });
        while turns.shared.waiting.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
    }

    #[test]
    fn a_turn_that_is_given_back_goes_to_the_tenant_who_waits_longest() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let turn = turns.of("x");
        turn.take();
        for tenant in ["a", "a", "a", "b"] {
            // A turn of the test that became overdue would let those go who are to wait.
            turns.lock().turns.values_mut().for_each(|since| *since = Instant::now() + Duration::from_secs(60));
            waits(&turns, tenant, &said);
        }
        turn.release();
        let order: Vec<&str> = heard.iter().take(4).collect();
        assert_eq!(order, ["a", "b", "a", "a"]);
    }

    #[test]
    fn a_turn_whose_script_does_not_come_back_is_given_to_the_next_and_counts_once() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let stuck = turns.of("x");
        stuck.take();
        waits(&turns, "a", &said);
        assert_eq!(heard.recv(), Ok("a"));
        let next = turns.of("b");
        next.take();
        stuck.release();
        assert_eq!(turns.lock().free, 0, "what was given away is not given back again");
        next.release();
        assert_eq!(turns.lock().free, 1);
    }

    #[test]
    fn a_script_that_computes_for_long_lets_others_go_first() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let long = turns.of("x");
        long.take();
        waits(&turns, "a", &said);
        while heard.try_recv().is_err() {
            long.share();
        }
        assert!(long.current.get().is_some());
    }
}
