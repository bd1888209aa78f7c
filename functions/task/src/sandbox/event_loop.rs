//! The event loop of a script: jobs, timers and responses until a promise is settled.

use std::time::{Duration, Instant};

use rquickjs::promise::PromiseState;
use rquickjs::{Coerced, Ctx, Function, Object, Promise, Result as JsResult, Value};

use super::calls::{CallEnded, CallError};
use super::exchange::{FetchError, FetchResponse, Finished};
use super::failure::{self, Fault};
use super::globals;
use super::host::Host;
use super::journal::Event;
use super::stop::{Reason, Wake};

/// Drives what a script waits for.
pub(super) struct EventLoop<'a, 'js> {
    host: &'a Host,
    fire: Function<'js>,
    settle: Function<'js>,
    settle_call: Function<'js>,
    unhandled: Function<'js>,
    watch: Function<'js>,
}

impl<'a, 'js> EventLoop<'a, 'js> {
    /// Builds a loop that calls `fire` and `settle` of the globals.
    pub(super) fn new(host: &'a Host, script_side: &Object<'js>) -> JsResult<Self> {
        Ok(Self {
            host,
            fire: script_side.get("fire")?,
            settle: script_side.get("settle")?,
            settle_call: script_side.get("settleCall")?,
            unhandled: script_side.get("unhandled")?,
            watch: script_side.get("watch")?,
        })
    }

    /// Drives the script until the promise is settled.
    pub(super) fn run_until(&self, ctx: &Ctx<'js>, promise: &Promise<'js>) -> Result<Value<'js>, Fault> {
        self.watch.call::<_, ()>((promise.clone(),))?;
        loop {
            self.host.check()?;
            while ctx.execute_pending_job() {
                self.host.check()?;
                self.host.check_uncaught(ctx)?;
            }
            self.host.check_uncaught(ctx)?;
            self.check_rejections(promise)?;
            if let Some(result) = promise.result() {
                return Ok(result?);
            }
            self.advance(ctx)?;
        }
    }

    /// Runs the jobs that are left after the result, so that none of them runs later.
    pub(super) fn finish(&self, ctx: &Ctx<'js>) -> Result<(), Fault> {
        while ctx.execute_pending_job() {
            self.host.check()?;
            self.host.check_uncaught(ctx)?;
        }
        Ok(())
    }

    /// Fails when a rejection is still not handled after all jobs, unless the script has failed anyway.
    fn check_rejections(&self, promise: &Promise<'js>) -> Result<(), Fault> {
        if !self.host.rejected.take() || promise.state() == PromiseState::Rejected {
            return Ok(());
        }
        let Some(rejection) = self.unhandled.call::<_, Option<Object<'js>>>(())? else {
            return Ok(());
        };
        let reason: Coerced<String> = rejection.get("text")?;
        if let Some(stack) = rejection.get::<_, Option<Coerced<String>>>("stack")? {
            self.host.stop().note(failure::clipped_message(&stack.0));
        }
        self.host.check()?;
        let message = format!("a promise was rejected and nothing handles it: {}", reason.0);
        Err(Fault::Failed(failure::runtime("UnhandledRejection", failure::clipped_message(&message))))
    }

    /// Handles the next event that is due, or waits for one.
    fn advance(&self, ctx: &Ctx<'js>) -> Result<(), Fault> {
        if self.waits_for_nothing() {
            let message = "the script returned a promise that nothing can settle any more";
            return Err(Fault::Failed(failure::runtime("PromiseNeverSettles", message)));
        }
        let is_replayed = self.host.outside().is_replayed();
        let event = if is_replayed { self.replayed_event() } else { self.next_event() };
        self.host.outside().note_event(&event);
        match event {
            Event::Timer(timer) => Ok(self.fire.call((timer,))?),
            Event::Fetched { fetch, result } => self.deliver(ctx, fetch, result),
            Event::Called { call, result } => self.deliver_call(ctx, call, result),
            Event::Stopped(reason) => Err(Fault::Stopped(reason)),
        }
    }

    fn waits_for_nothing(&self) -> bool {
        let Host { timers, fetches, calling, .. } = self.host;
        timers.borrow().next().is_none() && fetches.borrow().is_empty() && calling.borrow().is_empty()
    }

    /// Takes the next event that is due, or waits for one.
    fn next_event(&self) -> Event {
        loop {
            if let Some(reason) = self.host.stop_reason() {
                return Event::Stopped(reason);
            }
            let now = Instant::now();
            let due = self.host.timers.borrow_mut().take_due(now);
            if let Some(timer) = due {
                return Event::Timer(timer);
            }
            let next = self.host.timers.borrow().next();
            let until = next.map_or(self.host.deadline(), |next| next.min(self.host.deadline()));
            match self.host.wait(until.saturating_duration_since(now).max(Duration::from_micros(1))) {
                Some(Wake::Fetched(Finished { id: fetch, result }))
                    if self.host.fetches.borrow_mut().finished(fetch) =>
                {
                    return Event::Fetched { fetch, result };
                }
                Some(Wake::Called(CallEnded { id: call, result })) if self.host.calling.borrow_mut().ended(call) => {
                    return Event::Called { call, result };
                }
                _ => {}
            }
        }
    }

    /// Takes the next event of the journal, for which the script must be waiting.
    fn replayed_event(&self) -> Event {
        let event = self.host.outside().replayed_event();
        let is_awaited = match &event {
            Some(Event::Timer(timer)) => self.host.timers.borrow_mut().unschedule(*timer),
            Some(Event::Fetched { fetch, .. }) => self.host.fetches.borrow_mut().finished(*fetch),
            Some(Event::Called { call, .. }) => self.host.calling.borrow_mut().ended(*call),
            Some(Event::Stopped(reason)) => {
                self.host.stop().stop(*reason);
                true
            }
            None => false,
        };
        event.filter(|_| is_awaited).unwrap_or_else(|| {
            let message = "the script waits for something else than it did when its journal was written";
            self.host.diverge("JournalMismatch", message);
            Event::Stopped(Reason::Diverged)
        })
    }

    fn deliver(&self, ctx: &Ctx<'js>, fetch: u32, result: Result<FetchResponse, FetchError>) -> Result<(), Fault> {
        let (response, error): (Option<Object<'js>>, Option<Object<'js>>) = match result {
            Ok(response) => (Some(globals::response(ctx, response)?), None),
            Err(error) => (None, Some(globals::error(ctx, &error.name, &error.message, error.code.as_deref())?)),
        };
        Ok(self.settle.call((fetch, response, error))?)
    }

    fn deliver_call(&self, ctx: &Ctx<'js>, call: u32, result: Result<String, CallError>) -> Result<(), Fault> {
        let (answer, error): (Option<String>, Option<Object<'js>>) = match result {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(globals::error(ctx, &error.name, &error.message, None)?)),
        };
        Ok(self.settle_call.call((call, answer, error))?)
    }
}
