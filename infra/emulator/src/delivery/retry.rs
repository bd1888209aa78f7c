//! How often and for how long a delivery is retried.

use std::ops::RangeInclusive;

use serde_json::Value;

/// How often and for how long a delivery is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// Attempts after the first one.
    pub(crate) retries: u32,
    /// How old it may be for another attempt; nothing if its age does not matter.
    pub(crate) max_age_s: Option<u32>,
}

impl RetryPolicy {
    /// Reads `MaximumRetryAttempts` and `MaximumEventAgeInSeconds`, with AWS's defaults and limits.
    pub(crate) fn parse(policy: &Value) -> Result<Self, String> {
        let number = |name: &str, range: RangeInclusive<u32>| {
            let value = match &policy[name] {
                Value::Null => Some(*range.end()),
                Value::String(text) => text.parse().ok(),
                value => value.as_u64().and_then(|value| u32::try_from(value).ok()),
            };
            value
                .filter(|value| range.contains(value))
                .ok_or_else(|| format!("{name} must be a number from {} to {}", range.start(), range.end()))
        };
        Ok(Self {
            retries: number("MaximumRetryAttempts", 0..=185)?,
            max_age_s: Some(number("MaximumEventAgeInSeconds", 60..=86_400)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_retry_policy_has_the_defaults_and_limits_of_aws() {
        let parse = |value| RetryPolicy::parse(&value).map(|p| (p.retries, p.max_age_s));
        assert_eq!(parse(json!(null)), Ok((185, Some(86_400))));
        let given = json!({"MaximumRetryAttempts": "3", "MaximumEventAgeInSeconds": 60});
        assert_eq!(parse(given), Ok((3, Some(60))));
        let error = parse(json!({"MaximumRetryAttempts": 186})).unwrap_err();
        assert_eq!(error, "MaximumRetryAttempts must be a number from 0 to 185");
        assert!(parse(json!({"MaximumEventAgeInSeconds": 59})).is_err());
    }
}
