//! Logins of users from one source: how often they may fail, and from where they are never refused.
//!
//! People choose passwords that can be guessed, so that whoever fails has to wait before the next password is looked at:
//! a second after the fifth failure, a minute after every tenth, an hour after the fiftieth. Failures count for one user
//! from one source, so that nobody keeps a user from logging in elsewhere; and where the user has logged in within 30 days
//! no login is refused, whatever fails there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many failures are free.
const FREE: u32 = 5;
/// Every how many failures the source is frozen.
const FREEZE_EACH: u32 = 10;
/// After how many failures nothing more is looked at for long.
const TOO_MANY: u32 = 50;
const TIMEOUT_MS: i64 = 1_000;
const FREEZE_MS: i64 = 60_000;
const TOO_MANY_MS: i64 = 3_600_000;
/// For how long a source is known to be good, in seconds, and when that is written again.
const GOOD_FOR_S: i64 = 30 * 24 * 3600;
const GOOD_AGAIN_S: i64 = 24 * 3600;

/// What happened so far with the logins of one user from one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempts {
    /// How many have failed since the last one succeeded, those included that are being checked.
    pub(crate) failures: u32,
    /// When the last of these began, in milliseconds since 1970.
    pub(crate) last_at_ms: i64,
    /// When one last succeeded, in seconds since 1970; 0 if none has.
    pub(crate) succeeded_at_s: i64,
    /// Counts the changes.
    pub(crate) version: u64,
    /// When the record is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// Why an attempt has to wait, and for how many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Timeout(u32),
    Freeze(u32),
    TooMany(u32),
}

impl Attempts {
    /// Tells whether the user has logged in from there lately.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.succeeded_at_s > 0 && now.as_second() < self.succeeded_at_s + GOOD_FOR_S
    }

    /// Tells whether the next password has to wait.
    pub(crate) fn judge(&self, now: Timestamp) -> Result<(), Wait> {
        if self.is_good(now) || self.failures < FREE {
            return Ok(());
        }
        let (pause_ms, wait): (i64, fn(u32) -> Wait) = match self.failures {
            failures if failures >= TOO_MANY => (TOO_MANY_MS, Wait::TooMany),
            failures if failures % FREEZE_EACH == 0 => (FREEZE_MS, Wait::Freeze),
            _ => (TIMEOUT_MS, Wait::Timeout),
        };
        let left_ms = self.last_at_ms + pause_ms - now.as_millisecond();
        match u32::try_from((left_ms + 999) / 1000) {
            Ok(seconds) if left_ms > 0 => Err(wait(seconds)),
            _ => Ok(()),
        }
    }

    /// Returns it with one attempt more, which counts as failed until it has succeeded.
    pub(crate) fn tried(&self, now: Timestamp) -> Self {
        let now_ms = now.as_millisecond();
        let is_forgotten = now_ms - self.last_at_ms >= TOO_MANY_MS;
        let failures = if is_forgotten { 1 } else { self.failures.saturating_add(1) };
        let expires_at = self.expires_at.max(now.as_second() + TOO_MANY_MS / 1000);
        Self { failures, last_at_ms: now_ms, version: self.version + 1, expires_at, ..*self }
    }

    /// Returns it after a success.
    pub(crate) fn succeeded(&self, now: Timestamp) -> Self {
        let (succeeded_at_s, version) = (now.as_second(), self.version + 1);
        Self { failures: 0, last_at_ms: 0, succeeded_at_s, version, expires_at: succeeded_at_s + GOOD_FOR_S }
    }

    /// Tells whether a success is worth a write.
    pub(crate) fn is_news(&self, now: Timestamp) -> bool {
        self.failures > 0 || now.as_second() >= self.succeeded_at_s + GOOD_AGAIN_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_323_045_000 + ms).unwrap()
    }

    #[test]
    fn failures_wait_longer_and_longer_and_are_forgotten() {
        let mut attempts = Attempts::default();
        let mut now_ms = 0;
        let mut waits = Vec::new();
        while attempts.failures < 60 && waits.last() != Some(&Wait::TooMany(3600)) {
            if let Err(wait) = attempts.judge(at(now_ms)) {
                let (Wait::Timeout(seconds) | Wait::Freeze(seconds) | Wait::TooMany(seconds)) = wait;
                waits.push(wait);
                assert!(attempts.judge(at(now_ms + i64::from(seconds) * 1000 - 1)).is_err());
                now_ms += i64::from(seconds) * 1000;
                assert_eq!(attempts.judge(at(now_ms)), Ok(()));
            }
            attempts = attempts.tried(at(now_ms));
        }
        let count = |wait: Wait| waits.iter().filter(|one| **one == wait).count();
        assert_eq!((count(Wait::Timeout(1)), count(Wait::Freeze(60)), count(Wait::TooMany(3600))), (41, 4, 1));
        assert_eq!(attempts.failures, 1, "after the hour it begins anew");
    }

    #[test]
    fn where_somebody_has_logged_in_no_login_waits() {
        let good = Attempts::default().succeeded(at(0));
        let mut failed = good.clone();
        for _ in 0..100 {
            failed = failed.tried(at(1));
        }
        assert_eq!(failed.judge(at(2)), Ok(()));
        assert!(failed.judge(at((GOOD_FOR_S - 1) * 1000)).is_ok());
        assert!(!failed.is_good(at(GOOD_FOR_S * 1000)));
        assert!(!good.is_news(at(1000)) && failed.is_news(at(1000)) && good.is_news(at(GOOD_AGAIN_S * 1000)));
    }
}
