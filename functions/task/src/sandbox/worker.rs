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

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::calls::{CallEnded, Calling};
use super::engine::{self, Links};
use super::exchange::Finished;
use super::failure;
use super::fetch::Fetches;
use super::journal::Recording;
use super::message::{self, FromWorker, Output, Said, ToWorker, Work};
use super::script::Script;
use super::stop::Stop;
use super::threads::Threads;
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
/// When what it reads makes no sense, or the system cannot start another thread.
pub fn work() -> io::Result<()> {
    outlive_signals()?;
    limit_memory();
    let output = Output::new(io::stdout().as_fd().try_clone_to_owned()?.into());
    output.send(&FromWorker::Ready);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let turns = Turns::new(processors * TURNS_PER_PROCESSOR);
    turns.watch()?;
    let worker = Worker { output, turns, threads: Threads::default(), scripts: Arc::default() };
    let mut input = BufReader::new(io::stdin().lock());
    while let Some(message) = message::read(&mut input)? {
        worker.take(message)?;
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
    threads: Threads,
    scripts: Arc<Mutex<HashMap<u64, Stop>>>,
}

impl Worker {
    fn take(&self, message: ToWorker) -> io::Result<()> {
        match message {
            ToWorker::Start { id, script, work } => self.start(id, script, work)?,
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
        Ok(())
    }

    fn start(&self, id: u64, script: Script, work: Work) -> io::Result<()> {
        let (output, scripts) = (self.output.clone(), self.scripts.clone());
        let (stop, events) = Stop::new(id, output.clone());
        lock(&scripts).insert(id, stop.clone());
        let fetches = Fetches::new(id, output.clone(), stop.clone());
        let calling = Calling::new(id, output.clone());
        let turn = self.turns.of(&script.tenant);
        self.threads.run(Box::new(move || {
            turn.take();
            let links = Links { stop, events, fetches, calling, turn };
            let job = || match work {
                Work::Run => engine::execute(&script, links),
                Work::Check => (engine::check(&script).map(|()| String::new()), Recording::Off),
            };
            // Whatever state a panic leaves behind belongs to the script alone.
            let ended = catch_unwind(AssertUnwindSafe(job));
            let (result, recording) = ended.unwrap_or_else(|_| (Err(failure::broken()), Recording::Off));
            lock(&scripts).remove(&id);
            output.say(id, Said::Done { result: result.map_err(Into::into), recording });
        }))
    }
}

fn lock(scripts: &Mutex<HashMap<u64, Stop>>) -> MutexGuard<'_, HashMap<u64, Stop>> {
    scripts.lock().unwrap_or_else(PoisonError::into_inner)
}
