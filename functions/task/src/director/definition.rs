//! A task as a body defines it, and the schedule that this becomes.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::Refusal;
use shared::clock::truncate;
use shared::json::{from_value, whole_number};

use super::timing::{Given, check_order};
use crate::schedule::timing::{LONGEST_INTERVAL_MS, Timing};
use crate::store::schedule::{Misfire, Overlap, Program, Schedule};

/// The longest argument of a script, as of any task.
const CONFIG_LIMIT_BYTES: usize = 250 * 1024;
/// How long all other fields may be. `DynamoDB` limits a record to 400 KB in all.
const EXTRA_LIMIT_BYTES: usize = 64 * 1024;
const ID_LIMIT_CHARACTERS: usize = 256;

/// A task as a body defines it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) id: Option<String>,
    pub(crate) script: String,
    config: String,
    running: bool,
    given: Given,
    cron: Option<(String, String)>,
    overlap: Overlap,
    misfire: Misfire,
    jitter_ms: i64,
    extra: Map<String, Value>,
}

impl Definition {
    /// Reads a body; `config` is the text of its field of that name, whose members keep their order.
    pub(crate) fn read(mut fields: Map<String, Value>, config: Option<&str>) -> Result<Self, Refusal> {
        let id = optional(&mut fields, "id", text("must be a text"))?;
        if let Some(id) = &id {
            check_id(id)?;
        }
        let script = optional(&mut fields, "script", text("must be a text"))?;
        let script = script.ok_or_else(|| Refusal::missing_field("script"))?;
        let running = optional(&mut fields, "running", flag)?.unwrap_or(false);
        match fields.remove("config") {
            Some(Value::Object(_)) => {}
            None => return Err(Refusal::missing_field("config")),
            Some(_) => return Err(Refusal::field("config", "must be an object")),
        }
        let config = config.unwrap_or("{}").to_owned();
        if config.len() > CONFIG_LIMIT_BYTES {
            return Err(Refusal::field("config", format!("must have at most {CONFIG_LIMIT_BYTES} bytes of JSON")));
        }
        let given = Given::read(&fields)?;
        let definition = Self {
            id,
            script,
            config,
            running,
            given,
            cron: cron(&fields, given)?,
            overlap: policy(&fields, "overlap")?,
            misfire: policy(&fields, "misfire")?,
            jitter_ms: jitter(&fields)?,
            extra: fields,
        };
        if shared::json::size_bytes(&definition.extra) > EXTRA_LIMIT_BYTES {
            let rule = format!("the fields besides `config` must have at most {EXTRA_LIMIT_BYTES} bytes of JSON");
            return Err(Refusal::too_large(rule));
        }
        Ok(definition)
    }

    /// Takes over the fields that the body does not have from the JSON file beside the script.
    ///
    /// A null means no `end`, and now for `init`; without an interval there is no task, so that null is none said.
    pub(crate) fn with_settings(self, settings: Given) -> Self {
        let Given { init, end, interval_ms } = self.given;
        let is_absent = |name: &str| !self.extra.contains_key(name);
        let given = Given {
            init: init.or(settings.init.filter(|_| is_absent("init"))),
            end: end.or(settings.end.filter(|_| is_absent("end"))),
            interval_ms: interval_ms.or(settings.interval_ms.filter(|_| self.cron.is_none())),
        };
        Self { given, ..self }
    }

    /// Makes a schedule one of this task, whose missing `init` is `now`.
    pub(crate) fn put_into(&self, schedule: &mut Schedule, now: Timestamp) -> Result<(), Refusal> {
        let Given { init, end, interval_ms } = self.given;
        schedule.timing = match (&self.cron, interval_ms) {
            (Some((expression, timezone)), _) => {
                Timing::Cron { expression: expression.clone(), timezone: timezone.clone() }
            }
            (None, Some(interval_ms)) => Timing::Interval { interval_ms },
            (None, None) => return Err(Refusal::missing_one_of(&["interval", "cron"])),
        };
        (schedule.init, schedule.end) = (init.unwrap_or_else(|| truncate(now)), end);
        if let Some(end) = end {
            check_order(schedule.init, end)?;
        }
        schedule.program = Program::Script { script: self.script.clone(), config: self.config.clone() };
        (schedule.overlap, schedule.misfire) = (self.overlap, self.misfire);
        (schedule.jitter_ms, schedule.running) = (self.jitter_ms, self.running);
        schedule.extra = Some(Value::Object(self.extra.clone()).to_string());
        Ok(schedule.instants()?.check_jitter(self.jitter_ms)?)
    }
}

/// Refuses what cannot be the id of a task.
pub(crate) fn check_id(id: &str) -> Result<(), Refusal> {
    let is_length = (1..=ID_LIMIT_CHARACTERS).contains(&id.chars().count());
    // A path cannot end in `.` or `..`, and keys have no control characters.
    match is_length && !id.contains('/') && !matches!(id, "." | "..") && !id.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(Refusal::field("id", format!("must have 1 to {ID_LIMIT_CHARACTERS} characters and no `/`"))),
    }
}

/// Takes a field out of an object; null is as good as absent.
fn optional<T>(
    fields: &mut Map<String, Value>,
    name: &str,
    parse: impl Fn(&Value) -> Result<T, &'static str>,
) -> Result<Option<T>, Refusal> {
    match fields.remove(name).filter(|value| !value.is_null()) {
        Some(value) => parse(&value).map(Some).map_err(|rule| Refusal::field(name, rule)),
        None => Ok(None),
    }
}

fn text(rule: &'static str) -> impl Fn(&Value) -> Result<String, &'static str> {
    move |value| value.as_str().map(str::to_owned).ok_or(rule)
}

fn flag(value: &Value) -> Result<bool, &'static str> {
    let of_text = |text: &str| text.trim().parse().ok();
    value.as_bool().or_else(|| of_text(value.as_str()?)).ok_or("must be true or false")
}

/// Reads a cron pattern with its time zone, which stands in place of an interval.
fn cron(fields: &Map<String, Value>, given: Given) -> Result<Option<(String, String)>, Refusal> {
    let read = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => text("must be a text")(value).map(Some).map_err(|rule| Refusal::field(name, rule)),
    };
    match (read("cron")?, read("timezone")?) {
        (Some(_), _) if given.interval_ms.is_some() => Err(Refusal::field("cron", "cannot be there beside `interval`")),
        (Some(cron), zone) => Ok(Some((cron, zone.unwrap_or_else(|| "UTC".to_owned())))),
        (None, Some(_)) => Err(Refusal::field("timezone", "needs `cron`")),
        (None, None) => Ok(None),
    }
}

fn policy<T: Default + for<'de> Deserialize<'de>>(fields: &Map<String, Value>, name: &str) -> Result<T, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => from_value(value.clone()).map_err(|problem| problem.within(name).into()),
    }
}

fn jitter(fields: &Map<String, Value>) -> Result<i64, Refusal> {
    match fields.get("jitter") {
        None | Some(Value::Null) => Ok(0),
        Some(value) => whole_number(value, 0, LONGEST_INTERVAL_MS).map_err(|rule| Refusal::field("jitter", rule)),
    }
}
