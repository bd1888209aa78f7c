//! One-time schedules in EventBridge Scheduler.

use aws_sdk_scheduler::error::SdkError;
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
        let input = serde_json::to_string(input).map_err(Error::cannot("write the input of a schedule"))?;
        let target = Target::builder().arn(&self.target_arn).role_arn(&self.role_arn).input(input).build();
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        let sent = self
            .client
            .create_schedule()
            .name(name)
            .group_name(&self.group)
            .schedule_expression(at(time))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window.map_err(Error::cannot("build a schedule"))?)
            .target(target.map_err(Error::cannot("build a schedule"))?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => Ok(()),
            Err(error) => Err(Error::new("create a schedule", error)),
        }
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

/// Writes `at(yyyy-mm-ddThh:mm:ss)`; Scheduler takes no fractions, so the next full second is the first that is not early.
fn at(time: Timestamp) -> String {
    let rounding = jiff::TimestampRound::new().smallest(jiff::Unit::Second).mode(jiff::RoundMode::Ceil);
    format!("at({})", time.round(rounding).unwrap_or(time).strftime("%Y-%m-%dT%H:%M:%S"))
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
}
