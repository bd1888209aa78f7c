//! Turns at computing: as many scripts compute at once as the machine has use for, and every tenant gets its share.
//!
//! A script gives its turn back while it waits, and lets others go first when it has computed for a while. Of those of one
//! tenant, the ones that have begun go first, so that few are under way at once and each thread's memory serves many; a
//! script gets its thread when it gets its first turn. The turn of one that does not come back, as it is inside a call of
//! the engine, is given to the next: the system then divides the processors among their threads, and many that stay away
//! get only what the others leave.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::fair::Fair;
use super::priority::{self, ThreadId};
use super::threads::{Job, Threads};

/// How long a script computes before it lets another one go first.
const SLICE: Duration = Duration::from_millis(10);
/// How long a turn lasts if its script does not come back.
const OVERDUE: Duration = Duration::from_millis(50);
/// How long a script may compute inside a call of the engine before its thread may get only what others leave.
///
/// Only what it computes counts: one that waits for a processor has not stayed away by itself.
const AWAY: Duration = Duration::from_millis(200);
/// How long those that have begun go before one that has not.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often turns are looked at while nobody waits.
const WATCH: Duration = Duration::from_millis(500);

/// The turns of all scripts. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    state: Arc<Mutex<State>>,
    /// Notified when somebody begins to wait who has no thread to look at the turns.
    waited_for: Arc<Condvar>,
}

#[derive(Debug)]
struct State {
    count: usize,
    free: usize,
    waiting: Fair<Waiting>,
    threads: Threads,
    turns: HashMap<u64, Taken>,
    /// Those whose turns were given away.
    away: HashMap<u64, Away>,
    last_turn: u64,
}

/// What waits for a turn.
#[derive(Debug)]
enum Waiting {
    /// A script that has begun, on its thread.
    Begun(Arc<Ticket>),
    /// A script that has not begun.
    New { job: Job, turn: u64, since: Instant },
}

/// Since when a thread has a turn.
#[derive(Clone, Copy, Debug)]
struct Taken {
    since: Instant,
    /// None while it begins.
    thread: Option<ThreadId>,
}

/// A thread that has not come back, and how long it had computed when its turn was given away.
#[derive(Clone, Copy, Debug)]
struct Away {
    since: Instant,
    thread: Option<ThreadId>,
    computed: Duration,
}

/// One that waits for its turn.
#[derive(Debug)]
struct Ticket {
    called: Condvar,
    turn: Mutex<Option<u64>>,
    thread: ThreadId,
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
        let state = State {
            count,
            free: count,
            waiting: Fair::default(),
            threads: Threads::default(),
            turns: HashMap::new(),
            away: HashMap::new(),
            last_turn: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), waited_for: Arc::default() }
    }

    /// The turn of a script of this tenant, which it has not taken yet.
    pub(super) fn of(&self, tenant: &str) -> Turn {
        let (current, since) = (Cell::new(None), Cell::new(Instant::now()));
        Turn { turns: self.clone(), tenant: tenant.to_owned(), current, since }
    }

    /// Runs a job on a thread of its own once it is the turn of this tenant's next script; the job is given that turn.
    pub(super) fn begin(&self, tenant: &str, job: impl FnOnce(Turn) + Send + 'static) {
        let turn = self.of(tenant);
        let mut state = self.lock();
        state.last_turn += 1;
        let number = state.last_turn;
        turn.current.set(Some(number));
        let waiting = Waiting::New { job: Job::new(move || job(turn)), turn: number, since: Instant::now() };
        state.waiting.push(tenant, waiting);
        state.call_overdue();
        if !state.waiting.is_empty() {
            self.waited_for.notify_one();
        }
    }

    /// Looks after the turns for as long as the process lives.
    pub(super) fn watch(&self) -> io::Result<()> {
        let turns = self.clone();
        let watch = move || {
            let mut state = turns.lock();
            loop {
                let time = if state.waiting.is_empty() { WATCH } else { OVERDUE };
                state = turns.waited_for.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
                state.call_overdue();
            }
        };
        thread::Builder::new().name("turns".to_owned()).spawn(watch).map(|_| ())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn take(&self, tenant: &str) -> u64 {
        let mut state = self.lock();
        state.call_overdue();
        if state.free > 0 {
            state.free -= 1;
            return state.begin(priority::thread_id());
        }
        let ticket = Arc::new(Ticket { called: Condvar::new(), turn: Mutex::default(), thread: priority::thread_id() });
        state.waiting.push_before(tenant, Waiting::Begun(ticket.clone()), Waiting::can_wait);
        loop {
            if let Some(turn) = *lock(&ticket.turn) {
                return turn;
            }
            let waited = ticket.called.wait_timeout(state, OVERDUE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.call_overdue();
        }
    }
}

impl State {
    fn begin(&mut self, thread: ThreadId) -> u64 {
        self.last_turn += 1;
        self.turns.insert(self.last_turn, Taken { since: Instant::now(), thread: Some(thread) });
        self.last_turn
    }

    /// Notes which thread has a turn.
    fn moved(&mut self, turn: u64, thread: ThreadId) {
        match self.turns.get_mut(&turn) {
            Some(taken) => *taken = Taken { since: Instant::now(), thread: Some(thread) },
            // It was overdue before the thread got a processor.
            None => {
                if let Some(away) = self.away.get_mut(&turn) {
                    away.thread = Some(thread);
                }
            }
        }
    }

    /// Ends a turn, unless it was overdue and has been given away.
    fn end(&mut self, turn: u64) {
        if self.turns.remove(&turn).is_some() {
            self.free += 1;
            self.call();
        } else {
            self.away.remove(&turn);
        }
    }

    /// Calls those who wait as long as there are free turns.
    fn call(&mut self) {
        while self.free > 0
            && let Some((tenant, waiting)) = self.waiting.next_where(|_, _| true)
        {
            self.free -= 1;
            match waiting {
                Waiting::Begun(ticket) => {
                    *lock(&ticket.turn) = Some(self.begin(ticket.thread));
                    ticket.called.notify_one();
                }
                Waiting::New { job, turn, since } => {
                    let Err((job, error)) = self.threads.run(job) else {
                        self.turns.insert(turn, Taken { since: Instant::now(), thread: None });
                        continue;
                    };
                    tracing::error!(%error, "a script waits, as no thread can be started for it");
                    self.free += 1;
                    return self.waiting.push_before(&tenant, Waiting::New { job, turn, since }, |_| true);
                }
            }
        }
    }

    /// Takes the turns away from those who have not come back.
    fn call_overdue(&mut self) {
        let overdue: Vec<_> = self.turns.extract_if(|_, taken| taken.since.elapsed() >= OVERDUE).collect();
        self.free += overdue.len();
        self.away.extend(overdue.into_iter().map(|(turn, Taken { thread, .. })| {
            let computed = thread.and_then(priority::computed).unwrap_or_default();
            (turn, Away { since: Instant::now(), thread, computed })
        }));
        self.lower_busiest();
        self.call();
    }

    /// Lowers the priority of those who have computed most while away, so that no more than there are turns keep theirs.
    fn lower_busiest(&mut self) {
        if self.away.len() <= self.count {
            return;
        }
        let mut busy: Vec<(u64, Duration)> = self.away.iter().map(|(turn, away)| (*turn, away.computed())).collect();
        busy.sort_unstable_by_key(|(_, computed)| std::cmp::Reverse(*computed));
        busy.truncate(self.away.len() - self.count);
        for (turn, _) in busy.into_iter().filter(|(_, computed)| *computed >= AWAY) {
            if let Some(thread) = self.away.remove(&turn).and_then(|away| away.thread) {
                priority::lower_thread(thread);
            }
        }
    }
}

impl Away {
    /// How long the thread has computed since its turn was given away; all that time, where the system does not tell.
    fn computed(&self) -> Duration {
        let Some(thread) = self.thread else { return Duration::ZERO };
        priority::computed(thread)
            .map_or_else(|| self.since.elapsed(), |computed| computed.saturating_sub(self.computed))
    }
}

impl Waiting {
    /// Whether it lets those go first that have begun.
    fn can_wait(&self) -> bool {
        matches!(self, Self::New { since, .. } if since.elapsed() < PATIENCE)
    }
}

impl Turn {
    /// Waits for the turn, unless the script begins with it.
    pub(super) fn take(&self) {
        match self.current.get() {
            Some(turn) => self.turns.lock().moved(turn, priority::thread_id()),
            None => self.current.set(Some(self.turns.take(&self.tenant))),
        }
        self.since.set(Instant::now());
    }

    /// Gives the turn back.
    pub(super) fn release(&self) {
        if let Some(turn) = self.current.take() {
            self.turns.lock().end(turn);
        }
    }

    /// Lets others go first if the turn has lasted a while.
    pub(super) fn share(&self) {
        if self.current.get().is_some() && self.since.get().elapsed() >= SLICE {
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
    #[cfg(target_os = "linux")]
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    /// Waits in another thread for a turn and then says its name; no turn is overdue meanwhile.
    fn waits(turns: &Turns, tenant: &'static str, said: &std::sync::mpsc::Sender<&'static str>) {
        let before = turns.lock().waiting.len();
        age(turns, Instant::now() + Duration::from_secs(600));
        let (turn, said) = (turns.of(tenant), said.clone());
        thread::spawn(move || {
            turn.take();
            said.send(tenant).unwrap();
        });
        while turns.lock().waiting.len() == before {
            thread::yield_now();
        }
    }

    /// How many turns are free, taken, and given away.
    fn held(turns: &Turns) -> (usize, usize, usize) {
        let state = turns.lock();
        (state.free, state.turns.len(), state.away.len())
    }

    fn age(turns: &Turns, since: Instant) {
        turns.lock().turns.values_mut().for_each(|taken| taken.since = since);
    }

    #[test]
    fn a_turn_that_is_given_back_goes_to_the_tenant_who_waits_longest() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let turn = turns.of("x");
        turn.take();
        for tenant in ["a", "a", "a", "b"] {
            waits(&turns, tenant, &said);
        }
        turn.release();
        let order: Vec<&str> = heard.iter().take(4).collect();
        assert_eq!(order, ["a", "b", "a", "a"]);
    }

    #[test]
    fn those_that_have_begun_go_before_new_ones_that_have_not_waited_long() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let turn = turns.of("x");
        turn.take();
        let begin = |name: &'static str| {
            let said = said.clone();
            turns.begin("a", move |turn| {
                turn.take();
                said.send(name).unwrap();
            });
        };
        begin("long ago");
        for waiting in [0, 1] {
            if waiting == 0 {
                let mut state = turns.lock();
                let long_ago = state.waiting.next_where(|_, _| true).map(|(_, waiting)| match waiting {
                    Waiting::New { job, turn, .. } => Waiting::New { job, turn, since: Instant::now() - PATIENCE },
                    begun @ Waiting::Begun(_) => begun,
                });
                state.waiting.push("a", long_ago.unwrap());
            }
            begin("new");
        }
        waits(&turns, "a", &said);
        waits(&turns, "a", &said);
        turn.release();
        let order: Vec<&str> = heard.iter().take(5).collect();
        assert_eq!(order, ["long ago", "a", "a", "new", "new"]);
    }

    #[test]
    fn what_begins_has_a_turn_that_is_given_away_if_it_does_not_come_back() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let (ends, ended) = channel::<()>();
        turns.begin("a", move |turn| {
            turn.take();
            said.send(priority::thread_id()).unwrap();
            let _ = ended.recv();
        });
        let thread = heard.recv().unwrap();
        assert_eq!(held(&turns), (0, 1, 0));
        age(&turns, Instant::now() - OVERDUE);
        turns.lock().call_overdue();
        assert_eq!(turns.lock().away.values().map(|away| away.thread).collect::<Vec<_>>(), [Some(thread)]);
        drop(ends);
        while held(&turns) != (1, 0, 0) {
            thread::yield_now();
        }
    }

    #[test]
    fn a_turn_whose_script_does_not_come_back_is_given_to_the_next_and_counts_once() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let stuck = turns.of("x");
        stuck.take();
        waits(&turns, "a", &said);
        age(&turns, Instant::now() - OVERDUE);
        assert_eq!(heard.recv(), Ok("a"));
        let next = turns.of("b");
        next.take();
        assert!(turns.lock().away.len() <= 1);
        stuck.release();
        assert_eq!(held(&turns), (0, 1, 0), "what was given away does not come back");
        next.release();
        assert_eq!(turns.lock().free, 1);
    }

    /// Takes a turn in another thread, stays away with it while `busy` and then says whether its priority was lowered.
    #[cfg(target_os = "linux")]
    fn stays_away(turns: &Turns, busy: bool, ends: &Arc<AtomicBool>) -> thread::JoinHandle<bool> {
        let (turn, ends, (said, heard)) = (turns.of("x"), ends.clone(), channel());
        let thread = thread::spawn(move || {
            turn.take();
            said.send(()).unwrap();
            while !ends.load(Ordering::Relaxed) {
                if !busy {
                    thread::park();
                }
            }
            priority::is_lowest()
        });
        heard.recv().unwrap();
        age(turns, Instant::now() - OVERDUE);
        turns.lock().call_overdue();
        thread
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn of_many_that_compute_on_the_busiest_get_what_the_others_leave() {
        let (turns, ends) = (Turns::new(1), Arc::default());
        let threads: Vec<_> = [true, true, true, false].map(|busy| stays_away(&turns, busy, &ends)).into();
        // The one that only waits is left.
        while turns.lock().away.len() > 1 {
            turns.lock().call_overdue();
            thread::yield_now();
        }
        ends.store(true, Ordering::Relaxed);
        let lowered: Vec<bool> = threads
            .into_iter()
            .map(|thread| {
                thread.thread().unpark();
                thread.join().unwrap()
            })
            .collect();
        assert_eq!(lowered, [true, true, true, false]);
    }

    #[test]
    fn a_script_that_comes_back_keeps_its_turn_while_nobody_waits() {
        let turns = Turns::new(1);
        let long = turns.of("x");
        long.take();
        for _ in 0..3 {
            long.since.set(Instant::now() - SLICE);
            age(&turns, Instant::now() - OVERDUE);
            long.share();
            let before = long.current.get();
            long.share();
            assert_eq!((held(&turns), long.current.get()), ((0, 1, 0), before));
        }
    }

    #[test]
    fn a_script_that_computes_for_long_lets_others_go_first() {
        let (turns, (said, heard)) = (Turns::new(1), channel());
        let long = turns.of("x");
        long.take();
        waits(&turns, "a", &said);
        long.since.set(Instant::now() - SLICE);
        long.share();
        assert_eq!(heard.recv(), Ok("a"));
        assert!(long.current.get().is_some());
    }
}
