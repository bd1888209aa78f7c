//! One script on its thread: the engine's runtime, from the script's text to its result.

use std::rc::Rc;
use std::sync::mpsc::Receiver;

use rquickjs::{Context, Ctx, Function, Runtime};
use shared::clock::Clock;
use shared::event::StepError;

use super::compile::{self, Kind, Rejected};
use super::event_loop::EventLoop;
use super::failure::{self, Fault};
use super::fetch::Fetches;
use super::host::Host;
use super::script::Script;
use super::stop::{Stop, Wake};
use super::{entry, globals, modules};

/// How far a heap grows before the first garbage collection; a small script never gets there.
const GC_THRESHOLD_BYTES: usize = 4 * 1024 * 1024;

/// What connects a script's thread to the rest of the process.
pub(super) struct Links {
    pub(super) stop: Stop,
    pub(super) events: Receiver<Wake>,
    pub(super) fetches: Fetches,
    pub(super) clock: Clock,
}

/// Runs the script and returns its result as JSON.
pub(super) fn execute(script: &Script, links: Links) -> Result<String, StepError> {
    let host = Rc::new(Host::new(links.stop, links.clock, links.fetches, script.limits.time));
    let kind = compile::kind(script).map_err(|rejected| {
        rejected.log.into_iter().for_each(|log| host.stop.note(host.clock.now(), log));
        rejected.error
    })?;
    let result = match start(script, &host) {
        Ok((_runtime, context)) => context.with(|ctx| {
            let outcome = run(&ctx, script, kind, &host, &links.events);
            outcome.map_err(|fault| explain(&ctx, fault, script, &host))
        }),
        Err(_) => Err(failure::broken()),
    };
    host.fetches.borrow_mut().abort_all();
    result
}

/// Compiles the script without running it.
pub(super) fn check(script: &Script) -> Result<(), StepError> {
    let checked = compile::kind(script);
    checked
        .map(|_| ())
        .map_err(|Rejected { error, log, .. }| StepError { message: log.unwrap_or(error.message), ..error })
}

/// An engine within the limits of the script.
pub(super) fn limited(script: &Script) -> rquickjs::Result<Runtime> {
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

fn run(ctx: &Ctx<'_>, script: &Script, kind: Kind, host: &Rc<Host>, events: &Receiver<Wake>) -> Result<String, Fault> {
    let script_side = globals::install(ctx, host, &script.variables)?;
    let event_loop = EventLoop::new(host, events, &script_side)?;
    let main = entry::find(ctx, script, kind, &event_loop)?;
    let task = ctx.json_parse(script.input.as_str())?;
    let promise = script_side.get::<_, Function<'_>>("call")?.call((main, task))?;
    let result = event_loop.run_until(ctx, &promise)?;
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
    // The getters of a thrown object are the script's own code, and may have run out of time.
    let error = host.stop.reason().map_or(error, |reason| failure::stopped(reason, &script.limits));
    if let Some(log) = log {
        host.stop.note(host.clock.now(), log);
    }
    error
}
