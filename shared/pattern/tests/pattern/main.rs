//! The event pattern language, from the outside.

mod arrays;
mod explained;
mod operators;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod overlap;
mod page;
mod properties;
mod refused;
mod remedies;

use pattern::Pattern;
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Compiles a pattern and asserts whether it matches an event; the explanation must agree.
#[track_caller]
fn check(pattern: &str, event: &str, expected: bool) {
    let compiled = Pattern::compile(&json(pattern)).unwrap_or_else(|error| panic!("{error} in {pattern}"));
    let event = json(event);
    assert_eq!(compiled.matches(&event), expected, "{pattern} on {event}");
    assert_eq!(compiled.explain(&event).is_none(), expected, "explaining {pattern} on {event}");
}
