//! The body that creates or changes a schedule of a function, and the rules of its fields.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::Refusal;
use shared::json::{Problem, WholeNumber, from_value};

use crate::function_body::check_name;
use crate::new_task::{check_data, check_tags, time};
use crate::schedule::timing::{LONGEST_INTERVAL_MS, Timing};
use crate::store::schedule::{Misfire, Overlap, Program, Schedule};
use crate::store::task::Priority;

/// An interval in seconds.
type Seconds = WholeNumber<1, { LONGEST_INTERVAL_MS / 1_000 }>;
/// Any other span of time, in its own unit.
type Span = WholeNumber<0, LONGEST_INTERVAL_MS>;

/// A new schedule, or changes to one, where absent fields stay as they are and null removes one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleBody {
    /// The function that its tasks run.
    pub(crate) function_name: Option<String>,
    /// Seconds from one instant to the next. Either this or `cron` is required.
    #[schema(value_type = Option<u64>)]
    interval: Option<Seconds>,
    /// A cron pattern, with five fields, six with seconds, seven with years, or a nickname such as `@daily`.
    cron: Option<String>,
    /// The IANA time zone of the pattern; UTC unless given.
    timezone: Option<String>,
    /// The input of its tasks.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
    /// The priority of its tasks; by default that of the function.
    #[schema(value_type = Option<i64>)]
    priority: Option<Priority>,
    /// The tags of its tasks.
    tags: Option<Vec<String>>,
    /// The first instant, as a time or as milliseconds since 1970; if absent, one interval from now.
    #[serde(default, deserialize_with = "time")]
    #[schema(value_type = Option<String>)]
    start_timestamp: Option<Timestamp>,
    /// All instants are before it, and after it the schedule is gone.
    #[serde(default, deserialize_with = "time")]
    #[schema(value_type = Option<String>)]
    end_timestamp: Option<Timestamp>,
    /// What becomes of an instant while the last task has not ended: `skip` unless given.
    overlap_policy: Option<Overlap>,
    /// What becomes of instants that could not be handled in time: `skip` unless given.
    misfire_policy: Option<Misfire>,
    /// Up to how many seconds each task starts later.
    #[schema(value_type = Option<u64>)]
    jitter_seconds: Option<Span>,
    /// The same in milliseconds.
    #[schema(value_type = Option<u64>)]
    jitter_ms: Option<Span>,
    /// Whether its instants start tasks; `true` unless given.
    running: Option<bool>,
}

impl ScheduleBody {
    /// Returns what a body makes of a schedule.
    pub(crate) fn changed(schedule: &Schedule, body: Map<String, Value>) -> Result<Self, Refusal> {
        let mut fields = fields_of(schedule);
        // One of a kind replaces the other.
        let alternatives = [("interval", "cron"), ("interval", "timezone"), ("cron", "interval")];
        let jitters = [("jitterSeconds", "jitterMs")];
        for (given, replaced) in alternatives.into_iter().chain(jitters) {
            if body.get(given).is_some_and(|value| !value.is_null()) {
                fields.remove(replaced);
            }
        }
        fields.extend(body);
        Ok(from_value(Value::Object(fields))?)
    }

    /// Checks the fields and puts them into a schedule.
    pub(crate) fn put_into(self, schedule: &mut Schedule, now: Timestamp) -> Result<(), Refusal> {
        let function_name = self.function_name.ok_or_else(|| Refusal::missing_field("functionName"))?;
        check_name("functionName", &function_name)?;
        let data = Value::Object(self.data.unwrap_or_default()).to_string();
        check_data(&data)?;
        let tags = self.tags.unwrap_or_default();
        check_tags(&tags)?;
        schedule.timing = timing(self.interval, self.cron, self.timezone)?;
        schedule.init = self.start_timestamp.unwrap_or(schedule.creation_timestamp);
        schedule.end = self.end_timestamp;
        if schedule.end.is_some_and(|end| end <= now) {
            return Err(Refusal::field("endTimestamp", "must be in the future"));
        }
        if schedule.end.is_some_and(|end| end <= schedule.init) {
            return Err(Refusal::field("endTimestamp", "must be after `startTimestamp`"));
        }
        schedule.program = Program::Function { function_name, data, priority: self.priority.map(Priority::get), tags };
        schedule.overlap = self.overlap_policy.unwrap_or_default();
        schedule.misfire = self.misfire_policy.unwrap_or_default();
        schedule.running = self.running.unwrap_or(true);
        let (field, jitter_ms) = match (self.jitter_seconds, self.jitter_ms) {
            (Some(_), Some(_)) => return Err(Refusal::field("jitterMs", "cannot be given beside `jitterSeconds`")),
            (Some(seconds), None) => ("jitterSeconds", seconds.get().saturating_mul(1_000)),
            (None, milliseconds) => ("jitterMs", milliseconds.map_or(0, Span::get)),
        };
        schedule.jitter_ms = jitter_ms;
        let instants = schedule.instants()?;
        if schedule.end.is_some() && instants.next(now).is_none() {
            return Err(Refusal::field("endTimestamp", "must leave an instant: the next one would come after it"));
        }
        let jitter = instants.check_jitter(jitter_ms);
        jitter.map_err(|problem| Refusal::field(field, rule_of(&problem)))
    }
}

/// The rule of a problem with one field, without the field.
fn rule_of(problem: &Problem) -> String {
    let text = problem.to_string();
    text.split_once("` ").map_or(text.clone(), |(_, rule)| rule.to_owned())
}

fn timing(interval: Option<Seconds>, cron: Option<String>, timezone: Option<String>) -> Result<Timing, Refusal> {
    match (interval, cron) {
        (Some(_), Some(_)) => Err(Refusal::field("cron", "cannot be given beside `interval`")),
        (None, None) => Err(Refusal::missing_one_of(&["interval", "cron"])),
        (Some(_), None) if timezone.is_some() => Err(Refusal::field("timezone", "needs `cron`")),
        (Some(interval), None) => Ok(Timing::Interval { interval_ms: interval.get() * 1_000 }),
        (None, Some(expression)) => {
            Ok(Timing::Cron { expression, timezone: timezone.unwrap_or_else(|| "UTC".to_owned()) })
        }
    }
}

/// Writes a schedule as the body that creates it.
fn fields_of(schedule: &Schedule) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Program::Function { function_name, data, priority, tags } = &schedule.program {
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        let program = [("functionName", json!(function_name)), ("data", data), ("priority", json!(priority))];
        fields.extend(program.map(|(name, value)| (name.to_owned(), value)));
        fields.insert("tags".to_owned(), json!(tags));
    }
    let timing = match &schedule.timing {
        Timing::Interval { interval_ms } => vec![("interval", json!(interval_ms / 1_000))],
        Timing::Cron { expression, timezone } => vec![("cron", json!(expression)), ("timezone", json!(timezone))],
    };
    let others = [
        ("startTimestamp", json!(schedule.init.as_millisecond())),
        ("endTimestamp", json!(schedule.end.map(Timestamp::as_millisecond))),
        ("overlapPolicy", json!(schedule.overlap)),
        ("misfirePolicy", json!(schedule.misfire)),
        ("jitterMs", json!(schedule.jitter_ms)),
        ("running", json!(schedule.running)),
    ];
    fields.extend(timing.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value)));
    fields
}
