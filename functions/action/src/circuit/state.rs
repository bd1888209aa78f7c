//! What a circuit breaker decides: closed, open, half open.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureType};

/// For how long nobody else probes while one request does: longer than any request takes.
pub(crate) const PROBE: SignedDuration = SignedDuration::from_secs(60);
/// The longest time that a circuit stays open, if its first is not longer.
const OPEN_LIMIT_MS: u64 = 10 * 60 * 1000;

/// When the circuits of an app open, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CircuitSettings {
    /// Whether there is one at all.
    pub(crate) enabled: bool,
    /// After how many failures in a row it opens, 1 to 1,000.
    #[serde(deserialize_with = "failures")]
    pub(crate) failures: u32,
    /// The longest time between two of them, in milliseconds, one second to one hour.
    #[serde(deserialize_with = "window")]
    pub(crate) window_ms: u64,
    /// How long it is open the first time, in milliseconds, one second to one hour; each further time doubles it, up to ten minutes.
    #[serde(deserialize_with = "open")]
    pub(crate) open_ms: u64,
}

/// What is known of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Circuit {
    /// How many failures in a row there were.
    pub(crate) failures: u32,
    /// When the last one was.
    pub(crate) failed_at: Option<Timestamp>,
    /// What the last one was; kept when the circuit closes.
    pub(crate) last_error: Option<FailureType>,
    /// How often it opened without being closed.
    pub(crate) opened: u32,
    /// Since when it has been open or closed.
    pub(crate) since: Option<Timestamp>,
    /// When it stops refusing everything, unless it is closed.
    pub(crate) open_until: Option<Timestamp>,
    /// Until when one request probes the app.
    pub(crate) probe_until: Option<Timestamp>,
}

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CircuitState {
    /// Requests pass.
    Closed,
    /// Requests are refused.
    Open,
    /// One request at a time finds out whether the app is back.
    HalfOpen,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is sent.
    Pass,
    /// It is sent to find out whether the app is back.
    Probe,
    /// It is not sent.
    Refused {
        /// When it is worth trying again.
        until: Timestamp,
    },
}

/// What the end of a request says about the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered, whatever it said.
    Available,
    /// It did not, or it said that it cannot.
    Unavailable(FailureType),
    /// Nothing: the request never got as far.
    Unclear,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self { enabled: true, failures: 5, window_ms: 60_000, open_ms: 30_000 }
    }
}

impl CircuitSettings {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Outcome {
    /// Timeouts, broken connections and 5xx are of availability; a 4xx is an answer.
    pub(crate) fn of(failure: Option<&Failure>) -> Self {
        let Some(failure) = failure else { return Self::Available };
        match failure.status {
            Some(status) if status >= 500 => Self::Unavailable(failure.kind),
            Some(_) => Self::Available,
            None => match failure.kind {
                FailureType::Timeout
                | FailureType::ServiceUnavailable
                | FailureType::ConnectionError
                | FailureType::OutcomeUnknown => Self::Unavailable(failure.kind),
                FailureType::InvalidResponse => Self::Available,
                _ => Self::Unclear,
            },
        }
    }
}

impl Circuit {
    /// Returns the state at a time.
    pub(crate) fn state(&self, now: Timestamp) -> CircuitState {
        match self.open_until {
            None => CircuitState::Closed,
            Some(until) if now < until => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }

    /// Says what happens to a request.
    pub(crate) fn admission(&self, now: Timestamp) -> Admission {
        match (self.open_until, self.probe_until) {
            (None, _) => Admission::Pass,
            (Some(until), _) if now < until => Admission::Refused { until },
            (_, Some(until)) if now < until => Admission::Refused { until },
            _ => Admission::Probe,
        }
    }

    /// Returns it with a request that probes the app.
    pub(crate) fn probing(&self, now: Timestamp) -> Self {
        Self { probe_until: later(now, PROBE), ..*self }
    }

    /// Returns it after a request, or `None` if nothing changes.
    pub(crate) fn after(&self, settings: &CircuitSettings, outcome: Outcome, now: Timestamp) -> Option<Self> {
        match (self.state(now), outcome) {
            // What began before it opened says nothing new.
            (CircuitState::Open, _) | (CircuitState::Closed, Outcome::Unclear) => None,
            (_, Outcome::Available) => self.closed(now),
            (CircuitState::HalfOpen, Outcome::Unclear) => {
                self.probe_until.is_some().then_some(Self { probe_until: None, ..*self })
            }
            (state, Outcome::Unavailable(kind)) => {
                let window = SignedDuration::from_millis(signed(settings.window_ms));
                let is_in_row = self.failed_at.is_some_and(|failed_at| now.duration_since(failed_at) <= window);
                let is_half_open = state == CircuitState::HalfOpen;
                let failures = if is_in_row || is_half_open { self.failures.saturating_add(1) } else { 1 };
                let failed = Self { failures, failed_at: Some(now), last_error: Some(kind), ..*self };
                let opens = is_half_open || failures >= settings.failures;
                Some(if opens { failed.opened(settings, now) } else { failed })
            }
        }
    }

    /// Returns it closed and without failures, or `None` if it is that already.
    pub(crate) fn closed(&self, now: Timestamp) -> Option<Self> {
        if self.open_until.is_none() && self.failures == 0 {
            return None;
        }
        let since = if self.open_until.is_some() { Some(now) } else { self.since };
        Some(Self { since, last_error: self.last_error, ..Self::default() })
    }

    fn opened(self, settings: &CircuitSettings, now: Timestamp) -> Self {
        let longest = OPEN_LIMIT_MS.max(settings.open_ms);
        let open_ms = settings.open_ms.saturating_mul(1 << self.opened.min(20)).min(longest);
        let since = if self.open_until.is_some() { self.since } else { Some(now) };
        Self {
            opened: self.opened.saturating_add(1),
            since,
            open_until: later(now, SignedDuration::from_millis(signed(open_ms))),
            probe_until: None,
            ..self
        }
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Option<Timestamp> {
    Some(now.checked_add(wait).unwrap_or(Timestamp::MAX))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn failures<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(u32::try_from(shared::json::WholeNumber::<1, 1_000>::deserialize(deserializer)?.get()).unwrap_or(1))
}

fn window<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(shared::json::WholeNumber::<1_000, 3_600_000>::deserialize(deserializer)?.get().unsigned_abs())
}

fn open<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    window(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOWN: Outcome = Outcome::Unavailable(FailureType::Timeout);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + ms).unwrap()
    }

    fn settings() -> CircuitSettings {
        CircuitSettings { failures: 3, window_ms: 10_000, open_ms: 2_000, enabled: true }
    }

    #[test]
    fn what_a_failure_says_of_availability() {
        let check = |kind: FailureType, status: Option<u16>, expected: Outcome| {
            let failure = Failure { status, ..Failure::new(kind, "x") };
            assert_eq!(Outcome::of(Some(&failure)), expected, "{kind:?} {status:?}");
        };
        for kind in [FailureType::Timeout, FailureType::ConnectionError, FailureType::OutcomeUnknown] {
            check(kind, None, Outcome::Unavailable(kind));
        }
        check(FailureType::RequestFailed, Some(500), Outcome::Unavailable(FailureType::RequestFailed));
        check(FailureType::ServiceUnavailable, Some(503), Outcome::Unavailable(FailureType::ServiceUnavailable));
        check(FailureType::RequestFailed, Some(400), Outcome::Available);
        check(FailureType::Timeout, Some(408), Outcome::Available);
        check(FailureType::RateLimited, Some(429), Outcome::Available);
        check(FailureType::InvalidResponse, None, Outcome::Available);
        check(FailureType::Forbidden, None, Outcome::Unclear);
        check(FailureType::ValidationError, None, Outcome::Unclear);
        assert_eq!(Outcome::of(None), Outcome::Available);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_probe() {
        let mut circuit = Circuit::default();
        let mut step = |ms: i64, outcome: Outcome, state: CircuitState| {
            if let Some(next) = circuit.after(&settings(), outcome, at(ms)) {
                circuit = next;
            }
            assert_eq!(circuit.state(at(ms)), state, "{ms} {circuit:?}");
            circuit
        };
        step(0, Outcome::Available, CircuitState::Closed);
        step(1, DOWN, CircuitState::Closed);
        step(2, DOWN, CircuitState::Closed);
        step(3, Outcome::Available, CircuitState::Closed);
        step(4, DOWN, CircuitState::Closed);
        step(5, DOWN, CircuitState::Closed);
        step(10_006, DOWN, CircuitState::Closed);
        step(10_007, DOWN, CircuitState::Closed);
        assert_eq!(step(10_008, DOWN, CircuitState::Open).open_until, Some(at(12_008)));
        // Those that were under way meanwhile change nothing.
        step(10_009, Outcome::Available, CircuitState::Open);
        step(12_008, Outcome::Unclear, CircuitState::HalfOpen);
        assert_eq!(step(12_009, DOWN, CircuitState::Open).open_until, Some(at(16_009)));
        assert_eq!(step(16_009, DOWN, CircuitState::Open).open_until, Some(at(24_009)));
        let closed = step(24_009, Outcome::Available, CircuitState::Closed);
        let expected =
            Circuit { since: Some(at(24_009)), last_error: Some(FailureType::Timeout), ..Circuit::default() };
        assert_eq!(closed, expected);
    }

    #[test]
    fn one_request_probes_at_a_time() {
        let open = Circuit { open_until: Some(at(10)), failures: 3, opened: 1, ..Circuit::default() };
        assert_eq!(Circuit::default().admission(at(0)), Admission::Pass);
        assert_eq!(open.admission(at(9)), Admission::Refused { until: at(10) });
        assert_eq!(open.admission(at(10)), Admission::Probe);
        let probing = open.probing(at(10));
        assert_eq!(probing.admission(at(11)), Admission::Refused { until: at(60_010) });
        // The process of the probe died, or its request never got as far.
        assert_eq!(probing.admission(at(60_010)), Admission::Probe);
        let unclear = probing.after(&settings(), Outcome::Unclear, at(12)).unwrap();
        assert_eq!(unclear.admission(at(12)), Admission::Probe);
    }

    #[test]
    fn the_time_that_it_is_open_grows_to_a_limit() {
        let failures = |open_ms: u64, count: usize| {
            let settings = CircuitSettings { open_ms, failures: 1, ..settings() };
            let (mut circuit, mut now) = (Circuit::default(), at(0));
            for _ in 0..count {
                circuit = circuit.after(&settings, DOWN, now).unwrap();
                now = circuit.open_until.unwrap();
            }
            now.duration_since(circuit.failed_at.unwrap()).as_millis()
        };
        assert_eq!((failures(2_000, 1), failures(2_000, 2), failures(2_000, 40)), (2_000, 4_000, 600_000));
        assert_eq!(failures(3_600_000, 3), 3_600_000);
    }

    #[test]
    fn settings_have_defaults_and_limits() {
        let read = |text: &str| serde_json::from_str::<CircuitSettings>(text);
        assert_eq!(read("{}").unwrap(), CircuitSettings::default());
        assert_eq!(read(r#"{"failures": 2}"#).unwrap().failures, 2);
        for broken in [r#"{"failures": 0}"#, r#"{"open_ms": 1}"#, r#"{"window_ms": 9999999}"#, r#"{"x": 1}"#] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        /// The model keeps the times of all requests and looks back at them.
        #[test]
        fn it_decides_as_a_naive_model_does(steps in proptest::collection::vec((0_i64..6_000, 0_u8..3), 1..60)) {
            let settings = settings();
            let mut circuit = Circuit::default();
            let (mut row, mut open_until, mut doublings): (Vec<i64>, Option<i64>, u32) = (Vec::new(), None, 0);
            let mut now = 0;
            for (wait, outcome) in steps {
                now += wait;
                let is_refused = open_until.is_some_and(|until| now < until);
                prop_assert_eq!(matches!(circuit.admission(at(now)), Admission::Refused { .. }), is_refused);
                if is_refused {
                    continue;
                }
                if circuit.admission(at(now)) == Admission::Probe {
                    prop_assert!(open_until.is_some());
                    circuit = circuit.probing(at(now));
                }
                let outcome = [Outcome::Available, DOWN, Outcome::Unclear][usize::from(outcome)];
                if let Some(next) = circuit.after(&settings, outcome, at(now)) {
                    circuit = next;
                }
                match outcome {
                    Outcome::Available => (row, open_until, doublings) = (Vec::new(), None, 0),
                    Outcome::Unclear => {}
                    Outcome::Unavailable(_) => {
                        if open_until.is_none() && row.last().is_some_and(|last| now - last > 10_000) {
                            row.clear();
                        }
                        row.push(now);
                        if open_until.is_some() || row.len() >= 3 {
                            open_until = Some(now + (2_000_i64 << doublings).min(600_000));
                            doublings = (doublings + 1).min(20);
                        }
                    }
                }
            }
        }
    }
}
