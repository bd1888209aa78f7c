//! One script on its thread: the engine's runtime, from the script's text to its result.

use std::rc::Rc;
use std::sync::mpsc::Receiver;

use rquickjs::{Context, Ctx, Function, Object, Runtime, Type};
use shared::event::StepError;

use super::calls::Calling;
use super::compile::{self, Kind, Rejected};
use super::event_loop::EventLoop;
use super::failure::{self, Fault};
use super::fetch::Fetches;
use super::host::Host;
use super::journal::Recording;
use super::loader::PackageLoader;
use super::outside::Outside;
use super::position::Positions;
use super::script::Script;
use super::stop::{Stop, Wake};
use super::turns::Turn;
use super::{entry, exports, globals, modules, package_check};

/// The part of its memory that a script uses before the first garbage collection; a small one never gets there.
const GC_THRESHOLD: usize = 2;

/// What connects a script's thread to the rest of the worker.
pub(super) struct Links {
    pub(super) stop: Stop,
    pub(super) events: Receiver<Wake>,
    pub(super) fetches: Fetches,
    pub(super) calling: Calling,
    pub(super) turn: Turn,
}

/// Runs the script and returns its result as JSON, and what it has read from outside.
pub(super) fn execute(script: &Script, links: Links) -> (Result<String, StepError>, Recording) {
    let Links { stop, events, fetches, calling, turn } = links;
    let Some(outside) = Outside::new(&script.outside) else {
        return (Err(failure::runtime("JournalMismatch", "the journal cannot be read")), Recording::Off);
    };
    let host = Rc::new(Host::new(stop, turn, fetches, calling, outside, script.time_limit()));
    let result = kind(script, &host).and_then(|kind| evaluate(script, kind, &host, &events));
    host.fetches.borrow_mut().abort_all();
    let recording = host.outside().finish();
    (result, recording)
}

fn evaluate(
    script: &Script,
    kind: Option<Kind>,
    host: &Rc<Host>,
    events: &Receiver<Wake>,
) -> Result<String, StepError> {
    let Ok((_runtime, context)) = start(script, host) else {
        return Err(failure::broken());
    };
    context.with(|ctx| {
        let outcome = run(&ctx, script, kind, host, events);
        let outcome = outcome.map_err(|fault| explain(&ctx, fault, script, host));
        host.release();
        outcome
    })
}

/// What kind of script a text is; `None` for a package, each of whose files has a kind.
fn kind(script: &Script, host: &Host) -> Result<Option<Kind>, StepError> {
    if !script.files.is_empty() {
        return Ok(None);
    }
    compile::kind(script).map(Some).map_err(|rejected| {
        rejected.log.into_iter().for_each(|log| host.stop.note(log));
        rejected.error
    })
}

/// Compiles the script without running it, and looks for the modules that it cannot do without.
pub(super) fn check(script: &Script) -> Result<(), StepError> {
    if !script.files.is_empty() {
        return package_check::check(script);
    }
    let name = entry::name_in_text(script.entry_point.as_deref());
    match compile::kind(script) {
        Ok(Kind::Module) => {
            let exported = exports::of_module(script, &script.file_name, &script.source)?;
            entry::check_names("script", name, &exported)
        }
        Ok(Kind::Body) => {
            package_check::check_text(&script.source)?;
            entry::check_text("script", &script.source, name)
        }
        Err(Rejected { error, log, .. }) => Err(StepError { message: log.unwrap_or(error.message), ..error }),
    }
}

/// An engine within the limits of the script.
pub(super) fn limited(script: &Script) -> rquickjs::Result<Runtime> {
    let runtime = Runtime::new()?;
    // The files of a package are in memory beside the heap.
    runtime.set_memory_limit(script.limits.memory_bytes.saturating_sub(script.package_bytes()).max(1));
    runtime.set_max_stack_size(script.limits.stack_bytes);
    runtime.set_gc_threshold(script.limits.memory_bytes / GC_THRESHOLD);
    if script.files.is_empty() {
        runtime.set_loader(modules::BuiltIn, modules::BuiltIn);
    } else {
        let loader = PackageLoader::new(script);
        runtime.set_loader(loader.clone(), loader);
    }
    Ok(runtime)
}

fn start(script: &Script, host: &Rc<Host>) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = limited(script)?;
    let interrupted = host.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || interrupted.interrupts())));
    let context = Context::full(&runtime)?;
    let host = host.clone();
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
        host.note_rejection(&ctx, promise, reason, handled);
    })));
    Ok((runtime, context))
}

fn run(
    ctx: &Ctx<'_>,
    script: &Script,
    kind: Option<Kind>,
    host: &Rc<Host>,
    events: &Receiver<Wake>,
) -> Result<String, Fault> {
    watch_growth(ctx, host)?;
    let script_side = globals::install(ctx, host, &script.variables, Positions::new(script, kind))?;
    host.track_rejections(ctx, script_side.get("reject")?, script_side.get("handle")?);
    let event_loop = EventLoop::new(host, events, &script_side)?;
    let main = match kind {
        Some(kind) => entry::find(ctx, script, kind, &event_loop)?,
        None => entry::find_in_package(ctx, script, &event_loop)?,
    };
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

/// Notes when the engine collects garbage, which it does once the heap has grown: a cycle holds what is dropped then.
fn watch_growth(ctx: &Ctx<'_>, host: &Rc<Host>) -> rquickjs::Result<()> {
    let growth = Growth(host.clone());
    let cycle = Function::new(ctx.clone(), move || growth.0.grown.get())?;
    cycle.set("itself", cycle.clone())
}

struct Growth(Rc<Host>);

impl Drop for Growth {
    fn drop(&mut self) {
        self.0.grown.set(true);
    }
}

/// The failure of a script that threw. The engine throws `null` when no memory is left for an error.
fn thrown(ctx: &Ctx<'_>, error: &rquickjs::Error, script: &Script, host: &Host) -> (StepError, Option<String>) {
    let thrown = ctx.catch();
    // The engine throws a value of no type at all when a call of it ran out of memory half way.
    let nothing_left = host.grown.get() && (thrown.is_null() || thrown.type_of() == Type::Uninitialized);
    let engines = thrown.as_object().and_then(Object::get_prototype) == globals::internal_error(ctx);
    let _ = if error.is_exception() { ctx.throw(thrown) } else { rquickjs::Error::Unknown };
    let (failure, log) = failure::thrown(ctx, error);
    let nothing_left = nothing_left || engines && tells_exhaustion(&failure.message);
    match host.exhausted.get() || nothing_left {
        true => (failure::out_of_memory(&script.limits), None),
        false => (failure, log),
    }
}

/// Tells whether the engine says by this message that no memory was left, not even for a better message.
fn tells_exhaustion(message: &str) -> bool {
    message.starts_with("out of memory") || ["", "Invalid error message"].contains(&message)
}

/// Turns a fault into the task's error, and notes in the log where the script threw.
fn explain(ctx: &Ctx<'_>, fault: Fault, script: &Script, host: &Host) -> StepError {
    let (error, log) = match (host.stop.reason(), fault) {
        (Some(reason), _) | (None, Fault::Stopped(reason)) => (failure::stopped(reason, &script.limits), None),
        (None, Fault::Exhausted) => (failure::out_of_memory(&script.limits), None),
        (None, Fault::Failed(error)) => (error, None),
        (None, Fault::Thrown(error)) => thrown(ctx, &error, script, host),
    };
    // The getters of a thrown object are the script's own code, and may have run out of time.
    let error = host.stop.reason().map_or(error, |reason| failure::stopped(reason, &script.limits));
    let error = host.divergence().unwrap_or(error);
    if let Some(log) = log {
        host.stop.note(log);
    }
    error
}
