//! Runs scripts, each in a fresh QuickJS runtime unless its function asks for another isolation, within limits of time,
//! memory, stack and output.
//!
//! Scripts run in a worker: a process of the same binary that has nothing of this one and can be killed. This process
//! keeps what a script must not have, sends its requests and keeps its log (`supervise`); it decides whose script
//! may be present (`presence`) and in which worker it runs (`pool`). In the worker a script has a thread, takes
//! turns at computing with the others (`turns`), and the event loop of its thread drives what it waits for.

mod bytecode;
mod bytes;
mod calls;
mod clock;
mod commonjs;
mod compile;
mod console;
mod crypto;
mod engine;
mod entry;
mod event_loop;
mod examine;
pub(crate) mod exchange;
mod export_names;
mod exports;
mod failure;
mod fair;
mod fetch;
mod globals;
mod host;
pub(crate) mod journal;
mod kept_code;
mod leading_requires;
mod loader;
mod manifest;
mod message;
mod modules;
mod outside;
mod package;
mod package_check;
mod plain_request;
mod pool;
mod position;
mod presence;
mod priority;
mod process;
mod realms;
mod recorder;
mod reflection;
mod replay;
mod requests;
mod resident;
mod script;
mod stop;
mod supervise;
mod threads;
mod timers;
mod turns;
mod urls;
pub mod worker;
mod zlib;
mod zone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use shared::Error;
use shared::clock::Clock;
use shared::event::StepError;
use shared::outbound::Outbound;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use self::calls::{Call, CallError, CallKind, Calls, MAX_CALLS};
pub use self::console::{Log, LogLine};
pub(crate) use self::failure::{clipped_error, parsed as result_of};
pub use self::journal::Recording;
use self::message::Work;
use self::pool::Pool;
use self::presence::{Presence, Present, Queue};
pub use self::script::{BeforeEffect, Files, Isolation, Limits, Outside, Report, Script};
use self::supervise::{Ended, Reach, supervise};

/// How many scripts compute or wait at once; each has a thread of the worker.
const PLACES: usize = 256;
/// How many threads of a worker may be lost to scripts that do not stop.
const SPARE_THREADS: usize = PLACES / 10;
/// How many scripts whose worker ended run again at once, each in a worker of its own.
const LONE_SCRIPTS: usize = 8;

/// Runs scripts. Cheap to clone; all clones share the places and the worker.
#[derive(Clone, Debug)]
pub struct Sandbox {
    outbound: Outbound,
    clock: Clock,
    presence: Presence,
    queue: Queue,
    pool: Arc<Pool>,
    lone_places: Arc<Semaphore>,
    sending: Option<Handle>,
}

impl Sandbox {
    /// Returns a sandbox whose scripts send their requests through this client.
    ///
    /// Its workers are processes of `program`, which calls [`worker::work`] when its argument is [`worker::ARGUMENT`];
    /// by default the binary that runs. The first one starts with the first script.
    #[must_use]
    pub fn new(outbound: Outbound, clock: Clock, program: Option<PathBuf>) -> Self {
        let pool = Pool::new(program.unwrap_or_else(this_program), SPARE_THREADS);
        let lone_places = Arc::new(Semaphore::new(LONE_SCRIPTS));
        let (presence, queue) = (Presence::new(PLACES), Queue::default());
        Self { outbound, clock, presence, queue, pool, lone_places, sending: None }
    }

    /// Returns the same sandbox, whose requests are sent on the threads of this runtime, if there is one for them.
    #[must_use]
    pub fn sending_on(self, threads: Option<Handle>) -> Self {
        Self { sending: threads, ..self }
    }

    /// Returns the same sandbox for scripts that may call our own API, at this address of this machine.
    #[must_use]
    pub fn with_own_api(&self, address: SocketAddr) -> Self {
        Self { outbound: self.outbound.with_own_api(address), ..self.clone() }
    }

    /// Runs a script to its end; dropping the future stops it.
    ///
    /// Waits for its turn first, which does not count as the script's time. Whatever the script does ends in a report.
    ///
    /// # Errors
    ///
    /// When `before_effect` fails, as the script was then stopped before its first request was sent, and when the system
    /// cannot start the worker.
    pub async fn run(&self, script: Script, before_effect: BeforeEffect) -> Result<Report, Error> {
        let place = self.place(&script.tenant, &script.file_name, 0).await?;
        self.run_in(place, script, before_effect, no_calls(), &Log::default()).await
    }

    /// Runs a script as [`run`](Self::run) does, in a place that it has already; it may call what `calls` does, and what it
    /// prints is kept in `log`.
    ///
    /// # Errors
    ///
    /// As those of [`Self::run`].
    pub async fn run_in(
        &self,
        place: Place,
        script: Script,
        before_effect: BeforeEffect,
        calls: Calls,
        log: &Log,
    ) -> Result<Report, Error> {
        let reach = self.reach(calls, before_effect);
        let (result, recording) = self.end_of(place, &script, Work::Run, reach, log).await?;
        Ok(Report { result: result.and_then(|json| failure::parsed(&json)), lines: log.lines(), recording })
    }

    /// Runs a script again from its journal, with lines printed at the times of `clock`; nothing is sent.
    ///
    /// # Errors
    ///
    /// When the system cannot start the worker.
    pub async fn replay(&self, script: Script, clock: &Clock) -> Result<Report, Error> {
        let sandbox = Self { clock: clock.clone(), ..self.clone() };
        sandbox.run(script, sends_nothing()).await
    }

    /// Waits for a place for a script of a tenant's function, before its scripts with a lower priority that wait.
    ///
    /// # Errors
    ///
    /// When the sandbox is gone.
    pub async fn place(&self, tenant: &str, function: &str, priority: i64) -> Result<Place, Error> {
        self.presence.enter(tenant, function, priority).await.map(Place)
    }

    /// Tells whether whoever comes now gets a place at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.presence.has_room()
    }

    /// Waits for a place as [`place`](Self::place) does; `None` if another call waits for one under the same id.
    ///
    /// # Errors
    ///
    /// When the sandbox is gone.
    pub async fn turn(&self, id: &str, tenant: &str, function: &str, priority: i64) -> Result<Option<Place>, Error> {
        let Some(_waits) = self.queue.begin(id) else { return Ok(None) };
        self.place(tenant, function, priority).await.map(Some)
    }

    /// Compiles a script without running any of it, or says what is wrong with it; dropping the future stops that.
    ///
    /// # Errors
    ///
    /// When the system cannot start the worker.
    pub async fn check(&self, script: Script) -> Result<Result<(), StepError>, Error> {
        let reach = self.reach(no_calls(), sends_nothing());
        let place = self.place(&script.tenant, &script.file_name, 0).await?;
        let (result, _) = self.end_of(place, &script, Work::Check, reach, &Log::default()).await?;
        Ok(result.map(drop))
    }

    fn reach(&self, calls: Calls, before_effect: BeforeEffect) -> Reach {
        Reach { outbound: self.outbound.clone(), calls, before_effect, sending: self.sending.clone() }
    }

    /// The process id of the worker that takes scripts; `None` if there is none, as no script has run yet.
    #[must_use]
    pub fn worker_id(&self) -> Option<u32> {
        self.pool.worker_id()
    }

    async fn end_of(
        &self,
        place: Place,
        script: &Script,
        work: Work,
        reach: Reach,
        log: &Log,
    ) -> Result<(Result<String, StepError>, Recording), Error> {
        let has_acted = match self.beside_others(place.0, script, work, &reach, log).await? {
            Ended::Reported(result, recording) => return Ok((result, recording)),
            Ended::Lost { has_acted } => has_acted,
            Ended::Refused(_) => false,
        };
        if has_acted {
            let message = "the process that ran the script ended after the script had begun to send requests";
            return Ok((Err(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)), Recording::Off));
        }
        // Who ended the worker is not known, so that each of its scripts gets one where it can harm nobody else.
        match self.alone(script, work, reach, log).await? {
            Ended::Reported(result, recording) => Ok((result, recording)),
            Ended::Lost { .. } => {
                let message = "the process that ran the script ended before the script did";
                Ok((Err(failure::runtime("WorkerLost", message)), Recording::Off))
            }
            Ended::Refused(_) => Err(Error::new("run a script", "its worker takes no scripts")),
        }
    }

    /// Runs a script in the worker of all scripts.
    async fn beside_others(
        &self,
        mut present: Present,
        script: &Script,
        work: Work,
        reach: &Reach,
        log: &Log,
    ) -> Result<Ended, Error> {
        loop {
            let process = self.pool.worker()?;
            match supervise(&process, present, script, work, &self.clock, log, reach.clone()).await? {
                // Its place was taken in that moment.
                Ended::Refused(again) => present = again,
                ended => return Ok(ended),
            }
        }
    }

    /// Runs a script in a worker of its own.
    async fn alone(&self, script: &Script, work: Work, reach: Reach, log: &Log) -> Result<Ended, Error> {
        // It has waited for its turn before.
        let present = self.presence.enter(&script.tenant, &script.file_name, i64::MAX).await?;
        let _place = self.lone_places.acquire().await.map_err(Error::cannot("wait for a place to run alone"))?;
        let process = self.pool.lone_worker()?;
        let _killed_when_dropped = process.killed_on_drop();
        supervise(&process, present, script, work, &self.clock, log, reach).await
    }
}

/// A place for a script, which is free again when this is dropped or the script has ended.
#[derive(Debug)]
pub struct Place(Present);

/// Refuses every request.
fn sends_nothing() -> BeforeEffect {
    Arc::new(|| Box::pin(async { Err(Error::new("send a request", "this script sends none")) }))
}

/// The calls of a script that nobody does them for.
fn no_calls() -> Calls {
    Arc::new(|_, _| Box::pin(async { Err(CallError::new("NotSupported", "this script runs outside of a task")) }))
}

/// The binary that runs, also after another one was put in its place.
fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    std::env::current_exe().unwrap_or_default()
}
