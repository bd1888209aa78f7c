//! Which failures are tried again, and when.
//!
//! The wait before an attempt is drawn from zero to a limit that doubles with each attempt ("full jitter"), and is never
//! shorter than the app asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use shared::event::command::RETRIES_LIMIT;

use crate::failure::{Failure, FailureType};

/// The limit of the wait before the second attempt, in milliseconds; it doubles with each attempt.
const FIRST_WAIT_MS: u64 = 1_000;
/// The limit of the wait before any attempt, in milliseconds.
const LONGEST_WAIT_MS: u64 = 300_000;
/// For how long an app can ask not to be called, in milliseconds; a run does not wait longer.
const LONGEST_RETRY_AFTER_MS: u64 = 24 * 3_600_000;

/// Which failures of an app are tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AppRetryPolicy)]
pub(crate) struct RetryPolicy {
    /// The most attempts after the first.
    pub(crate) max: u32,
    /// What is done about each HTTP status; once there is one, a status that is not named is not tried again.
    #[serde(default, deserialize_with = "by_status")]
    #[schema(value_type = Object)]
    pub(crate) policy: BTreeMap<u16, StatusPolicy>,
}

/// What is done about an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusPolicy {
    /// Whether it is tried again.
    pub(crate) available: bool,
    /// The shortest wait before the next attempt, in milliseconds.
    #[serde(default = "lag")]
    pub(crate) lag: u64,
}

fn lag() -> u64 {
    5_000
}

/// Reads a map whose keys are numbers, which JSON writes as texts.
fn by_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u16, StatusPolicy>, D::Error> {
    let read = |(status, policy): (String, StatusPolicy)| match status.parse() {
        Ok(number) => Ok((number, policy)),
        Err(_) => Err(de::Error::custom(format!("has `{status}`, which is not an HTTP status"))),
    };
    BTreeMap::<String, StatusPolicy>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// The most attempts after the first: what the run says counts more than what the app says.
pub(crate) fn limit(of_run: Option<u32>, of_app: Option<&RetryPolicy>) -> u32 {
    of_run.or_else(|| of_app.map(|policy| policy.max)).unwrap_or_default().min(RETRIES_LIMIT)
}

/// Returns how long to wait before the next attempt, in milliseconds; `None` if there is none.
///
/// `attempts` counts those that were made. `room_ms` is what is left for waiting, if that is limited: a wait that the app
/// asks for and that does not fit is the end, and one of our own is shortened. `draw` is random.
pub(crate) fn wait_ms(
    policy: Option<&RetryPolicy>,
    limit: u32,
    failure: &Failure,
    attempts: u32,
    room_ms: Option<u64>,
    draw: u64,
) -> Option<u64> {
    if attempts > limit {
        return None;
    }
    let asked_ms = floor_ms(policy, failure)?.max(failure.retry_after_ms.unwrap_or_default());
    let left_ms = room_ms.unwrap_or(u64::MAX).checked_sub(asked_ms)?;
    if asked_ms > LONGEST_RETRY_AFTER_MS || left_ms == 0 {
        return None;
    }
    let doublings = attempts.saturating_sub(1).min(16);
    let backoff_ms = (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS).min(left_ms);
    Some(asked_ms + draw % (backoff_ms + 1))
}

/// Tells whether another attempt could succeed at all, whatever the app's policy says of its statuses.
pub(crate) fn is_transient(failure: &Failure) -> bool {
    floor_ms(None, failure).is_some()
}

/// The shortest wait after a failure, in milliseconds; `None` if it is not tried again.
fn floor_ms(policy: Option<&RetryPolicy>, failure: &Failure) -> Option<u64> {
    let is_final = matches!(failure.kind, FailureType::InvalidResponse | FailureType::OutcomeUnknown);
    if is_final {
        return None;
    }
    let statuses = policy.map(|policy| &policy.policy).filter(|policy| !policy.is_empty());
    if let (Some(statuses), Some(status)) = (statuses, failure.status) {
        return statuses.get(&status).filter(|policy| policy.available).map(|policy| policy.lag);
    }
    let is_retried = match failure.kind {
        FailureType::Timeout
        | FailureType::RateLimited
        | FailureType::ServiceUnavailable
        | FailureType::ConnectionError => true,
        FailureType::RequestFailed => {
            failure.status.is_some_and(|status| status >= 500 || [408, 425].contains(&status))
        }
        _ => false,
    };
    is_retried.then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed(kind: FailureType, status: Option<u16>) -> Failure {
        Failure { status, ..Failure::new(kind, "failed") }
    }

    #[test]
    fn what_is_tried_again_is_decided_by_type_and_status() {
        let check = |kind: FailureType, status: Option<u16>, expected: bool| {
            let wait = wait_ms(None, 3, &failed(kind, status), 1, None, 0);
            assert_eq!(wait.is_some(), expected, "{kind:?} {status:?}");
        };
        check(FailureType::Timeout, None, true);
        check(FailureType::RateLimited, Some(429), true);
        check(FailureType::ServiceUnavailable, Some(503), true);
        check(FailureType::ServiceUnavailable, None, true);
        check(FailureType::ConnectionError, None, true);
        check(FailureType::RequestFailed, Some(500), true);
        check(FailureType::RequestFailed, Some(408), true);
        check(FailureType::RequestFailed, Some(400), false);
        check(FailureType::RequestFailed, Some(422), false);
        check(FailureType::ValidationError, None, false);
        check(FailureType::NotFound, Some(404), false);
        check(FailureType::NotFound, None, false);
        check(FailureType::Unauthorized, Some(401), false);
        check(FailureType::Forbidden, Some(403), false);
        check(FailureType::InvalidResponse, Some(200), false);
        check(FailureType::OutcomeUnknown, None, false);
    }

    #[test]
    fn the_policy_of_an_app_decides_about_the_statuses_of_its_answers() {
        let policy = RetryPolicy {
            max: 2,
            policy: BTreeMap::from([
                (500, StatusPolicy { available: true, lag: 700 }),
                (503, StatusPolicy { available: false, lag: 0 }),
                (404, StatusPolicy { available: true, lag: 0 }),
            ]),
        };
        let check = |kind: FailureType, status: Option<u16>, expected: Option<u64>| {
            let wait = wait_ms(Some(&policy), 2, &failed(kind, status), 1, None, 0);
            assert_eq!(wait, expected, "{kind:?} {status:?}");
        };
        check(FailureType::RequestFailed, Some(500), Some(700));
        check(FailureType::ServiceUnavailable, Some(503), None);
        check(FailureType::ServiceUnavailable, Some(502), None);
        check(FailureType::RateLimited, Some(429), None);
        check(FailureType::NotFound, Some(404), Some(0));
        check(FailureType::NotFound, None, None);
        check(FailureType::Timeout, None, Some(0));
        check(FailureType::OutcomeUnknown, Some(500), None);
        assert_eq!(serde_json::from_str::<StatusPolicy>(r#"{"available": true}"#).unwrap().lag, 5_000);
    }

    #[test]
    fn the_run_says_how_often_and_the_app_otherwise() {
        let policy = RetryPolicy { max: 5, policy: BTreeMap::new() };
        assert_eq!((limit(None, None), limit(None, Some(&policy)), limit(Some(0), Some(&policy))), (0, 5, 0));
        assert_eq!(limit(Some(99), None), RETRIES_LIMIT);
        let timeout = failed(FailureType::Timeout, None);
        let made = |attempts| wait_ms(None, 2, &timeout, attempts, None, 0).is_some();
        assert_eq!((made(1), made(2), made(3)), (true, true, false));
        assert_eq!(wait_ms(None, 0, &timeout, 1, None, 0), None);
    }

    #[test]
    fn an_app_that_asks_for_patience_gets_it_or_the_run_ends() {
        let limited = |ms| Failure { retry_after_ms: Some(ms), ..failed(FailureType::RateLimited, Some(429)) };
        assert_eq!(wait_ms(None, 3, &limited(7_000), 1, None, 0), Some(7_000));
        assert_eq!(wait_ms(None, 3, &limited(7_000), 1, Some(7_000), 0), None);
        assert_eq!(wait_ms(None, 3, &limited(7_000), 1, Some(7_001), 1_000_001), Some(7_001));
        assert_eq!(wait_ms(None, 3, &limited(LONGEST_RETRY_AFTER_MS + 1), 1, None, 0), None);
    }

    proptest! {
        #[test]
        fn a_wait_is_at_least_what_is_asked_and_at_most_the_backoff_more(
            attempts in 1_u32..40, asked_ms in 0_u64..100_000, room_ms in 0_u64..400_000, draw: u64,
        ) {
            let failure = Failure { retry_after_ms: Some(asked_ms), ..failed(FailureType::Timeout, None) };
            let backoff_ms = LONGEST_WAIT_MS.min(1_000 * 2_u64.pow(attempts.min(20) - 1));
            match wait_ms(None, RETRIES_LIMIT, &failure, attempts, Some(room_ms), draw) {
                Some(wait) => {
                    prop_assert!(attempts <= RETRIES_LIMIT);
                    prop_assert!((asked_ms..=asked_ms + backoff_ms).contains(&wait) && wait <= room_ms, "{}", wait);
                }
                None => prop_assert!(attempts > RETRIES_LIMIT || asked_ms >= room_ms),
            }
        }
    }
}
