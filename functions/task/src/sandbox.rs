//! Runs scripts, each in a fresh QuickJS runtime, within limits of time, memory, stack and output.
//!
//! Scripts run in a worker: a process of the same binary that has nothing of this one and can be killed. This process
//! keeps what a script must not have, sends its requests and keeps its log (`supervise`); it decides whose script
//! may be present (`presence`) and in which worker it runs (`pool`). In the worker a script has a thread, takes
//! turns at computing with the others (`turns`), and the event loop of its thread drives what it waits for.

mod bytecode;
mod bytes;
mod clock;
mod compile;
mod console;
mod engine;
mod entry;
mod event_loop;
mod exchange;
mod failure;
mod fair;
mod fetch;
mod globals;
mod host;
pub(crate) mod journal;
mod message;
mod modules;
mod outside;
mod pool;
mod presence;
mod priority;
mod process;
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
mod zone;

use std::path::PathBuf;
use std::sync::Arc;

use shared::Error;
use shared::clock::Clock;
use shared::event::StepError;
use shared::outbound::Outbound;
use tokio::sync::Semaphore;

pub use self::console::LogLine;
pub use self::journal::Recording;
use self::message::Work;
use self::pool::Pool;
use self::presence::Presence;
use self::requests::Requests;
pub use self::script::{BeforeEffect, Limits, Outside, Report, Script};
use self::supervise::{Ended, supervise};

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
    pool: Arc<Pool>,
    lone_places: Arc<Semaphore>,
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
        Self { outbound, clock, presence: Presence::new(PLACES), pool, lone_places }
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
        self.report(script, before_effect, &self.clock).await
    }

    /// Runs a script again from its journal, with lines printed at the times of `clock`; nothing is sent.
    ///
    /// # Errors
    ///
    /// When the system cannot start the worker.
    pub async fn replay(&self, script: Script, clock: &Clock) -> Result<Report, Error> {
        self.report(script, sends_nothing(), clock).await
    }

    async fn report(&self, script: Script, before_effect: BeforeEffect, clock: &Clock) -> Result<Report, Error> {
        let (result, lines, recording) = self.end_of(&script, Work::Run, before_effect, clock).await?;
        Ok(Report { result: result.and_then(|json| failure::parsed(&json)), lines, recording })
    }

    /// Compiles a script without running any of it, or says what is wrong with it; dropping the future stops that.
    ///
    /// # Errors
    ///
    /// When the system cannot start the worker.
    pub async fn check(&self, script: Script) -> Result<Result<(), StepError>, Error> {
        let (result, ..) = self.end_of(&script, Work::Check, sends_nothing(), &self.clock).await?;
        Ok(result.map(drop))
    }

    /// The process id of the worker that takes scripts; `None` if there is none, as no script has run yet.
    #[must_use]
    pub fn worker_id(&self) -> Option<u32> {
        self.pool.worker_id()
    }

    async fn end_of(
        &self,
        script: &Script,
        work: Work,
        before_effect: BeforeEffect,
        clock: &Clock,
    ) -> Result<(Result<String, StepError>, Vec<LogLine>, Recording), Error> {
        let (has_acted, lines) = match self.beside_others(script, work, &before_effect, clock).await? {
            Ended::Reported(result, lines, recording) => return Ok((result, lines, recording)),
            Ended::Lost { has_acted, lines } => (has_acted, lines),
            Ended::Refused(_) => (false, Vec::new()),
        };
        if has_acted {
            let message = "the process that ran the script ended after the script had begun to send requests";
            return Ok((Err(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)), lines, Recording::Off));
        }
        // Who ended the worker is not known, so that each of its scripts gets one where it can harm nobody else.
        match self.alone(script, work, before_effect, clock).await? {
            Ended::Reported(result, lines, recording) => Ok((result, lines, recording)),
            Ended::Lost { lines, .. } => {
                let message = "the process that ran the script ended before the script did";
                Ok((Err(failure::runtime("WorkerLost", message)), lines, Recording::Off))
            }
            Ended::Refused(_) => Err(Error::new("run a script", "its worker takes no scripts")),
        }
    }

    /// Runs a script in the worker of all scripts.
    async fn beside_others(
        &self,
        script: &Script,
        work: Work,
        before_effect: &BeforeEffect,
        clock: &Clock,
    ) -> Result<Ended, Error> {
        let mut present = self.presence.enter(&script.tenant, &script.file_name).await?;
        loop {
            let process = self.pool.worker()?;
            let requests = Requests::new(self.outbound.clone(), before_effect.clone());
            match supervise(&process, present, script, work, clock, requests).await? {
                // Its place was taken in that moment.
                Ended::Refused(again) => present = again,
                ended => return Ok(ended),
            }
        }
    }

    /// Runs a script in a worker of its own.
    async fn alone(
        &self,
        script: &Script,
        work: Work,
        before_effect: BeforeEffect,
        clock: &Clock,
    ) -> Result<Ended, Error> {
        let present = self.presence.enter(&script.tenant, &script.file_name).await?;
        let _place = self.lone_places.acquire().await.map_err(Error::cannot("wait for a place to run alone"))?;
        let process = self.pool.lone_worker()?;
        let _killed_when_dropped = process.killed_on_drop();
        let requests = Requests::new(self.outbound.clone(), before_effect);
        supervise(&process, present, script, work, clock, requests).await
    }
}

/// Refuses every request.
fn sends_nothing() -> BeforeEffect {
    Arc::new(|| Box::pin(async { Err(Error::new("send a request", "this script sends none")) }))
}

/// The binary that runs, also after another one was put in its place.
fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    std::env::current_exe().unwrap_or_default()
}
