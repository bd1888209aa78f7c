//! Rules, and what they send events to.

use std::sync::Arc;

use pattern::Pattern;
use serde_json::Value;

use super::queue::Feed;
use super::stack::Place;
use crate::delivery::RetryPolicy;
use crate::error::EmulatorError;

/// A rule of a bus, with what it sends events to.
pub(crate) struct Rule {
    pub(crate) bus: String,
    pub(crate) pattern: Pattern,
    pub(crate) targets: Vec<RuleTarget>,
}

/// What a rule sends events to.
pub(crate) struct RuleTarget {
    /// Logical id of a function, or of a queue that feeds one.
    pub(crate) id: Arc<str>,
    /// JSON that replaces the event.
    pub(crate) input: Option<Arc<str>>,
    pub(crate) retry: RetryPolicy,
}

/// The name in a bus's name or resource name.
pub(crate) fn bus_name(name_or_arn: &str) -> &str {
    name_or_arn.rsplit_once("event-bus/").map_or(name_or_arn, |(_, name)| name)
}

/// Reads a target. What a queue that feeds a function has received it gives up by itself, and not as the rule says.
pub(super) fn rule_target(
    place: &Place<'_>,
    properties: &Value,
    id: &str,
    feed: Option<&Feed>,
) -> Result<RuleTarget, EmulatorError> {
    for name in ["InputPath", "InputTransformer"] {
        if !properties[name].is_null() {
            return Err(place.error(name, "only Input is supported here"));
        }
    }
    let input = match &properties["Input"] {
        Value::Null => None,
        Value::String(text) => {
            serde_json::from_str::<Value>(text).map_err(|e| place.error("Input", e))?;
            Some(Arc::from(text.as_str()))
        }
        _ => return Err(place.error("Input", "it must be a string of JSON")),
    };
    let retry = RetryPolicy::parse(&properties["RetryPolicy"]);
    let retry = retry.map_err(|problem| place.error("RetryPolicy", problem))?;
    Ok(RuleTarget { id: id.into(), input, retry: feed.map_or(retry, Feed::retry) })
}
