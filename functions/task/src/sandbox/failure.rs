//! Why a script failed, as the task's error: `{type, name, message}`.

use rquickjs::function::This;
use rquickjs::{Coerced, Ctx, Function, Object, String as JsString, Value};
use serde_json::Value as Json;
use shared::event::StepError;
use shared::json::{DEPTH_LIMIT, check_depth, foreign};

use super::console::PRINTED_BYTES;
use super::script::Limits;
use super::stop::Reason;

/// What is wrong with a script that awaits in a function that is not async.
pub(super) const AWAIT_RULE: &str = "`await` is only allowed in async functions: write `async (config) =>`";
/// What the engine says where `await` looks like the call of a function.
const AWAIT_UNDEFINED: [&str; 2] = ["'await' is not defined", "await is not defined"];
const MAX_NAME_BYTES: usize = 100;
const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// Why a script cannot continue.
#[derive(Debug)]
pub(super) enum Fault {
    /// It threw, or the engine did.
    Thrown(rquickjs::Error),
    /// It was stopped.
    Stopped(Reason),
    /// It needed more memory than it may have.
    Exhausted,
    /// It broke a rule.
    Failed(StepError),
}

impl From<rquickjs::Error> for Fault {
    fn from(error: rquickjs::Error) -> Self {
        Self::Thrown(error)
    }
}

/// An error of the script itself.
pub(super) fn runtime(name: &str, message: impl Into<String>) -> StepError {
    StepError { kind: Some("runtime".to_owned()), name: name.to_owned(), message: message.into() }
}

/// The failure of a script that was stopped.
pub(super) fn stopped(reason: Reason, limits: &Limits) -> StepError {
    match reason {
        Reason::Time => {
            let seconds = limits.time.as_secs_f64();
            runtime("TimeLimitExceeded", format!("the script did not end within {seconds} seconds"))
        }
        Reason::Output => {
            let message = format!("the script printed more than {PRINTED_BYTES} bytes");
            runtime(StepError::OUTPUT_TOO_LARGE, message)
        }
        Reason::Diverged => runtime("JournalMismatch", "the script reads something else than its journal has"),
        Reason::Abandoned => StepError::invocation("Aborted", "the script was stopped from outside"),
    }
}

/// The failure of a script whose result is too long.
pub(super) fn long_result(limits: &Limits) -> StepError {
    let message = format!("the result is longer than {} bytes of JSON", limits.result_bytes);
    runtime(StepError::OUTPUT_TOO_LARGE, message)
}

/// The failure of a script that made the engine itself fail.
pub(super) fn broken() -> StepError {
    runtime("SandboxError", "the script made the engine fail")
}

/// The failure of a script without the function to call.
pub(super) fn entry_point_not_found(message: String) -> StepError {
    StepError::invocation("EntryPointNotFound", message)
}

/// Parses a result; one that nests too deep or is not valid Unicode is a failure.
pub(crate) fn parsed(json: &str) -> Result<Json, StepError> {
    let too_deep =
        |_| runtime(StepError::OUTPUT_TOO_LARGE, format!("the result nests more than {DEPTH_LIMIT} levels deep"));
    check_depth(json.as_bytes()).map_err(too_deep)?;
    foreign(json.as_bytes()).map_err(|error| runtime("InvalidResult", format!("the result is not valid JSON: {error}")))
}

/// What the script threw, as a failure and as the text for its log.
pub(super) fn thrown(ctx: &Ctx<'_>, error: &rquickjs::Error) -> (StepError, Option<String>) {
    if !error.is_exception() {
        return (runtime("Error", clipped(&error.to_string(), MAX_MESSAGE_BYTES)), None);
    }
    let value = ctx.catch();
    let Some(object) = value.as_object() else {
        return (runtime("Error", json_or_text(ctx, &value)), None);
    };
    let name = text(ctx, object, "name").filter(|name| !name.is_empty());
    let message = text(ctx, object, "message");
    if name.is_none() && message.is_none() {
        return (runtime("Error", json_or_text(ctx, &value)), None);
    }
    let name = name.unwrap_or_else(|| "Error".to_owned());
    let mut message = message.unwrap_or_default();
    let mut stack = text(ctx, object, "stack").unwrap_or_default();
    if AWAIT_UNDEFINED.contains(&message.as_str()) {
        stack = stack.replacen(&message, AWAIT_RULE, 1);
        message = AWAIT_RULE.to_owned();
    }
    let log = match stack.starts_with(&name) {
        true => stack,
        false => format!("{name}: {message}\n{stack}"),
    };
    let log = clipped(log.trim_end(), MAX_MESSAGE_BYTES);
    (runtime(&clipped(&name, MAX_NAME_BYTES), clipped(&message, MAX_MESSAGE_BYTES)), Some(log))
}

/// The failure of a script that needed more memory than it may have.
pub(super) fn out_of_memory(limits: &Limits) -> StepError {
    let megabytes = limits.memory_bytes / (1024 * 1024);
    runtime("MemoryLimitExceeded", format!("the script needed more than {megabytes} MB of memory"))
}

fn text<'js>(ctx: &Ctx<'js>, object: &Object<'js>, key: &str) -> Option<String> {
    let value = object.get::<_, Value<'js>>(key);
    let text = value.and_then(|value| match value.is_undefined() || value.is_null() {
        true => Ok(None),
        false => value.get::<Coerced<JsString<'js>>>().and_then(|text| owned(ctx, text.0)).map(Some),
    });
    // An error thrown by a getter helps nobody.
    text.unwrap_or_else(|_| {
        ctx.catch();
        None
    })
}

/// Copies a text; half of a surrogate pair becomes U+FFFD, unless the script has broken the method for that.
fn owned<'js>(ctx: &Ctx<'js>, text: JsString<'js>) -> rquickjs::Result<String> {
    text.to_string().or_else(|_| {
        let prototype: Object<'js> = ctx.globals().get::<_, Object<'js>>("String")?.get("prototype")?;
        let to_well_formed: Function<'js> = prototype.get("toWellFormed")?;
        to_well_formed.call::<_, JsString<'js>>((This(text),))?.to_string()
    })
}

fn json_or_text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    let plain = value.as_string().and_then(|text| owned(ctx, text.clone()).ok());
    let json = || ctx.json_stringify(value.clone()).ok().flatten().and_then(|json| json.to_string().ok());
    let coerced = || value.get::<Coerced<JsString<'js>>>().ok().and_then(|text| owned(ctx, text.0).ok());
    let text = plain.or_else(json).or_else(coerced);
    ctx.catch();
    clipped(&text.unwrap_or_else(|| "something without a text was thrown".to_owned()), MAX_MESSAGE_BYTES)
}

/// An error of at most the length that is kept.
pub(crate) fn clipped_error(StepError { kind, name, message }: StepError) -> StepError {
    StepError { kind, name: clipped(&name, MAX_NAME_BYTES), message: clipped(&message, MAX_MESSAGE_BYTES) }
}

/// A message of at most the length that is kept.
pub(super) fn clipped_message(message: &str) -> String {
    clipped(message, MAX_MESSAGE_BYTES)
}

fn clipped(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}
