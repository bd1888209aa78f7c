//! The event loop of a script: jobs, timers and responses until a promise is settled.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rquickjs::{Ctx, Function, Object, Promise, Result as JsResult, Value};

use super::exchange::Finished;
use super::failure::{self, Fault};
use super::globals;
use super::host::Host;
use super::stop::Wake;

/// Drives what a script waits for.
pub(super) struct EventLoop<'a, 'js> {
    host: &'a Host,
    events: &'a Receiver<Wake>,
    fire: Function<'js>,
    settle: Function<'js>,
}

impl<'a, 'js> EventLoop<'a, 'js> {
    /// Builds a loop that calls `fire` and `settle` of the globals.
    pub(super) fn new(host: &'a Host, events: &'a Receiver<Wake>, script_side: &Object<'js>) -> JsResult<Self> {
        Ok(Self { host, events, fire: script_side.get("fire")?, settle: script_side.get("settle")? })
    }

    /// Drives the script until the promise is settled.
    pub(super) fn run_until(&self, ctx: &Ctx<'js>, promise: &Promise<'js>) -> Result<Value<'js>, Fault> {
        loop {
            self.host.check()?;
            while ctx.execute_pending_job() {
                self.host.check()?;
            }
            if let Some(result) = promise.result() {
                return Ok(result?);
            }
            self.advance(ctx)?;
        }
    }

    /// Handles the next event that is due, or waits for one.
    fn advance(&self, ctx: &Ctx<'js>) -> Result<(), Fault> {
        let now = Instant::now();
        let due = self.host.timers.borrow_mut().take_due(now);
        if let Some(timer) = due {
            return Ok(self.fire.call((timer,))?);
        }
        let next = self.host.timers.borrow().next();
        if next.is_none() && self.host.fetches.borrow().is_empty() {
            let message = "the script returned a promise that nothing can settle any more";
            return Err(Fault::Failed(failure::runtime("PromiseNeverSettles", message)));
        }
        let until = next.map_or(self.host.deadline, |next| next.min(self.host.deadline));
        match self.wait(until.saturating_duration_since(now).max(Duration::from_micros(1))) {
            Some(Wake::Fetched(finished)) => self.deliver(ctx, finished),
            Some(Wake::Stopped) | None => Ok(()),
        }
    }

    /// Waits for an event; others compute meanwhile.
    fn wait(&self, time: Duration) -> Option<Wake> {
        if let Ok(wake) = self.events.try_recv() {
            return Some(wake);
        }
        self.host.turn.release();
        let wake = self.events.recv_timeout(time).ok();
        self.host.turn.take();
        wake
    }

    fn deliver(&self, ctx: &Ctx<'js>, finished: Finished) -> Result<(), Fault> {
        if !self.host.fetches.borrow_mut().finished(finished.id) {
            return Ok(());
        }
        let (response, error): (Option<Object<'js>>, Option<Object<'js>>) = match finished.result {
            Ok(response) => (Some(globals::response(ctx, response)?), None),
            Err(error) => (None, Some(globals::error(ctx, &error)?)),
        };
        Ok(self.settle.call((finished.id, response, error))?)
    }
}
