//! Calculations, as JavaScript does them: with floating-point numbers.

use serde_json::Value;

use super::super::input::{kind_of, whole_if_possible};
use super::super::render::Scene;
use super::Arguments;

/// Adds all.
pub(super) fn sum(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    fold(arguments, |sum, next| Ok(sum + next))
}

/// Subtracts all others from the first.
pub(super) fn subtract(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    fold(arguments, |rest, next| Ok(rest - next))
}

/// Multiplies all.
pub(super) fn multiply(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    fold(arguments, |product, next| Ok(product * next))
}

/// Divides the first by all others, one after the other.
pub(super) fn divide(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    fold(arguments, |quotient, next| if next == 0.0 { Err("cannot divide by zero") } else { Ok(quotient / next) })
}

/// Returns the remainder of a division, with the sign of the first.
pub(super) fn modulo(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    fold(arguments, |rest, next| if next == 0.0 { Err("cannot divide by zero") } else { Ok(rest % next) })
}

/// Rounds down.
pub(super) fn floor(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    written(number(arguments.first())?.floor())
}

/// Rounds up.
pub(super) fn ceil(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    written(number(arguments.first())?.ceil())
}

/// Rounds to the nearest whole number, and up from the middle.
pub(super) fn round(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let number = number(arguments.first())?;
    let below = number.floor();
    written(if number - below >= 0.5 { below + 1.0 } else { below })
}

fn fold(arguments: &Arguments<'_>, step: impl Fn(f64, f64) -> Result<f64, &'static str>) -> Result<Value, String> {
    let mut numbers = arguments.parameters.iter().map(|value| number(value));
    let first = numbers.next().unwrap_or(Ok(0.0))?;
    written(numbers.try_fold(first, |so_far, next| step(so_far, next?).map_err(str::to_owned))?)
}

fn number(value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| format!("takes numbers, not {}", kind_of(value)))
}

fn written(number: f64) -> Result<Value, String> {
    let number = serde_json::Number::from_f64(number).ok_or("makes a number that is too large")?;
    Ok(Value::Number(whole_if_possible(&number)))
}
