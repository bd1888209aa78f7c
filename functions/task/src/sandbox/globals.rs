//! The globals of a script: the host's functions, wrapped by the prelude.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::{ArrayBuffer, Ctx, Exception, Function, Object, Result, String as JsString, Value};

use super::bytes::{self, cstring};
use super::calls::{Call, CallKind, MAX_BODY_BYTES};
use super::console::PRINTED_BYTES;
use super::exchange::{FetchRequest, FetchResponse};
use super::host::Host;
use super::position::Positions;
use super::stop::Reason;
use super::{clock, crypto, modules, plain_request, reflection, urls, zlib, zone};

/// The processor under the name that Node.js has for it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

/// Installs the globals and returns what wakes the script up: `fire`, `settle` and `call`.
pub(super) fn install<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    variables: &BTreeMap<String, String>,
    positions: Positions,
) -> Result<Object<'js>> {
    let environment = Object::new(ctx.clone())?;
    for (name, value) in variables {
        environment.set(name.as_str(), value.as_str())?;
    }
    let functions = bare(ctx)?;
    functions.set("print", print(ctx, host.clone())?)?;
    functions.set("schedule", schedule(ctx, host.clone())?)?;
    functions.set("unschedule", unschedule(ctx, host.clone())?)?;
    functions.set("exhausted", exhausted(ctx, host.clone())?)?;
    functions.set("uncaught", uncaught(ctx, host.clone())?)?;
    functions.set("equipFetch", equip_fetch(ctx, host.clone())?)?;
    functions.set("equip", equip(ctx, host.clone())?)?;
    functions.set("extend", extend(ctx, host.clone())?)?;
    functions.set("load", Function::new(ctx.clone(), modules::load)?)?;
    functions.set("printLimit", PRINTED_BYTES)?;
    functions.set("column", positions.into_function(ctx)?)?;
    clock::install(ctx, &functions, host)?;
    let prelude = modules::internal(ctx, "hookyard:prelude")?;
    prelude.get::<_, Function<'js>>("install")?.call((functions, environment))
}

/// The object from which `fetch` builds its `Response`.
pub(super) fn response<'js>(ctx: &Ctx<'js>, response: FetchResponse) -> Result<Object<'js>> {
    let object = bare(ctx)?;
    object.set("status", response.status)?;
    object.set("statusText", response.status_text)?;
    object.set("url", response.url)?;
    // One text, as most scripts never look at them. No header has a line break.
    let mut headers = String::new();
    for (name, value) in &response.headers {
        headers.extend([name.as_str(), "\n", value.as_str(), "\n"]);
    }
    object.set("headers", headers)?;
    // A copy into the script's heap, so that it counts towards its memory.
    object.set("body", ArrayBuffer::new_copy(ctx.clone(), response.body)?)?;
    Ok(object)
}

/// The object from which the script's side builds an error.
pub(super) fn error<'js>(ctx: &Ctx<'js>, name: &str, message: &str, code: Option<&str>) -> Result<Object<'js>> {
    let object = bare(ctx)?;
    object.set("name", name)?;
    object.set("message", message)?;
    object.set("code", code)?;
    Ok(object)
}

/// An object that inherits nothing, such as setters that a script has made.
fn bare<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set_prototype(None)?;
    Ok(object)
}

/// The prototype of the engine's own errors, whose class no script can reach.
pub(super) fn internal_error<'js>(ctx: &Ctx<'js>) -> Option<Object<'js>> {
    Exception::throw_internal(ctx, "");
    ctx.catch().as_object()?.get_prototype()
}

/// Prints a text, which is cut off if there was more of it than a script may print.
fn print<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |text: JsString<'js>, cut_off: bool| -> Result<()> {
        host.stop().print(cstring(text)?.as_str().to_owned());
        if cut_off {
            host.stop().stop(Reason::Output);
        }
        Ok(())
    })
}

fn exhausted<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move || host.exhausted.set(true))
}

fn uncaught<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, error: Value<'js>| host.throw_later(&ctx, error))
}

/// Adds the functions that plain requests need, when the first module behind `fetch` is loaded.
fn equip_fetch<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, functions: Object<'js>| {
        functions.set("equipRequests", equip_requests(&ctx, host.clone())?)?;
        plain_request::install(&ctx, &functions, &host)?;
        bytes::install_short_text(&ctx, &functions)
    })
}

/// Adds the functions that requests of all kinds need, when the first one is more than a plain request.
fn equip_requests<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, functions: Object<'js>| {
        functions.set("fetch", fetch(&ctx, host.clone())?)?;
        functions.set("abortFetch", abort_fetch(&ctx, host.clone())?)?;
        bytes::install_text(&ctx, &functions)?;
        urls::install_parser(&ctx, &functions)
    })
}

/// Adds the functions that our other modules need, when the first of them is loaded. The object that they are added to
/// inherits nothing, so that a script cannot set a trap for them.
fn equip<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, functions: Object<'js>| {
        functions.set("call", call(&ctx, host.clone())?)?;
        functions.set("callLimit", MAX_BODY_BYTES)?;
        functions.set("architecture", ARCHITECTURE)?;
        bytes::install(&ctx, &functions)?;
        reflection::install(&ctx, &functions)?;
        urls::install(&ctx, &functions)?;
        zone::install(&ctx, &functions)?;
        clock::install_bytes(&ctx, &functions, &host)
    })
}

/// Adds the functions that few scripts need, when the first of them is.
fn extend<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, functions: Object<'js>| {
        crypto::install(&ctx, &functions, &host)?;
        zlib::install(&ctx, &functions, &host)
    })
}

fn schedule<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32, delay_ms: f64| {
        let at = Instant::now() + Duration::from_secs_f64(delay_ms / 1000.0);
        host.timers.borrow_mut().schedule(id, at);
    })
}

fn unschedule<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32| {
        host.timers.borrow_mut().unschedule(id);
    })
}

fn fetch<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, id: u32, request: Object<'js>| -> Result<()> {
        let headers: Vec<Vec<String>> = request.get("headers")?;
        let body: Value<'js> = request.get("body")?;
        let request = FetchRequest {
            method: request.get("method")?,
            url: request.get("url")?,
            headers: headers.into_iter().filter_map(|pair| <[String; 2]>::try_from(pair).ok()).collect(),
            redirect: request.get("redirect")?,
            max_redirects: request.get("maxRedirects")?,
            body: bytes(&body)?,
        };
        match host.ask(id, request) {
            true => Ok(()),
            false => Err(Exception::throw_internal(&ctx, "the journal has no such request")),
        }
    })
}

fn abort_fetch<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |id: u32| {
        host.fetches.borrow_mut().forget(id);
    })
}

fn call<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, id: u32, kind: u32, body: String| {
        let kind = if kind == 0 { CallKind::Publish } else { CallKind::StartTask };
        match host.ask_call(id, Call { kind, body }) {
            true => Ok(()),
            false => Err(Exception::throw_internal(&ctx, "the journal has no such call")),
        }
    })
}

/// The bytes of a body, which is text, a `Uint8Array` or nothing.
fn bytes(value: &Value<'_>) -> Result<Vec<u8>> {
    if let Some(text) = value.as_string() {
        return Ok(text.to_string()?.into_bytes());
    }
    let array = value.as_object().and_then(|object| object.as_typed_array::<u8>());
    Ok(array.and_then(|array| array.as_bytes()).unwrap_or_default().to_vec())
}
