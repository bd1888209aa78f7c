//! One script on its thread: the runtime, and the loop that drives what the script waits for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rquickjs::{Context, Ctx, Function, Object, Promise, Runtime, Value};
use shared::clock::Clock;
use shared::event::StepError;

use super::failure::{self, Fault};
use super::stop::{Reason, Stop, Wake};
use super::timers::Timers;
use super::{Script, entry, globals, modules};
use crate::fetch::{Fetches, Finished};

/// How much a heap grows before the first search for garbage; a small script ends before it.
const GC_THRESHOLD_BYTES: usize = 4 * 1024 * 1024;

/// What the thread of a script gets.
pub(super) struct Links {
    pub(super) stop: Stop,
    pub(super) events: Receiver<Wake>,
    pub(super) fetches: Fetches,
    pub(super) clock: Clock,
}

/// What the script's side calls.
pub(super) struct Host {
    pub(super) stop: Stop,
    pub(super) clock: Clock,
    pub(super) timers: RefCell<Timers>,
    pub(super) fetches: RefCell<Fetches>,
    /// How much the script has put outside of its heap.
    pub(super) charged: Cell<f64>,
    deadline: Instant,
}

impl Host {
    /// Whether the script must not go on; notices when its time is over.
    fn is_stopped(&self) -> bool {
        if self.stop.reason().is_none() && Instant::now() >= self.deadline {
            self.stop.stop(Reason::Time);
        }
        self.stop.reason().is_some()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.is_stopped() {
            return Err(Fault::Stopped(self.stop.reason().unwrap_or(Reason::Time)));
        }
        Ok(())
    }
}

/// Runs the script and returns its result as JSON.
pub(super) fn execute(script: &Script, links: Links) -> Result<String, StepError> {
    let host = Rc::new(Host {
        stop: links.stop,
        clock: links.clock,
        timers: RefCell::default(),
        fetches: RefCell::new(links.fetches),
        charged: Cell::new(0.0),
        deadline: Instant::now() + script.limits.time,
    });
    let result = match start(script, &host) {
        Ok((_runtime, context)) => context.with(|ctx| {
            let outcome = run(&ctx, script, &host, &links.events);
            outcome.map_err(|fault| explain(&ctx, fault, script, &host))
        }),
        Err(_) => Err(failure::broken()),
    };
    host.fetches.borrow_mut().abort_all();
    result
}

/// Compiles the script and runs none of it.
pub(super) fn check(script: &Script) -> Result<(), StepError> {
    let compiled = limited(script).and_then(|runtime| Ok((Context::full(&runtime)?, runtime)));
    let Ok((context, _runtime)) = compiled else {
        return Err(failure::broken());
    };
    context.with(|ctx| match entry::compile(&ctx, script) {
        Ok(()) => Ok(()),
        Err(Fault::Failed(error)) => Err(error),
        Err(Fault::Stopped(reason)) => Err(failure::stopped(reason, &script.limits)),
        Err(Fault::Thrown(error)) => {
            let (error, log) = failure::thrown(&ctx, &error, &script.limits);
            Err(StepError { message: log.unwrap_or(error.message), ..error })
        }
    })
}

fn limited(script: &Script) -> rquickjs::Result<Runtime> {
    let runtime = Runtime::new()?;
    runtime.set_memory_limit(script.limits.memory_bytes);
    runtime.set_max_stack_size(script.limits.stack_bytes);
    runtime.set_gc_threshold(GC_THRESHOLD_BYTES);
    runtime.set_loader(modules::BuiltIn, modules::BuiltIn);
    Ok(runtime)
}

fn start(script: &Script, host: &Rc<Host>) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = limited(script)?;
    let host = host.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || host.is_stopped())));
    let context = Context::full(&runtime)?;
    Ok((runtime, context))
}

fn run(ctx: &Ctx<'_>, script: &Script, host: &Rc<Host>, events: &Receiver<Wake>) -> Result<String, Fault> {
    let script_side = globals::install(ctx, host, &script.variables)?;
    let waiting = Waiting { host, events, fire: script_side.get("fire")?, settle: script_side.get("settle")? };
    let main = entry::find(ctx, script, &waiting)?;
    let task = ctx.json_parse(script.input.as_str())?;
    let promise = script_side.get::<_, Function<'_>>("call")?.call((main, task))?;
    let result = waiting.for_promise(ctx, &promise)?;
    let json = ctx.json_stringify(result)?.map_or_else(|| Ok("null".to_owned()), |json| json.to_string())?;
    host.check()?;
    if json.len() > script.limits.result_bytes {
        return Err(Fault::Failed(failure::long_result(&script.limits)));
    }
    Ok(json)
}

/// Turns a fault into the task's error, and notes in the log where the script threw.
fn explain(ctx: &Ctx<'_>, fault: Fault, script: &Script, host: &Host) -> StepError {
    let (error, log) = match (host.stop.reason(), fault) {
        (Some(reason), _) | (None, Fault::Stopped(reason)) => (failure::stopped(reason, &script.limits), None),
        (None, Fault::Failed(error)) => (error, None),
        (None, Fault::Thrown(error)) => failure::thrown(ctx, &error, &script.limits),
    };
    // The getters of what was thrown are the script's own and may have run out of time.
    let error = host.stop.reason().map_or(error, |reason| failure::stopped(reason, &script.limits));
    if let Some(log) = log {
        host.stop.note(host.clock.now(), log);
    }
    error
}

/// The loop: jobs, timers and answers until a promise is settled.
pub(super) struct Waiting<'a, 'js> {
    host: &'a Host,
    events: &'a Receiver<Wake>,
    fire: Function<'js>,
    settle: Function<'js>,
}

impl<'js> Waiting<'_, 'js> {
    /// Drives the script until the promise is settled.
    pub(super) fn for_promise(&self, ctx: &Ctx<'js>, promise: &Promise<'js>) -> Result<Value<'js>, Fault> {
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

    /// Does the next thing that is due, or waits for one.
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
        match self.events.recv_timeout(until.saturating_duration_since(now).max(Duration::from_micros(1))) {
            Ok(Wake::Fetched(finished)) => self.deliver(ctx, finished),
            _ => Ok(()),
        }
    }

    fn deliver(&self, ctx: &Ctx<'js>, finished: Finished) -> Result<(), Fault> {
        if !self.host.fetches.borrow_mut().forget(finished.id) {
            return Ok(());
        }
        let (answer, error): (Option<Object<'js>>, Option<Object<'js>>) = match finished.outcome {
            Ok(answer) => (Some(globals::answer(ctx, answer)?), None),
            Err(error) => (None, Some(globals::error(ctx, &error)?)),
        };
        Ok(self.settle.call((finished.id, answer, error))?)
    }
}
