//! `and`, `or`, `not` and the comparisons.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::input::kind_of;
use super::super::render::Scene;
use super::{Arguments, is_truthy};

/// Tells whether all are true.
pub(super) fn and(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    Ok(arguments.parameters.iter().all(|value| is_truthy(value, false)).into())
}

/// Tells whether one of them is true.
pub(super) fn or(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    Ok(arguments.parameters.iter().any(|value| is_truthy(value, false)).into())
}

/// Tells whether it is false.
pub(super) fn not(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    Ok((!is_truthy(arguments.first(), false)).into())
}

/// Tells whether both are equal.
pub(super) fn eq(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    Ok(are_equal(arguments.first(), arguments.second()).into())
}

/// Tells whether they differ.
pub(super) fn ne(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    Ok((!are_equal(arguments.first(), arguments.second())).into())
}

/// Tells whether the first is greater.
pub(super) fn gt(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    ordered(arguments, Ordering::is_gt)
}

/// Tells whether the first is greater or both are equal.
pub(super) fn ge(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    ordered(arguments, Ordering::is_ge)
}

/// Tells whether the first is less.
pub(super) fn lt(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    ordered(arguments, Ordering::is_lt)
}

/// Tells whether the first is less or both are equal.
pub(super) fn le(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    ordered(arguments, Ordering::is_le)
}

/// Tells whether two values are equal; numbers are by their value, however they are written.
pub(super) fn are_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| are_equal(one, other))
        }
        (one, other) => one == other,
    }
}

/// Compares two numbers or two texts; what is not given is neither greater nor less than anything.
fn ordered(arguments: &Arguments<'_>, is: impl Fn(Ordering) -> bool) -> Result<Value, String> {
    let ordering = match (arguments.first(), arguments.second()) {
        (Value::Null, _) | (_, Value::Null) => return Ok(false.into()),
        (Value::Number(one), Value::Number(other)) => {
            let whole = one.as_i64().zip(other.as_i64()).map(|(one, other)| one.cmp(&other));
            whole.or_else(|| one.as_f64()?.partial_cmp(&other.as_f64()?))
        }
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (one, other) => {
            return Err(format!("compares two numbers or two texts, not {} with {}", kind_of(one), kind_of(other)));
        }
    };
    Ok(ordering.is_some_and(is).into())
}
