//! The input of a run against the declaration of its action.
//!
//! What is declared is checked; what is not declared is sent as it is given. In parameters, query and headers everything
//! becomes text, so that a number can be written as one there, and a text as a number.

mod check;
mod flat;
#[cfg(test)]
mod tests;
mod value;

use serde_json::{Map, Value};

use self::check::Check;
use crate::app::{Action, DecoratorPosition, Field};
use crate::failure::Violation;
use crate::input::Input;

/// A part of an input, as its selectors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Body,
    Query,
    Params,
    Header,
}

impl Part {
    const ALL: [Self; 4] = [Self::Body, Self::Params, Self::Query, Self::Header];

    /// How a flat input says that a field belongs here.
    fn prefix(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Query => "query",
            Self::Params => "params",
            Self::Header => "headers",
        }
    }

    /// The name of its selectors.
    fn selector(self) -> &'static str {
        match self {
            Self::Body => "$Body",
            Self::Query => "$Query",
            Self::Params => "$Params",
            Self::Header => "$Header",
        }
    }

    /// Whether everything in it becomes text.
    fn is_text(self) -> bool {
        self != Self::Body
    }

    /// What the action declares for it.
    fn fields(self, action: &Action) -> &[Field] {
        match self {
            Self::Body => &action.body,
            Self::Query => &action.query,
            Self::Params => &action.params,
            Self::Header => &action.headers,
        }
    }

    /// Whether two names are of the same field.
    fn is_same(self, left: &str, right: &str) -> bool {
        left == right || (self == Self::Header && left.eq_ignore_ascii_case(right))
    }
}

/// Sorts a flat input into the four parts by what the action declares; `body:x`, `params:x`, `query:x` and `headers:x`
/// say where themselves.
pub(crate) fn structured(action: &Action, flat: Map<String, Value>) -> Result<Input, Vec<Violation>> {
    flat::structured(action, flat)
}

/// Adds defaults and checks the input as far as its values are known: what still has placeholders is left to
/// [`checked_values`].
pub(crate) fn checked(action: &Action, input: Input) -> Result<Input, Vec<Violation>> {
    Check::new(action, false).input(input)
}

/// Checks an input whose placeholders are resolved: whatever its texts look like, they are values now.
pub(crate) fn checked_values(action: &Action, input: Input) -> Result<Input, Vec<Violation>> {
    Check::new(action, true).input(input)
}

/// Joins the decorators of the declaration to the values that are sent.
pub(crate) fn decorated(action: &Action, mut input: Input) -> Input {
    decorate(Part::Query, &action.query, &mut input.query);
    decorate(Part::Params, &action.params, &mut input.params);
    decorate(Part::Header, &action.headers, &mut input.headers);
    if let Value::Object(body) = &mut input.body {
        decorate(Part::Body, &action.body, body);
    }
    input
}

fn decorate(part: Part, fields: &[Field], values: &mut Map<String, Value>) {
    for field in fields {
        let found = values.iter_mut().find(|(name, _)| part.is_same(name, &field.key));
        if let Some((_, value)) = found {
            decorate_value(part, field, value);
        }
    }
}

fn decorate_value(part: Part, field: &Field, value: &mut Value) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter_mut().for_each(|item| decorate_value(part, field, item)),
        Value::Object(members) => decorate(part, &field.fields, members),
        scalar if !field.decorator.is_empty() => {
            let text = scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
            *scalar = match field.decorator_position {
                DecoratorPosition::Before => format!("{} {text}", field.decorator.trim_end()).into(),
                DecoratorPosition::After => format!("{text} {}", field.decorator.trim_start()).into(),
            };
        }
        _ => {}
    }
}
