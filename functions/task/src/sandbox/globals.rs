//! The globals of a script: the host's functions, wrapped by the prelude.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use llrt_utils::primordials::{BasePrimordials, Primordial as _};
use rquickjs::prelude::Rest;
use rquickjs::{ArrayBuffer, Ctx, Exception, Function, Object, Result, Value};

use super::exchange::{FetchError, FetchRequest, FetchResponse};
use super::host::Host;
use super::modules;

/// How many characters of URLs a script may create in all.
const MAX_CHARGE: f64 = 16.0 * 1024.0 * 1024.0;

/// Installs the globals and returns what wakes the script up: `fire`, `settle` and `call`.
pub(super) fn install<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    variables: &BTreeMap<String, String>,
) -> Result<Object<'js>> {
    let environment = Object::new(ctx.clone())?;
    for (name, value) in variables {
        environment.set(name.as_str(), value.as_str())?;
    }
    let functions = Object::new(ctx.clone())?;
    functions.set("print", print(ctx, host.clone())?)?;
    functions.set("schedule", schedule(ctx, host.clone())?)?;
    functions.set("unschedule", unschedule(ctx, host.clone())?)?;
    functions.set("fetch", fetch(ctx, host.clone())?)?;
    functions.set("abortFetch", abort_fetch(ctx, host.clone())?)?;
    functions.set("charge", charge(ctx, host.clone())?)?;
    functions.set("load", Function::new(ctx.clone(), load)?)?;
    functions.set("encode", Function::new(ctx.clone(), encode)?)?;
    functions.set("decode", Function::new(ctx.clone(), decode)?)?;
    let prelude = modules::internal(ctx, "hookyard:prelude")?;
    prelude.get::<_, Function<'js>>("install")?.call((functions, environment))
}

/// The object from which `fetch` builds its `Response`.
pub(super) fn response<'js>(ctx: &Ctx<'js>, response: FetchResponse) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("status", response.status)?;
    object.set("statusText", response.status_text)?;
    object.set("url", response.url)?;
    object.set("headers", pairs(ctx, response.headers)?)?;
    // A copy into the script's heap, so that it counts towards its memory.
    object.set("body", ArrayBuffer::new_copy(ctx.clone(), response.body)?)?;
    Ok(object)
}

/// The object from which `fetch` builds its error.
pub(super) fn error<'js>(ctx: &Ctx<'js>, error: &FetchError) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("name", error.name.as_str())?;
    object.set("message", error.message.as_str())?;
    Ok(object)
}

fn pairs<'js>(ctx: &Ctx<'js>, pairs: Vec<(String, String)>) -> Result<Vec<Vec<rquickjs::String<'js>>>> {
    let string = |text: String| rquickjs::String::from_str(ctx.clone(), &text);
    pairs.into_iter().map(|(name, value)| Ok(vec![string(name)?, string(value)?])).collect()
}

fn print<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, values: Rest<Value<'js>>| -> Result<()> {
        let text = match plain(&values) {
            Some(text) => text,
            None => {
                BasePrimordials::init(&ctx)?;
                llrt_logging::format_values(&ctx, values, false, true)?
            }
        };
        host.stop.print(text);
        Ok(())
    })
}

/// A single string, which needs no formatting.
fn plain(values: &[Value<'_>]) -> Option<String> {
    match values {
        [value] => value.as_string()?.to_string().ok(),
        _ => None,
    }
}

fn schedule<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32, delay_ms: f64| {
        let at = Instant::now() + Duration::from_secs_f64(delay_ms / 1000.0);
        host.timers.borrow_mut().schedule(id, at);
    })
}

fn unschedule<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32| host.timers.borrow_mut().unschedule(id))
}

fn fetch<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32, request: Object<'js>| -> Result<()> {
        let headers: Vec<Vec<String>> = request.get("headers")?;
        let body: Value<'js> = request.get("body")?;
        let request = FetchRequest {
            method: request.get("method")?,
            url: request.get("url")?,
            headers: headers.into_iter().filter_map(|pair| <[String; 2]>::try_from(pair).ok()).collect(),
            redirect: request.get("redirect")?,
            body: bytes(&body)?,
        };
        host.fetches.borrow_mut().start(id, request);
        Ok(())
    })
}

fn abort_fetch<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32| {
        host.fetches.borrow_mut().forget(id);
    })
}

/// Counts what the script allocates where its memory limit does not see it.
fn charge<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, length: f64| -> Result<()> {
        let charged = host.charged.get() + length;
        if charged > MAX_CHARGE {
            return Err(Exception::throw_internal(&ctx, "out of memory"));
        }
        host.charged.set(charged);
        Ok(())
    })
}

/// The bytes of a body, which is text, an `ArrayBuffer` or nothing.
fn bytes(value: &Value<'_>) -> Result<Vec<u8>> {
    if let Some(text) = value.as_string() {
        return Ok(text.to_string()?.into_bytes());
    }
    let buffer = value.as_object().and_then(|object| object.as_array_buffer());
    Ok(buffer.and_then(|buffer| buffer.as_bytes()).unwrap_or_default().to_vec())
}

/// Loads one group of globals, or one of our own modules.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn load<'js>(ctx: Ctx<'js>, group: String) -> Result<Option<Object<'js>>> {
    match group.as_str() {
        "exceptions" => llrt_modules::exceptions::init(&ctx)?,
        "events" => llrt_modules::events::init(&ctx)?,
        "abort" => llrt_modules::abort::init(&ctx)?,
        "url" => llrt_modules::url::init(&ctx)?,
        "util" => llrt_modules::util::init(&ctx)?,
        "buffer" => {
            llrt_modules::buffer::init(&ctx)?;
            // Their methods need a scheduler that this runtime does not have.
            ctx.globals().remove("Blob")?;
            ctx.globals().remove("File")?;
        }
        _ => return modules::internal(&ctx, &format!("hookyard:{group}")).map(Some),
    }
    Ok(None)
}

fn encode<'js>(ctx: Ctx<'js>, text: String) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new_copy(ctx, text)
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn decode(buffer: ArrayBuffer<'_>) -> String {
    let bytes = buffer.as_bytes().unwrap_or_default();
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned()
}
