//! The worker process: runs scripts for the process that started it, and ends with it.
//!
//! It has no environment, no credentials and no client: all that it is given and all that it says goes through standard
//! input and output.

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::calls::{CallEnded, Calling};
use super::engine::{self, Realm};
use super::exchange::Finished;
use super::failure;
use super::fetch::Fetches;
use super::host::Links;
use super::journal::Recording;
use super::message::{self, FromWorker, Output, Said, ToWorker, Work};
use super::priority;
use super::realms::{MAX_AGE, MAX_RUNS, Owner, Realms};
use super::script::{Isolation, Outside, Script};
use super::stop::Stop;
use super::turns::Turns;

/// The argument with which a binary starts as a worker.
pub const ARGUMENT: &str = "script-worker";

/// How many scripts compute at once for each processor, as a script may have to wait for the system too.
const TURNS_PER_PROCESSOR: usize = 2;
/// The most memory of all scripts together: eight of the largest. What asks for more gets none.
const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Runs scripts until standard input ends.
///
/// # Errors
///
/// When what it reads makes no sense.
pub fn work() -> io::Result<()> {
    outlive_signals()?;
    limit_memory();
    let output = Output::new(io::stdout().as_fd().try_clone_to_owned()?.into());
    output.send(&FromWorker::Ready);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let turns = Turns::new(processors * TURNS_PER_PROCESSOR);
    turns.watch()?;
    let worker = Worker { output, turns, scripts: Arc::default(), realms: Realms::default() };
    let mut input = BufReader::new(io::stdin().lock());
    while let Some(message) = message::read(&mut input)? {
        worker.take(message);
    }
    Ok(())
}

/// Leaves it to the process that started this one when it ends, whoever sends signals to both.
fn outlive_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    // What handles a signal stays when these are dropped, and does nothing then.
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

fn limit_memory() {
    let limit = Rlimit { current: Some(MEMORY_BYTES), maximum: Some(MEMORY_BYTES) };
    if let Err(error) = setrlimit(Resource::Data, limit) {
        tracing::warn!(%error, "the memory of all scripts together is not limited");
    }
}

struct Worker {
    output: Output,
    turns: Turns,
    scripts: Scripts,
    realms: Realms<Start>,
}

/// The scripts that are under way, by their ids.
type Scripts = Arc<Mutex<HashMap<u64, Stop>>>;

/// A script that starts.
struct Start {
    script: Script,
    work: Work,
    links: Links,
    end: End,
}

/// How the end of a script is told.
struct End {
    id: u64,
    output: Output,
    scripts: Scripts,
}

impl End {
    fn tell(self, (result, recording): engine::Ended) {
        lock(&self.scripts).remove(&self.id);
        self.output.say(self.id, Said::Done { result: result.map_err(Into::into), recording });
    }
}

/// Runs a script to its end, and those that follow it in the same realm.
fn attend(first: Start, realms: &Realms<Start>) {
    let owner = first.owner();
    let mut tenure = Tenure { realm: None, runs: 0, until: Instant::now() + MAX_AGE };
    let mut next = Some(first);
    while let Some(Start { script, work, links, end }) = next.take() {
        links.turn.take();
        let ended = tenure.run(&script, work, links);
        // Before the end is told, so that whoever starts the next one then finds the realm.
        let offer = owner.clone().filter(|_| tenure.goes_on()).map(|owner| realms.offer(owner));
        end.tell(ended);
        next = offer.and_then(|offer| offer.wait(tenure.until));
    }
}

/// The realm of a thread, and how long it is used.
struct Tenure {
    realm: Option<Realm>,
    runs: u32,
    until: Instant,
}

impl Tenure {
    fn run(&mut self, script: &Script, work: Work, links: Links) -> engine::Ended {
        self.runs += 1;
        let realm = self.realm.take();
        let job = || match work {
            Work::Run => engine::execute(script, links, realm),
            Work::Check => ((engine::check(script).map(|()| String::new()), Recording::Off), None),
        };
        // Whatever state a panic leaves behind belongs to the script alone.
        let (ended, realm) =
            catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| ((Err(failure::broken()), Recording::Off), None));
        self.realm = realm;
        ended
    }

    /// Whether another script may run in the realm.
    fn goes_on(&self) -> bool {
        let is_at_rest = self.realm.as_ref().is_some_and(Realm::is_at_rest);
        is_at_rest && self.runs < MAX_RUNS && Instant::now() < self.until && !priority::is_lowest()
    }
}

impl Start {
    /// Who may share a realm with it; `None` for one that starts in a realm of its own.
    fn owner(&self) -> Option<Owner> {
        let is_live = !matches!(self.script.outside, Outside::Replayed(_));
        match (&self.script.isolation, self.work) {
            (Isolation::Warm(what), Work::Run) if is_live => {
                Some(Owner { tenant: self.script.tenant.clone(), what: what.clone() })
            }
            _ => None,
        }
    }
}

impl Worker {
    fn take(&self, message: ToWorker) {
        match message {
            ToWorker::Start { id, script, work } => self.start(id, script, work),
            ToWorker::Fetched { id, fetch, result } => {
                if let Some(stop) = lock(&self.scripts).get(&id) {
                    stop.fetched(Finished { id: fetch, result });
                }
            }
            ToWorker::Called { id, call, result } => {
                if let Some(stop) = lock(&self.scripts).get(&id) {
                    stop.called(CallEnded { id: call, result });
                }
            }
            ToWorker::Stop { id, reason } => {
                if let Some(stop) = lock(&self.scripts).get(&id) {
                    stop.stop(reason);
                }
            }
        }
    }

    fn start(&self, id: u64, script: Script, work: Work) {
        let (output, scripts) = (self.output.clone(), self.scripts.clone());
        let (stop, events) = Stop::new(id, output.clone());
        lock(&scripts).insert(id, stop.clone());
        let realms = self.realms.clone();
        self.turns.begin(&script.tenant.clone(), move |turn| {
            let fetches = Fetches::new(id, output.clone(), stop.clone());
            let calling = Calling::new(id, output.clone());
            let links = Links { stop, events, fetches, calling, turn };
            let start = Start { script, work, links, end: End { id, output, scripts } };
            let handed_over = match start.owner() {
                None => Err(start),
                Some(owner) => realms.hand_over(&owner, start),
            };
            if let Err(start) = handed_over {
                attend(start, &realms);
            }
        });
    }
}

fn lock(scripts: &Mutex<HashMap<u64, Stop>>) -> MutexGuard<'_, HashMap<u64, Stop>> {
    scripts.lock().unwrap_or_else(PoisonError::into_inner)
}
