//! One script on its thread: the engine's runtime, from the script's text to its result.

use std::rc::Rc;

use rquickjs::context::intrinsic;
use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime, Type};
use shared::event::StepError;

use super::compile::{self, Compiled, Kind, Rejected};
use super::event_loop::EventLoop;
use super::failure::{self, Fault};
use super::host::{Host, Links};
use super::journal::Recording;
use super::loader::PackageLoader;
use super::outside::Outside;
use super::position::Positions;
use super::script::{Isolation, Outside as Choice, Script};
use super::{entry, exports, globals, modules, package_check};

/// The part of its memory that a script uses before the first garbage collection; a small one never gets there.
const GC_THRESHOLD: usize = 2;
/// How much memory a realm may hold while it waits for the next task.
const WARM_BYTES: usize = 16 * 1024 * 1024;

/// What the engine brings along, in its own order. Its `DOMException` and `performance` are left out, as ours take their
/// places.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
    intrinsic::BigInt,
    intrinsic::WeakRef,
);

/// A realm in which a script has run, with the function that it exports.
pub(super) struct Realm {
    host: Rc<Host>,
    /// None once they are given back to the engine, which must happen before it is freed.
    opened: Option<Opened>,
    context: Context,
    runtime: Runtime,
    limit_bytes: usize,
    /// Whether the last run has left it so that another one can begin.
    is_at_rest: bool,
}

/// What the script's side of a realm has for the host.
struct Opened {
    script_side: Persistent<Object<'static>>,
    main: Persistent<Function<'static>>,
}

/// How a run has ended: its result as JSON, and what it has read from outside.
pub(super) type Ended = (Result<String, StepError>, Recording);

/// Runs the script, in a new realm or again in one that an earlier run has left at rest; tells how that ended, and in
/// which realm it ran if there is one.
pub(super) fn execute(script: &Script, links: Links, warm: Option<Realm>) -> (Ended, Option<Realm>) {
    match warm {
        Some(realm) => realm.run_again(script, links),
        None => run_first(script, links),
    }
}

fn run_first(script: &Script, links: Links) -> (Ended, Option<Realm>) {
    let Some(outside) = Outside::new(&script.outside) else {
        let error = failure::runtime("JournalMismatch", "the journal cannot be read");
        return ((Err(error), Recording::Off), None);
    };
    let host = Rc::new(Host::new(links, outside, script.time_limit()));
    let (result, realm) = match compiled(script, &host) {
        Ok(compiled) => evaluate(script, compiled, &host),
        Err(error) => (Err(error), None),
    };
    host.fetches.borrow_mut().abort_all();
    let recording = host.outside().finish();
    ((result, recording), realm)
}

fn evaluate(
    script: &Script,
    compiled: Option<Compiled>,
    host: &Rc<Host>,
) -> (Result<String, StepError>, Option<Realm>) {
    let Ok((runtime, context)) = start(script, host) else {
        return (Err(failure::broken()), None);
    };
    let limit_bytes = memory_limit(script);
    let mut realm = Realm { host: host.clone(), opened: None, context, runtime, limit_bytes, is_at_rest: false };
    let opened = realm
        .context
        .with(|ctx| open(&ctx, script, compiled, host).map_err(|fault| explain(&ctx, fault, script, host)));
    let result = opened.and_then(|opened| realm.opened.insert(opened).run(&realm.context, script, host));
    realm.settle(script, result.is_ok());
    (result, Some(realm))
}

impl Realm {
    /// Whether another run of the same function can begin here.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_at_rest
    }

    fn run_again(mut self, script: &Script, links: Links) -> (Ended, Option<Self>) {
        self.is_at_rest = false;
        let outside = self.host.outside().again();
        self.host.begin(links, outside, script.time_limit());
        self.runtime.set_memory_limit(self.limit_bytes);
        let result = match &self.opened {
            Some(opened) => opened.run(&self.context, script, &self.host),
            None => Err(failure::broken()),
        };
        self.settle(script, result.is_ok());
        self.host.fetches.borrow_mut().abort_all();
        let recording = if script.outside == Choice::Recorded { Recording::Warm } else { Recording::Off };
        ((result, recording), Some(self))
    }

    /// Finds out whether the realm can be used again, and gives up the timers of the run if so.
    fn settle(&mut self, script: &Script, has_succeeded: bool) {
        let is_live = !matches!(script.outside, Choice::Replayed(_));
        if script.isolation == Isolation::Fresh || !is_live || !has_succeeded || !self.host.is_at_rest() {
            return;
        }
        let Some(opened) = &self.opened else { return };
        self.runtime.set_memory_limit(WARM_BYTES);
        let is_small = || {
            self.context.with(|ctx| {
                let made = Object::new(ctx.clone());
                made.inspect_err(|_| drop(ctx.catch())).is_ok()
            })
        };
        if !is_small() {
            self.runtime.run_gc();
            if !is_small() {
                return;
            }
        }
        let forgotten = self.context.with(|ctx| {
            let script_side = opened.script_side.clone().restore(&ctx)?;
            script_side.get::<_, Function<'_>>("forgetTimers")?.call::<_, ()>(())
        });
        self.host.timers.take();
        self.host.exhausted.set(false);
        self.is_at_rest = forgotten.is_ok();
        if self.is_at_rest {
            self.host.turn().release();
        }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let (opened, host) = (self.opened.take(), &self.host);
        self.context.with(|_| {
            drop(opened);
            host.release();
        });
    }
}

impl Opened {
    /// Calls the function of the script with the input of one task.
    fn run(&self, context: &Context, script: &Script, host: &Host) -> Result<String, StepError> {
        context.with(|ctx| self.call(&ctx, script, host).map_err(|fault| explain(&ctx, fault, script, host)))
    }

    fn call(&self, ctx: &Ctx<'_>, script: &Script, host: &Host) -> Result<String, Fault> {
        let script_side = self.script_side.clone().restore(ctx)?;
        let event_loop = EventLoop::new(host, &script_side)?;
        let main = self.main.clone().restore(ctx)?;
        let task = ctx.json_parse(script.input.as_str())?;
        let promise = script_side.get::<_, Function<'_>>("call")?.call((main, task))?;
        let result = event_loop.run_until(ctx, &promise)?;
        let json = ctx.json_stringify(result)?.map_or_else(|| Ok("null".to_owned()), |json| json.to_string())?;
        host.check()?;
        if json.len() > script.limits.result_bytes {
            return Err(Fault::Failed(failure::long_result(&script.limits)));
        }
        if script.isolation != Isolation::Fresh {
            event_loop.finish(ctx)?;
        }
        Ok(json)
    }
}

/// A text as it was compiled; `None` for a package, each of whose files is compiled by itself.
fn compiled(script: &Script, host: &Host) -> Result<Option<Compiled>, StepError> {
    if !script.files.is_empty() {
        return Ok(None);
    }
    compile::compile(script).map(Some).map_err(|rejected| {
        rejected.log.into_iter().for_each(|log| host.stop().note(log));
        rejected.error
    })
}

/// Compiles the script without running it, and looks for the modules that it cannot do without.
pub(super) fn check(script: &Script) -> Result<(), StepError> {
    if !script.files.is_empty() {
        return package_check::check(script);
    }
    let name = entry::name_in_text(script.entry_point.as_deref());
    match compile::compile(script).map(|compiled| compiled.kind) {
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
    runtime.set_memory_limit(memory_limit(script));
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

/// The files of a package are in memory beside the heap.
fn memory_limit(script: &Script) -> usize {
    script.limits.memory_bytes.saturating_sub(script.package_bytes()).max(1)
}

fn start(script: &Script, host: &Rc<Host>) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = limited(script)?;
    let interrupted = host.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || interrupted.interrupts())));
    let context = Context::custom::<Intrinsics>(&runtime)?;
    let host = host.clone();
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
        host.note_rejection(&ctx, promise, reason, handled);
    })));
    Ok((runtime, context))
}

/// Installs the globals, evaluates the script and finds its function.
fn open(ctx: &Ctx<'_>, script: &Script, compiled: Option<Compiled>, host: &Rc<Host>) -> Result<Opened, Fault> {
    watch_growth(ctx, host)?;
    let script_side =
        globals::install(ctx, host, &script.variables, Positions::new(script, compiled.map(|compiled| compiled.kind)))?;
    host.track_rejections(ctx, script_side.get("reject")?, script_side.get("handle")?);
    let event_loop = EventLoop::new(host, &script_side)?;
    let main = match compiled {
        Some(compiled) => entry::find(ctx, script, compiled, &event_loop)?,
        None => entry::find_in_package(ctx, script, &event_loop)?,
    };
    Ok(Opened { main: Persistent::save(ctx, main), script_side: Persistent::save(ctx, script_side) })
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
    // The prototype of a proxy is the script's own affair, and asking for it can throw.
    let object = thrown.as_object().filter(|object| !object.is_proxy());
    let engines = object.and_then(Object::get_prototype) == globals::internal_error(ctx);
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
    let (error, log) = match (host.stop().reason(), fault) {
        (Some(reason), _) | (None, Fault::Stopped(reason)) => (failure::stopped(reason, &script.limits), None),
        (None, Fault::Exhausted) => (failure::out_of_memory(&script.limits), None),
        (None, Fault::Failed(error)) => (error, None),
        (None, Fault::Thrown(error)) => thrown(ctx, &error, script, host),
    };
    // The getters of a thrown object are the script's own code, and may have run out of time.
    let error = host.stop().reason().map_or(error, |reason| failure::stopped(reason, &script.limits));
    let error = host.divergence().unwrap_or(error);
    if let Some(log) = log {
        host.stop().note(log);
    }
    error
}
