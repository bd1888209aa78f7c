//! How much a channel takes in a time: fixed windows, counted in one place for all instances of the function.

use http::StatusCode;
use jiff::Timestamp;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use shared::event::ChannelId;
use shared::{Error, Refusal};

use crate::channel::open::OpenChannel;
use crate::store::Counters;

/// One counter takes about as many writes a second as one partition of a DynamoDB table.
const RATE_LIMIT_PER_S: u32 = 1_000;
const WINDOW_LIMIT_S: u32 = 86_400;
const REMEMBERED_CHANNELS: u64 = 10_000;

/// The limits of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RateLimits {
    /// How many webhooks are taken; more are answered with 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<RateLimit>,
    /// How many messages are sent; more are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<RateLimit>,
}

/// So many in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// How many.
    #[schema(minimum = 1)]
    pub count: u32,
    /// The length of a window, in seconds; windows begin at multiples of it since 1970.
    #[schema(minimum = 1, maximum = 86_400)]
    pub seconds: u32,
}

impl RateLimits {
    /// Tells whether there is no limit.
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

    /// Returns after how many seconds the window of a time is over, at least 1.
    pub(crate) fn seconds_left(&self, now: Timestamp) -> u32 {
        let left = self.window_start_s(now) + i64::from(self.seconds) - now.as_second();
        u32::try_from(left).unwrap_or(1).max(1)
    }
}

/// Counts what channels take, and remembers which can take no more so that asking again costs nothing.
pub(crate) struct Limits {
    counters: Counters,
    /// Until when a channel with this limit takes no more webhooks, in seconds since 1970.
    full: Cache<(ChannelId, RateLimit), i64>,
}

impl Limits {
    /// Starts with nothing remembered.
    pub(crate) fn new(counters: Counters) -> Self {
        Self { counters, full: Cache::new(REMEMBERED_CHANNELS) }
    }

    /// Counts a webhook, or says that the channel takes no more for now.
    pub(crate) async fn ingest(&self, channel: &OpenChannel, now: Timestamp) -> Result<(), Refusal> {
        let Some(limit) = channel.definition.rate_limits.ingest else {
            return Ok(());
        };
        let key = (channel.id.clone(), limit);
        let is_full = self.full.get(&key).is_some_and(|until_s| now.as_second() < until_s);
        if !is_full && self.counters.take("ingest", &channel.id, limit, now).await? {
            return Ok(());
        }
        self.full.insert(key, limit.window_start_s(now) + i64::from(limit.seconds));
        Err(too_many("webhooks", limit, now))
    }

    /// Counts a message, or says that the channel sends no more for now.
    pub(crate) async fn send(&self, channel: &OpenChannel, now: Timestamp) -> Result<Result<(), Refusal>, Error> {
        match channel.definition.rate_limits.send {
            Some(limit) if !self.counters.take("send", &channel.id, limit, now).await? => {
                Ok(Err(too_many("messages", limit, now)))
            }
            _ => Ok(Ok(())),
        }
    }
}

fn too_many(what: &str, limit: RateLimit, now: Timestamp) -> Refusal {
    let RateLimit { count, seconds } = limit;
    let message = format!("the channel takes {count} {what} in {seconds} seconds");
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, 9, "TOO_MANY_REQUESTS_EXCEPTION", message);
    refusal.retry_after_s = Some(limit.seconds_left(now));
    refusal
}
