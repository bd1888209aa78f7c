//! Schedules in EventBridge Scheduler: one-time ones, and rates of whole minutes.

use aws_sdk_scheduler::error::SdkError;
use aws_sdk_scheduler::primitives::DateTime;
use aws_sdk_scheduler::types::{ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, Target};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::Aws;
use crate::config::Config;
use crate::error::Error;

/// Calls a function at a set time.
#[derive(Debug, Clone)]
pub struct Scheduler {
    client: aws_sdk_scheduler::Client,
    group: String,
    role_arn: String,
    target_arn: String,
}

impl Scheduler {
    /// Returns the scheduler of a function that calls itself later.
    ///
    /// Reads `SCHEDULE_GROUP`, `SCHEDULE_ROLE_ARN` and the function's own ARN from the variable `target`.
    pub fn new(aws: &Aws, config: &Config, target: &str) -> Result<Self, Error> {
        Ok(Self {
            client: aws.scheduler.clone(),
            group: config.required("SCHEDULE_GROUP")?.to_owned(),
            role_arn: config.required("SCHEDULE_ROLE_ARN")?.to_owned(),
            target_arn: config.required(target)?.to_owned(),
        })
    }

    /// Calls the function with `input` once at `time`, to the second; a time in the past fires at once.
    ///
    /// The name makes it idempotent: a schedule that exists under it already is left as it is. The schedule deletes
    /// itself after it has fired. Names take up to 64 letters, digits and `._-`.
    pub async fn run_at(&self, name: &str, time: Timestamp, input: &impl Serialize) -> Result<(), Error> {
        let (target, window) = self.target(input)?;
        let sent = self
            .client
            .create_schedule()
            .name(name)
            .group_name(&self.group)
            .schedule_expression(at(time))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window)
            .target(target)
            .action_after_completion(ActionAfterCompletion::Delete)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => Ok(()),
            Err(error) => Err(Error::new("create a schedule", error)),
        }
    }

    /// Calls the function with `input` at a rate; a schedule that exists under this name is replaced.
    pub async fn repeat(&self, name: &str, rate: &Rate, input: &impl Serialize) -> Result<(), Error> {
        let (target, window) = self.target(input)?;
        let sent = self
            .client
            .create_schedule()
            .name(name)
            .group_name(&self.group)
            .schedule_expression(rate.expression())
            .start_date(date(rate.start))
            .set_end_date(rate.end.map(date))
            .flexible_time_window(window.clone())
            .target(target.clone())
            .action_after_completion(ActionAfterCompletion::Delete)
            .send()
            .await;
        match sent {
            Ok(_) => return Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => {}
            Err(error) => return Err(Error::new("create a schedule", error)),
        }
        let update = self
            .client
            .update_schedule()
            .name(name)
            .group_name(&self.group)
            .schedule_expression(rate.expression())
            .start_date(date(rate.start))
            .set_end_date(rate.end.map(date))
            .flexible_time_window(window)
            .target(target)
            .action_after_completion(ActionAfterCompletion::Delete);
        update.send().await.map_err(Error::cannot("change a schedule"))?;
        Ok(())
    }

    fn target(&self, input: &impl Serialize) -> Result<(Target, FlexibleTimeWindow), Error> {
        let input = serde_json::to_string(input).map_err(Error::cannot("write the input of a schedule"))?;
        let target = Target::builder().arn(&self.target_arn).role_arn(&self.role_arn).input(input).build();
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        Ok((target.map_err(Error::cannot("build a schedule"))?, window.map_err(Error::cannot("build a schedule"))?))
    }

    /// Removes a schedule that has not fired; one that is gone already is fine.
    pub async fn cancel(&self, name: &str) -> Result<(), Error> {
        match self.client.delete_schedule().name(name).group_name(&self.group).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => Ok(()),
            Err(error) => Err(Error::new("delete a schedule", error)),
        }
    }
}

/// How often a schedule fires, from when and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The minutes from one time to the next.
    pub minutes: i64,
    /// The first time, which is not past for more than a few minutes.
    pub start: Timestamp,
    /// After which it does not fire any more, and deletes itself.
    pub end: Option<Timestamp>,
}

impl Rate {
    fn expression(&self) -> String {
        match self.minutes {
            1 => "rate(1 minute)".to_owned(),
            minutes => format!("rate({minutes} minutes)"),
        }
    }
}

/// Writes a date in whole seconds, none of which is early.
fn date(time: Timestamp) -> DateTime {
    DateTime::from_secs(full_second(time).as_second())
}

/// Writes `at(yyyy-mm-ddThh:mm:ss)`; Scheduler takes no fractions, so the next full second is the first that is not early.
fn at(time: Timestamp) -> String {
    format!("at({})", full_second(time).strftime("%Y-%m-%dT%H:%M:%S"))
}

fn full_second(time: Timestamp) -> Timestamp {
    let rounding = jiff::TimestampRound::new().smallest(jiff::Unit::Second).mode(jiff::RoundMode::Ceil);
    time.round(rounding).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_becomes_the_next_full_second() {
        let check = |time: &str, expected: &str| assert_eq!(at(time.parse().unwrap()), expected);
        check("2026-01-02T03:04:05Z", "at(2026-01-02T03:04:05)");
        check("2026-01-02T03:04:05.001Z", "at(2026-01-02T03:04:06)");
        check("2026-12-31T23:59:59.9Z", "at(2027-01-01T00:00:00)");
    }

    #[test]
    fn a_rate_is_written_in_minutes() {
        let start = "2026-01-02T03:04:05.001Z".parse().unwrap();
        let check = |minutes, expected: &str| {
            assert_eq!(Rate { minutes, start, end: None }.expression(), expected);
        };
        check(1, "rate(1 minute)");
        check(1440, "rate(1440 minutes)");
        assert_eq!(date(start), DateTime::from_secs(start.as_second() + 1));
    }
}
