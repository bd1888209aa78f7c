//! Queues and the mappings that feed functions from them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::stack::{Function, Place, Stack};
use crate::delivery::RetryPolicy;
use crate::error::EmulatorError;

/// The largest batch that does not wait to be filled.
const BATCH_SIZE: u32 = 10;
/// The most invocations of one mapping at once, also of one that does not say.
const CONCURRENCY: u32 = 1000;

/// A queue as the template describes it.
pub(crate) struct Queue {
    pub(super) arn: String,
    visibility_timeout_s: u32,
    /// How often a message is received before it is a dead letter, and where that goes.
    redrive: Option<(u32, String)>,
}

/// A queue that feeds a function.
pub(crate) struct Feed {
    pub(crate) function: Arc<str>,
    batch_size: u32,
    concurrency: u32,
    visibility_timeout_s: u32,
    max_receives: u32,
}

impl Feed {
    /// How many messages are with the function at most.
    pub(crate) fn at_once(&self) -> usize {
        usize::try_from(self.batch_size.saturating_mul(self.concurrency)).unwrap_or(usize::MAX)
    }

    /// For how long a message that was received is hidden from further receives.
    pub(crate) fn visibility_timeout(&self) -> Duration {
        Duration::from_secs(self.visibility_timeout_s.into())
    }

    /// How often a message is received; it never gets too old here.
    pub(crate) fn retry(&self) -> RetryPolicy {
        RetryPolicy { retries: self.max_receives.saturating_sub(1), max_age_s: None }
    }
}

impl Queue {
    /// Reads the properties of a queue.
    pub(super) fn read(place: &Place<'_>, arn: String, properties: &Value) -> Result<Self, EmulatorError> {
        for name in ["FifoQueue", "DelaySeconds"] {
            if !properties[name].is_null() {
                return Err(place.error(name, "it is not supported here"));
            }
        }
        let visibility_timeout_s = number(place, properties, "VisibilityTimeout", 0..=43_200, Some(30))?;
        let policy = &properties["RedrivePolicy"];
        let redrive = match policy["deadLetterTargetArn"].as_str() {
            Some(target) => Some((number(place, policy, "maxReceiveCount", 1..=1000, None)?, target.to_owned())),
            None if policy.is_null() => None,
            None => return Err(place.error("RedrivePolicy", "deadLetterTargetArn is missing")),
        };
        Ok(Self { arn, visibility_timeout_s, redrive })
    }
}

impl Feed {
    /// Reads the properties of a mapping; returns the logical id of its queue, too.
    pub(super) fn read(place: &Place<'_>, properties: &Value, stack: &Stack) -> Result<(String, Self), EmulatorError> {
        for name in ["Enabled", "FilterCriteria", "MaximumBatchingWindowInSeconds"] {
            if !properties[name].is_null() {
                return Err(place.error(name, "it is not supported here"));
            }
        }
        let reported = properties["FunctionResponseTypes"].as_array();
        if !reported.is_some_and(|types| types.iter().any(|kind| kind == "ReportBatchItemFailures")) {
            return Err(place.error("FunctionResponseTypes", "without ReportBatchItemFailures no event fails alone"));
        }
        let arn = properties["EventSourceArn"].as_str().unwrap_or_default();
        let queue = stack.queue_of_arn(arn);
        let (id, queue) =
            queue.ok_or_else(|| place.error("EventSourceArn", format!("{arn} is not a queue of this template")))?;
        let name = properties["FunctionName"].as_str().unwrap_or_default();
        let function = stack.function_of(name);
        let (function, described) = function
            .ok_or_else(|| place.error("FunctionName", format!("{name} is not a function of this template")))?;
        let max_receives = check(place, id, queue, described, stack)?;
        let scaling = &properties["ScalingConfig"];
        let feed = Self {
            function: function.into(),
            batch_size: number(place, properties, "BatchSize", 1..=BATCH_SIZE, Some(BATCH_SIZE))?,
            concurrency: number(place, scaling, "MaximumConcurrency", 2..=CONCURRENCY, Some(CONCURRENCY))?,
            visibility_timeout_s: queue.visibility_timeout_s,
            max_receives,
        };
        Ok((id.to_owned(), feed))
    }
}

/// Checks a queue together with the function that it feeds, and returns how often a message is received.
fn check(place: &Place<'_>, id: &str, queue: &Queue, function: &Function, stack: &Stack) -> Result<u32, EmulatorError> {
    if queue.visibility_timeout_s < function.timeout_s {
        let problem = format!("the VisibilityTimeout of {id} is shorter than the Timeout of the function");
        return Err(place.error("EventSourceArn", problem));
    }
    let Some((max_receives, target)) = &queue.redrive else {
        let problem = format!("{id} has no RedrivePolicy, so that what fails would be lost in silence");
        return Err(place.error("EventSourceArn", problem));
    };
    if stack.queue_of_arn(target).is_none() {
        let problem = format!("the dead letters of {id} go to {target}, which is not a queue of this template");
        return Err(place.error("EventSourceArn", problem));
    }
    Ok(*max_receives)
}

/// A whole number within AWS's limits.
pub(super) fn number(
    place: &Place<'_>,
    properties: &Value,
    name: &str,
    range: RangeInclusive<u32>,
    default: Option<u32>,
) -> Result<u32, EmulatorError> {
    let value = match &properties[name] {
        Value::Null => default,
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|value| u32::try_from(value).ok()),
    };
    value
        .filter(|value| range.contains(value))
        .ok_or_else(|| place.error(name, format!("it must be a number from {} to {}", range.start(), range.end())))
}
