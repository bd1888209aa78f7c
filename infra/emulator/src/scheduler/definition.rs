//! A schedule's definition: validated once, stored as JSON.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::expression::Expression;
use crate::arn::{ACCOUNT, REGION, arn, random_id};
use crate::clock::time_text;
use crate::delivery::RetryPolicy;
use crate::template::Stack;

/// Longest `Target.Input`.
const MAX_INPUT_BYTES: usize = 256 * 1024;

/// A schedule in the API's terms.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Definition {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default = "default_group")]
    pub(crate) group_name: String,
    schedule_expression: String,
    #[serde(default = "utc")]
    schedule_expression_timezone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_date: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_date: Option<Date>,
    #[serde(default)]
    pub(crate) state: State,
    #[serde(default)]
    pub(crate) action_after_completion: AfterCompletion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key_arn: Option<String>,
    flexible_time_window: Value,
    pub(crate) target: Target,
    /// Identifies a repeated request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_token: Option<String>,
    /// Whether the template registered it, and removes it.
    #[serde(default)]
    pub(crate) from_template: bool,
    #[serde(default)]
    creation_date: f64,
    #[serde(default)]
    last_modification_date: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    #[default]
    Enabled,
    Disabled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AfterCompletion {
    #[default]
    None,
    Delete,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Target {
    pub(crate) arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
    /// What is only stored and returned: role, retry policy, dead-letter queue.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// A date: seconds in the API, text in a template.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Date {
    Seconds(f64),
    Text(Timestamp),
}

fn default_group() -> String {
    "default".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

/// The parsed parts of a definition.
pub(crate) struct Plan {
    expression: Expression,
    zone: TimeZone,
    start: Timestamp,
    end: Option<Timestamp>,
    pub(crate) retry: RetryPolicy,
    /// Logical id of the function.
    pub(crate) function: String,
}

impl Definition {
    /// Reads a request, or a template's properties; the error is AWS's message.
    pub(crate) fn read(request: Value, now: Timestamp) -> Result<Self, String> {
        let mut definition: Self = serde_json::from_value(request).map_err(|error| error.to_string())?;
        for date in [&mut definition.start_date, &mut definition.end_date] {
            if let Some(time) = date.as_ref().map(Date::time).transpose()? {
                *date = Some(Date::Seconds(seconds(time)));
            }
        }
        definition.creation_date = seconds(now);
        definition.last_modification_date = seconds(now);
        if !is_name(&definition.name) {
            return Err("Name must have 1 to 64 letters, digits, \"-\", \"_\" or \".\"".to_owned());
        }
        definition.check_input()?;
        match definition.flexible_time_window["Mode"].as_str() {
            Some("OFF" | "FLEXIBLE") => Ok(definition),
            _ => Err("FlexibleTimeWindow.Mode must be OFF or FLEXIBLE".to_owned()),
        }
    }

    fn check_input(&self) -> Result<(), String> {
        let Some(input) = &self.target.input else {
            return Ok(());
        };
        if input.len() > MAX_INPUT_BYTES {
            return Err(format!("Target.Input must not be longer than {MAX_INPUT_BYTES} bytes"));
        }
        if input.contains("<aws.scheduler.attempt-number>") {
            return Err("Target.Input uses the attempt number, which is not supported here".to_owned());
        }
        match serde_json::from_str::<Value>(input) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("Target.Input must be JSON for a function: {error}")),
        }
    }

    /// Interprets the definition.
    pub(crate) fn plan(&self, stack: &Stack) -> Result<Plan, String> {
        let expression = Expression::parse(&self.schedule_expression)
            .map_err(|problem| format!("Invalid Schedule Expression {}: {problem}", self.schedule_expression))?;
        let zone = TimeZone::get(&self.schedule_expression_timezone)
            .map_err(|_| format!("Invalid timezone {}", self.schedule_expression_timezone))?;
        let created = time(self.creation_date)?;
        let start = self.start_date.as_ref().map(Date::time).transpose()?;
        let end = self.end_date.as_ref().map(Date::time).transpose()?;
        let function = stack
            .function_of_arn(&self.target.arn)
            .ok_or_else(|| format!("Target.Arn {} is not a function of this template", self.target.arn))?;
        let retry = self.target.other.get("RetryPolicy").unwrap_or(&Value::Null);
        Ok(Plan {
            expression,
            zone,
            start: start.map_or(created, |start| start.max(created)),
            end,
            retry: RetryPolicy::parse(retry)?,
            function: function.to_owned(),
        })
    }

    /// Keeps what an update must not change.
    pub(crate) fn replace(&mut self, old: &Self) {
        self.creation_date = old.creation_date;
    }

    /// Whether both are equal apart from their dates and tokens.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let compared = |definition: &Self| {
            let mut compared = definition.clone();
            (compared.creation_date, compared.last_modification_date) = (0.0, 0.0);
            compared.client_token = None;
            json!(compared)
        };
        compared(self) == compared(other)
    }

    /// The answer of `GetSchedule`.
    pub(crate) fn described(&self) -> Value {
        let mut answer = json!(self);
        answer["Arn"] = self.arn().into();
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("ClientToken");
            answer.remove("FromTemplate");
        }
        answer
    }

    /// One entry of `ListSchedules`.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "Arn": self.arn(),
            "Name": self.name,
            "GroupName": self.group_name,
            "State": self.state,
            "CreationDate": self.creation_date,
            "LastModificationDate": self.last_modification_date,
            "Target": {"Arn": self.target.arn},
        })
    }

    pub(crate) fn arn(&self) -> String {
        arn("scheduler", &format!("schedule/{}/{}", self.group_name, self.name))
    }

    /// The event that its function receives for an instant.
    pub(crate) fn event(&self, instant: Timestamp) -> String {
        let time = time_text(instant);
        let Some(input) = &self.target.input else {
            return json!({
                "version": "0",
                "id": random_id(),
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": ACCOUNT,
                "time": time,
                "region": REGION,
                "resources": [self.arn()],
                "detail": "{}",
            })
            .to_string();
        };
        if !input.contains("<aws.scheduler.") {
            return input.clone();
        }
        input
            .replace("<aws.scheduler.schedule-arn>", &self.arn())
            .replace("<aws.scheduler.scheduled-time>", &time)
            .replace("<aws.scheduler.execution-id>", &random_id())
    }
}

impl Plan {
    /// The first instant of a schedule that was created or changed at `now`.
    pub(crate) fn first(&self, now: Timestamp) -> Option<Timestamp> {
        let first = match self.expression {
            Expression::At(_) => return self.expression.first(now, &self.zone),
            Expression::Rate(_) if self.start < now => self.expression.next(now, self.start, &self.zone),
            _ => self.expression.first(self.start.max(now), &self.zone),
        };
        first.filter(|first| self.is_within(*first))
    }

    /// The next instant after `now`; instants missed before it are skipped.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.expression.next(now, self.start, &self.zone);
        next.filter(|next| self.is_within(*next))
    }

    fn is_within(&self, instant: Timestamp) -> bool {
        self.end.is_none_or(|end| instant <= end)
    }
}

impl Date {
    fn time(&self) -> Result<Timestamp, String> {
        match self {
            Self::Seconds(seconds) => time(*seconds),
            Self::Text(time) => Ok(*time),
        }
    }
}

/// Whether a text can name a schedule or a group.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

fn time(seconds: f64) -> Result<Timestamp, String> {
    SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration).map_err(|error| error.to_string())
}

/// Seconds with a fraction of milliseconds, as AWS's JSON has them.
fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}
