//! The body that creates or changes a job, and the rules of its fields.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::Refusal;
use shared::event::command::RETRIES_LIMIT;
use shared::json::{WholeNumber, from_value};

use crate::new_task::time;
use crate::schedule::timing::{LONGEST_INTERVAL_MS, Timing};
use crate::store::schedule::{Job, Misfire, Overlap, Program, Schedule};

/// The most bytes of the fields of the action, as JSON: they go into a command, and into the record beside the answer.
const FIELDS_LIMIT_BYTES: usize = 100 * 1024;
/// The interval of a job that runs once: so long that there is no second instant, and not whole minutes.
const SINGLE_INTERVAL_MS: i64 = LONGEST_INTERVAL_MS - 1;

/// Milliseconds between two runs.
type Every = WholeNumber<1_000, { LONGEST_INTERVAL_MS - 1 }>;
/// A number of runs.
type Limit = WholeNumber<1, 1_000_000_000>;
/// A number of retries.
type Retries = WholeNumber<0, { RETRIES_LIMIT as i64 }>;

/// A new job, or changes to one, where absent fields stay as they are and null removes one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct JobBody {
    /// The environment of the product.
    env: Option<String>,
    /// The product.
    product_tag: Option<String>,
    /// The access tag of the app.
    app: Option<String>,
    /// The action of the app.
    event: Option<String>,
    /// The cache that may have the answer.
    cache: Option<String>,
    /// `query`, `params`, `body` and `headers` of the request.
    #[schema(value_type = Option<Object>)]
    input: Option<Map<String, Value>>,
    /// The session: its `tag` and `token`, or both as `tag:token`.
    #[schema(value_type = Option<Object>)]
    session: Option<Value>,
    /// How often a run is tried again.
    #[schema(value_type = Option<u64>)]
    retries: Option<Retries>,
    /// The product, as it is spelt elsewhere.
    product: Option<String>,
    /// The action of the app, as it is spelt elsewhere.
    action: Option<String>,
    /// When it runs; once and at once if absent.
    schedule: Option<JobSchedule>,
}

/// When a job runs.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct JobSchedule {
    /// When it runs, or when its instants begin: a time, or milliseconds since 1970.
    #[serde(default, deserialize_with = "time")]
    #[schema(value_type = Option<String>)]
    start_at: Option<Timestamp>,
    /// A cron pattern, with five fields, six with seconds, seven with years, or a nickname such as `@daily`.
    cron: Option<String>,
    /// Milliseconds between two runs.
    #[schema(value_type = Option<u64>)]
    every: Option<Every>,
    /// How many runs it starts at most.
    #[schema(value_type = Option<u64>)]
    limit: Option<Limit>,
    /// All runs start before it: a time, or milliseconds since 1970.
    #[serde(default, rename = "endDate", deserialize_with = "time")]
    #[schema(value_type = Option<String>)]
    end_date: Option<Timestamp>,
    /// The IANA time zone of the pattern; UTC unless given.
    tz: Option<String>,
}

impl JobBody {
    /// Returns what a body makes of a job.
    pub(crate) fn changed(job: &Schedule, mut body: Map<String, Value>) -> Result<Self, Refusal> {
        let mut fields = fields_of(job);
        for (other, field) in [("product", "product_tag"), ("action", "event")] {
            if body.get(other).is_some_and(|value| !value.is_null()) && !body.contains_key(field) {
                fields.remove(field);
            }
        }
        let schedule = body.remove("schedule");
        fields.extend(body);
        fields.extend(schedule.map(|schedule| ("schedule".to_owned(), schedule)));
        Ok(from_value(Value::Object(fields))?)
    }

    /// Checks the fields and puts them into a job; its schedule stays as it is unless the body has one or it is new.
    pub(crate) fn put_into(self, job: &mut Schedule, now: Timestamp) -> Result<(), Refusal> {
        let is_new = job.job.is_none();
        let schedule = match (self.schedule, is_new) {
            (None, true) => Some(JobSchedule::default()),
            (schedule, _) => schedule,
        };
        let product_tag = one_of(("product_tag", self.product_tag), ("product", self.product))?;
        let event = one_of(("event", self.event), ("action", self.action))?;
        let mut fields = Map::new();
        for (name, value) in [("env", self.env), ("product_tag", product_tag), ("app", self.app), ("event", event)] {
            let value = value.ok_or_else(|| Refusal::missing_field(name))?;
            check_tag(name, &value)?;
            fields.insert(name.to_owned(), json!(value));
        }
        if let Some(cache) = self.cache {
            check_tag("cache", &cache)?;
            fields.insert("cache".to_owned(), json!(cache));
        }
        fields.insert("input".to_owned(), Value::Object(self.input.unwrap_or_default()));
        if let Some(session) = self.session {
            check_session(&session)?;
            fields.insert("session".to_owned(), session);
        }
        fields.extend(self.retries.map(|retries| ("retries".to_owned(), json!(retries.get()))));
        let fields = Value::Object(fields).to_string();
        if fields.len() > FIELDS_LIMIT_BYTES {
            let rule =
                format!("must have, with the other fields of the action, at most {FIELDS_LIMIT_BYTES} bytes of JSON");
            return Err(Refusal::field("input", rule));
        }
        job.program = Program::Action { fields };
        match schedule {
            Some(schedule) => schedule.put_into(job, now),
            None => Ok(()),
        }
    }
}

impl JobSchedule {
    /// Checks when a job runs and puts that into it; its runs are counted anew.
    fn put_into(self, job: &mut Schedule, now: Timestamp) -> Result<(), Refusal> {
        let timing = match (self.every, self.cron) {
            (Some(_), Some(_)) => return Err(Refusal::field("schedule.cron", "cannot be given beside `every`")),
            (Some(every), None) => Some(Timing::Interval { interval_ms: every.get() }),
            (None, Some(expression)) => {
                Some(Timing::Cron { expression, timezone: self.tz.clone().unwrap_or_else(|| "UTC".to_owned()) })
            }
            (None, None) => None,
        };
        if self.tz.is_some() && !matches!(timing, Some(Timing::Cron { .. })) {
            return Err(Refusal::field("schedule.tz", "needs `cron`"));
        }
        let is_single = timing.is_none();
        for (name, is_given) in [("limit", self.limit.is_some()), ("endDate", self.end_date.is_some())] {
            if is_single && is_given {
                return Err(Refusal::field(&format!("schedule.{name}"), "needs `every` or `cron`"));
            }
        }
        if self.end_date.is_some_and(|end| end <= now || self.start_at.is_some_and(|start| end <= start)) {
            return Err(Refusal::field("schedule.endDate", "must be in the future, and after `start_at`"));
        }
        let limit = if is_single { Some(1) } else { self.limit.map(|limit| limit.get().unsigned_abs()) };
        let is_new = job.job.is_none();
        job.job = Some(Job { is_single, limit, ..Job::default() });
        job.timing = timing.unwrap_or(Timing::Interval { interval_ms: SINGLE_INTERVAL_MS });
        (job.overlap, job.jitter_ms, job.end) = (Overlap::Skip, 0, self.end_date);
        // One that is due while nothing runs is made up for only if it is the only one.
        job.misfire = if is_single { Misfire::Once } else { Misfire::Skip };
        job.init = match self.start_at {
            Some(start) if !is_single || start > now => start,
            None if !is_single => self.every.as_ref().map_or(now, |every| after(now, every.get())),
            _ if is_new => now,
            _ => soon(now),
        };
        if is_new {
            // A run at once is one at this moment.
            job.settled_until = if is_single { before(now) } else { now };
        }
        match job.instants() {
            Ok(_) => Ok(()),
            Err(problem) => {
                let text = problem.to_string();
                let (field, rule) = text.split_once("` ").unwrap_or(("`cron", text.as_str()));
                let field = match field.trim_start_matches('`') {
                    "timezone" => "tz",
                    "end" => "endDate",
                    field => field,
                };
                Err(Refusal::field(&format!("schedule.{field}"), rule))
            }
        }
    }
}

/// The first moment after all that a change settles.
pub(crate) fn soon(now: Timestamp) -> Timestamp {
    after(now, 1)
}

fn after(time: Timestamp, span_ms: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_millis(span_ms)).unwrap_or(time)
}

fn before(now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_millis(1)).unwrap_or(now)
}

fn one_of(
    (name, value): (&str, Option<String>),
    (other, other_value): (&str, Option<String>),
) -> Result<Option<String>, Refusal> {
    match (value, other_value) {
        (Some(_), Some(_)) => Err(Refusal::field(other, format!("cannot be given beside `{name}`"))),
        (value, other_value) => Ok(value.or(other_value)),
    }
}

/// The most characters of a tag.
const TAG_LIMIT_CHARACTERS: usize = 256;

fn check_tag(name: &str, tag: &str) -> Result<(), Refusal> {
    match (1..=TAG_LIMIT_CHARACTERS).contains(&tag.chars().count()) && !tag.trim().is_empty() {
        true => Ok(()),
        false => Err(Refusal::field(name, format!("must have 1 to {TAG_LIMIT_CHARACTERS} characters"))),
    }
}

fn check_session(session: &Value) -> Result<(), Refusal> {
    let is_session = match session {
        Value::String(text) => text.split_once(':').is_some_and(|(tag, token)| !tag.is_empty() && !token.is_empty()),
        Value::Object(fields) => {
            fields.len() == 2 && ["tag", "token"].iter().all(|name| fields.get(*name).is_some_and(Value::is_string))
        }
        _ => false,
    };
    match is_session {
        true => Ok(()),
        false => Err(Refusal::field("session", "must be an object with `tag` and `token`, or a text `tag:token`")),
    }
}

/// Reads the fields of a job's action.
pub(crate) fn fields_of(job: &Schedule) -> Map<String, Value> {
    match &job.program {
        Program::Action { fields } => serde_json::from_str(fields).unwrap_or_default(),
        _ => Map::new(),
    }
}
