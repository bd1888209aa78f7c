//! The health of apps: probes, and what they have found.

pub(crate) mod sweep;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::HealthCheck;
use crate::failure::FailureType;

/// Over how many probes the average latency is taken, the older ones counting less and less.
const AVERAGED: f64 = 20.0;

/// Whether the probes of an app get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AppHealthStatus)]
pub(crate) enum HealthStatus {
    /// The last one did, or too few in a row have not.
    Available,
    /// Too many in a row have not.
    Unavailable,
}

/// What the probes at one place have found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Health {
    /// Whether they get through; unknown before the first has ended.
    pub(crate) status: Option<HealthStatus>,
    /// When the status changed.
    pub(crate) since: Option<Timestamp>,
    /// How many in a row have not.
    pub(crate) failures: u32,
    /// What the last failure was.
    pub(crate) last_error: Option<FailureType>,
    /// When the last one got through.
    pub(crate) last_available: Option<Timestamp>,
    /// When the last one ended.
    pub(crate) last_checked: Option<Timestamp>,
    /// How long the last one took that got through, in milliseconds.
    pub(crate) last_latency_ms: Option<u64>,
    /// How long they take on average, in milliseconds.
    pub(crate) average_latency_ms: Option<f64>,
    /// The interval, counted from 1970, whose probe was begun last.
    pub(crate) slot: i64,
    /// Whether the change of the status is still to be published.
    pub(crate) is_untold: bool,
}

impl Health {
    /// Returns it with the probe of this time begun, or `None` if that was begun before.
    pub(crate) fn begun(&self, check: &HealthCheck, now: Timestamp) -> Option<Self> {
        let interval_ms = i64::try_from(check.interval).unwrap_or(i64::MAX).max(1);
        let slot = now.as_millisecond().div_euclid(interval_ms);
        (slot != self.slot).then(|| Self { slot, ..self.clone() })
    }

    /// Returns it after a probe.
    pub(crate) fn after(&self, check: &HealthCheck, found: Result<u64, FailureType>, now: Timestamp) -> Self {
        let mut health = Self { last_checked: Some(now), ..self.clone() };
        let status = match found {
            Ok(latency_ms) => {
                (health.failures, health.last_available) = (0, Some(now));
                health.last_latency_ms = Some(latency_ms);
                let latency = f64::from(u32::try_from(latency_ms).unwrap_or(u32::MAX));
                let average = self.average_latency_ms.map(|average| average + (latency - average) / AVERAGED);
                health.average_latency_ms = Some(average.unwrap_or(latency));
                Some(HealthStatus::Available)
            }
            Err(kind) => {
                health.failures = self.failures.saturating_add(1);
                health.last_error = Some(kind);
                if health.failures > check.retries { Some(HealthStatus::Unavailable) } else { self.status }
            }
        };
        if status != self.status {
            // That an app is available from the beginning is no news.
            let is_first = self.status.is_none() && status == Some(HealthStatus::Available);
            (health.status, health.since, health.is_untold) = (status, Some(now), !is_first);
        }
        health
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn check(retries: u32) -> HealthCheck {
        serde_json::from_value(serde_json::json!({"action_tag": "ping", "interval": 120_000, "retries": retries}))
            .unwrap()
    }

    #[test]
    fn a_probe_is_due_once_in_each_interval() {
        let health = Health::default().begun(&check(0), at(240)).unwrap();
        assert_eq!(health.begun(&check(0), at(359)), None);
        assert!(health.begun(&check(0), at(360)).is_some());
    }

    #[test]
    fn the_status_changes_after_failures_in_a_row() {
        let down = Err(FailureType::Timeout);
        let mut health = Health::default();
        let mut step = |found: Result<u64, FailureType>, status: Option<HealthStatus>, is_untold: bool| {
            health.is_untold = false;
            health = health.after(&check(1), found, at(9));
            assert_eq!((health.status, health.is_untold), (status, is_untold), "{found:?} {health:?}");
        };
        step(down, None, false);
        step(down, Some(HealthStatus::Unavailable), true);
        step(down, Some(HealthStatus::Unavailable), false);
        step(Ok(10), Some(HealthStatus::Available), true);
        step(down, Some(HealthStatus::Available), false);
        step(Ok(30), Some(HealthStatus::Available), false);
        step(down, Some(HealthStatus::Available), false);
        step(down, Some(HealthStatus::Unavailable), true);
        let expected = (Some(30), Some(11.0), 2, Some(FailureType::Timeout));
        let Health { last_latency_ms, average_latency_ms, failures, last_error, .. } = health;
        assert_eq!((last_latency_ms, average_latency_ms, failures, last_error), expected);
        let first = Health::default().after(&check(0), Ok(1), at(1));
        assert_eq!((first.status, first.is_untold), (Some(HealthStatus::Available), false));
    }
}
