//! When a callback expires.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// The longest time after which a callback may expire: one year.
const LIFETIME_LIMIT_S: i64 = 365 * 24 * 3600;

/// After how many seconds a callback expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "i64")]
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

    /// Reads a lifetime in the action of a step, where a template may have turned the number into text.
    pub(crate) fn of_action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let seconds = match Value::deserialize(deserializer)? {
            Value::Null => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_i64(),
        };
        Self::try_from(seconds.unwrap_or_default()).map(Some).map_err(de::Error::custom)
    }
}

impl TryFrom<i64> for Lifetime {
    type Error = String;

    fn try_from(seconds: i64) -> Result<Self, String> {
        let is_in_range = (1..=LIFETIME_LIMIT_S).contains(&seconds);
        is_in_range
            .then_some(Self(seconds))
            .ok_or_else(|| format!("must be a whole number from 1 to {LIFETIME_LIMIT_S}"))
    }
}
