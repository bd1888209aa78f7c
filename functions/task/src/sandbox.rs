//! Runs one script in a fresh QuickJS runtime, within limits of time, memory, stack and output.
//!
//! A script has a thread to itself for as long as it runs, so that one that never yields delays no other work; the
//! event loop of that thread drives what it waits for (timers, requests). The runtime is created for the script and freed
//! after it.

mod bytecode;
mod bytes;
mod compile;
mod console;
mod engine;
mod entry;
mod event_loop;
mod exchange;
mod failure;
mod fetch;
mod globals;
mod host;
mod modules;
mod reflection;
mod script;
mod stop;
mod timers;
mod urls;
mod worker;
mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::Error;
use shared::clock::Clock;
use shared::event::StepError;
use shared::outbound::Outbound;
use tokio::sync::Semaphore;

pub use self::console::LogLine;
use self::fetch::Fetches;
pub use self::script::{BeforeEffect, Limits, Report, Script};
use self::stop::{Reason, Stop};
use self::worker::Workers;

/// How many scripts run at once in this process; each occupies a thread.
const CONCURRENT_SCRIPTS: usize = 64;
/// How long after its time limit a script may take to stop before its thread is abandoned.
const GRACE: Duration = Duration::from_secs(2);

/// Runs scripts. Cheap to clone; all clones share one limit of concurrent scripts.
#[derive(Clone, Debug)]
pub struct Sandbox {
    outbound: Outbound,
    clock: Clock,
    places: Arc<Semaphore>,
    workers: Workers,
}

impl Sandbox {
    /// Returns a sandbox whose scripts send their requests through this client.
    #[must_use]
    pub fn new(outbound: Outbound, clock: Clock) -> Self {
        Self { outbound, clock, places: Arc::new(Semaphore::new(CONCURRENT_SCRIPTS)), workers: Workers::default() }
    }

    /// Runs a script to its end; dropping the future stops it.
    ///
    /// Waits for its turn first, which does not count as the script's time. Whatever the script does ends in a report.
    ///
    /// # Errors
    ///
    /// When `before_effect` fails, as the script was then stopped before its first request was sent, and when the system
    /// cannot start another thread.
    pub async fn run(&self, script: Script, before_effect: BeforeEffect) -> Result<Report, Error> {
        let place = self.places.clone().acquire_owned().await.map_err(Error::cannot("wait for a place to run"))?;
        let limits = script.limits;
        let (stop, events) = Stop::new();
        let _stop_when_dropped = stop.clone().on_drop();
        let fetches = Fetches::new(self.outbound.clone(), before_effect, stop.clone());
        let links = engine::Links { stop: stop.clone(), events, fetches, clock: self.clock.clone() };
        let work = self.workers.run(move || {
            let _place = place;
            engine::execute(&script, links)
        })?;
        let result = match tokio::time::timeout(limits.time + GRACE, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                tracing::error!("a script made the sandbox panic");
                Err(failure::broken())
            }
            Err(_) => {
                tracing::error!("a script does not stop, so its thread is abandoned");
                Err(failure::stopped(Reason::Time, &limits))
            }
        };
        if let Some(error) = stop.take_effect_error() {
            return Err(error);
        }
        let (result, lines) = (result.and_then(|json| failure::parsed(&json)), stop.take_lines());
        Ok(Report { result, lines })
    }
}

/// Compiles a script without running any of it, or says what is wrong with it.
///
/// # Errors
///
/// When the engine fails.
pub async fn check(source: &str, file_name: &str) -> Result<Result<(), StepError>, Error> {
    let script = Script {
        source: source.into(),
        file_name: file_name.to_owned(),
        entry_point: None,
        input: String::new(),
        variables: BTreeMap::new(),
        limits: Limits::default(),
    };
    let work = tokio::task::spawn_blocking(move || engine::check(&script));
    work.await.map_err(Error::cannot("compile a script"))
}

#[cfg(test)]
mod tests;
