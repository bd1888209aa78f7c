//! When a callback expires.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// The longest time after which a callback may expire: one year.
const LIFETIME_LIMIT_S: i64 = 365 * 24 * 3600;

/// After how many seconds a callback expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(minimum = 1, maximum = 31_536_000)]
pub(crate) struct Lifetime(i64);

/// The input of the schedule that fires when a callback expires.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deadline {
    /// The callback.
    pub(crate) expire: String,
    /// Its deadline when the schedule was created; a callback with another one does not expire by it.
    pub(crate) deadline_ms: i64,
}

impl Lifetime {
    /// Returns when something that is created now expires.
    pub(crate) fn from(self, now: Timestamp) -> Timestamp {
        now + SignedDuration::from_secs(self.0)
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = match Value::deserialize(deserializer)? {
            // A template has turned the number into text.
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_i64(),
        };
        let rule = || de::Error::custom(format!("must be a whole number from 1 to {LIFETIME_LIMIT_S}"));
        seconds.filter(|seconds| (1..=LIFETIME_LIMIT_S).contains(seconds)).map(Self).ok_or_else(rule)
    }
}
