//! When a callback expires.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::json::WholeNumber;

/// After how many seconds a callback expires: at most a year.
pub(crate) type Lifetime = WholeNumber<1, 31_536_000>;

/// The input of the schedule that fires when a callback expires.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deadline {
    /// The callback.
    pub(crate) expire: String,
    /// Its deadline when the schedule was created; a callback with another one does not expire by it.
    pub(crate) deadline_ms: i64,
}

/// Returns when something that is created now expires.
pub(crate) fn deadline(lifetime: Lifetime, now: Timestamp) -> Timestamp {
    now + SignedDuration::from_secs(lifetime.get())
}
