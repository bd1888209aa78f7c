//! The rate limits of a channel: so many webhooks or messages in fixed windows of time.

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Refusal;

/// One counter can be written about as often as one partition of a DynamoDB table.
const RATE_LIMIT_PER_S: u32 = 1_000;
const WINDOW_LIMIT_S: u32 = 86_400;

/// The limits of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimits {
    /// How many webhooks are accepted; more are answered with 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<RateLimit>,
    /// How many messages are sent; more are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<RateLimit>,
}

/// A count per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimit {
    /// How many.
    #[schema(minimum = 1)]
    pub count: u32,
    /// The length of a window, in seconds; windows begin at multiples of it since 1970.
    #[schema(minimum = 1, maximum = 86_400)]
    pub seconds: u32,
}

impl RateLimits {
    /// Tells whether there are no limits.
    pub(crate) fn is_empty(&self) -> bool {
        self.ingest.is_none() && self.send.is_none()
    }

    /// Refuses limits that cannot be counted.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        for (field, limit) in [("ingest", self.ingest), ("send", self.send)] {
            let Some(limit) = limit else { continue };
            let field = |name: &str| format!("rateLimits.{field}.{name}");
            if !(1..=WINDOW_LIMIT_S).contains(&limit.seconds) {
                return Err(Refusal::field(&field("seconds"), format!("must be 1 to {WINDOW_LIMIT_S}")));
            }
            let most = limit.seconds.saturating_mul(RATE_LIMIT_PER_S);
            if !(1..=most).contains(&limit.count) {
                let rule = format!("must be 1 to {most}, which is {RATE_LIMIT_PER_S} a second");
                return Err(Refusal::field(&field("count"), rule));
            }
        }
        Ok(())
    }
}

impl RateLimit {
    /// Returns when the window of a time begins, in seconds since 1970.
    pub(crate) fn window_start_s(&self, now: Timestamp) -> i64 {
        now.as_second() - now.as_second().rem_euclid(self.seconds.into())
    }

    /// Returns how many seconds are left of the window of a time, at least 1.
    pub(crate) fn seconds_left(&self, now: Timestamp) -> u32 {
        let left = self.window_start_s(now) + i64::from(self.seconds) - now.as_second();
        u32::try_from(left).unwrap_or(1).max(1)
    }
}

/// Refuses what is over a limit until the window ends.
pub(crate) fn too_many(what: &str, limit: RateLimit, now: Timestamp) -> Refusal {
    let RateLimit { count, seconds } = limit;
    let message = format!("the rate limit of the channel is {count} {what} in {seconds} seconds");
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, 9, "TOO_MANY_REQUESTS_EXCEPTION", message);
    refusal.retry_after_s = Some(limit.seconds_left(now));
    refusal
}
