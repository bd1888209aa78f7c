//! The host functions of a script that look into values as the language itself cannot.

use rquickjs::object::Filter;
use rquickjs::promise::PromiseState;
use rquickjs::{Array, Ctx, Function, Object, Proxy, Result, Value};

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("isProxy", Function::new(ctx.clone(), |value: Value<'js>| value.is_proxy())?)?;
    host.set("proxyParts", Function::new(ctx.clone(), proxy_parts)?)?;
    host.set("promiseState", Function::new(ctx.clone(), promise_state)?)?;
    host.set("namedKeys", Function::new(ctx.clone(), named_keys)?)
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn proxy_parts<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Array<'js>> {
    let parts = Array::new(ctx.clone())?;
    let proxy = Proxy::from_value(value)?;
    // Those of a revoked proxy are gone.
    let part = |part: Result<Object<'js>>| match part {
        Ok(part) => part.into_value(),
        Err(_) => {
            ctx.catch();
            Value::new_null(ctx.clone())
        }
    };
    parts.set(0, part(proxy.target()))?;
    parts.set(1, part(proxy.handler()))?;
    Ok(parts)
}

/// The state of a promise, numbered as in Node.js, and its result; nothing for any other value.
fn promise_state<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Option<Array<'js>>> {
    let Some(promise) = value.into_promise() else {
        return Ok(None);
    };
    let state = Array::new(ctx.clone())?;
    let result = match promise.result::<Value<'js>>() {
        None => Value::new_undefined(ctx),
        Some(Ok(result)) => result,
        Some(Err(_)) => ctx.catch(),
    };
    let number = match promise.state() {
        PromiseState::Pending => 0,
        PromiseState::Resolved => 1,
        PromiseState::Rejected => 2,
    };
    state.set(0, number)?;
    state.set(1, result)?;
    Ok(Some(state))
}

/// The keys of an array's own properties that are texts but not its elements.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn named_keys<'js>(ctx: Ctx<'js>, object: Object<'js>, only_enumerable: bool) -> Result<Array<'js>> {
    let filter = Filter::new().string();
    let filter = if only_enumerable { filter.enum_only() } else { filter };
    let keys = Array::new(ctx)?;
    let mut count = 0;
    for key in object.own_keys::<Value<'js>>(filter) {
        let key = key?;
        if !is_index(&key) {
            keys.set(count, key)?;
            count += 1;
        }
    }
    Ok(keys)
}

fn is_index(key: &Value<'_>) -> bool {
    let Some(text) = key.as_string() else {
        return false;
    };
    // A text with half a surrogate pair is none of Rust's.
    let text = text.to_string().unwrap_or_default();
    let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        && (text == "0" || !text.starts_with('0'))
        && text.parse::<u64>().is_ok_and(|index| index < u64::from(u32::MAX))
}
