//! The counters of the rate limits, beside the messages: `id` is `limit#<what>#<channel>#<start of the window>`.

use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::Value;
use shared::event::ChannelId;
use shared::table::{Expression, Table, key};
use shared::{Environment, Error};

use crate::rate_limit::RateLimit;

const CACHED_CHANNELS: u64 = 10_000;

/// Counts webhooks and messages, and remembers full windows so that nothing is written to those.
#[derive(Debug)]
pub(crate) struct CounterStore {
    table: Table,
    /// The start of the full window, in seconds since 1970.
    full: Cache<(&'static str, ChannelId, RateLimit), i64>,
}

impl CounterStore {
    /// Uses the table that `MESSAGES_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("MESSAGES_TABLE")?, full: Cache::new(CACHED_CHANNELS) })
    }

    /// Counts one more in the present window; returns `false`, and counts nothing, if the window is full.
    pub(crate) async fn take(
        &self,
        what: &'static str,
        channel: &ChannelId,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let start_s = limit.window_start_s(now);
        let full = (what, channel.clone(), limit);
        if self.full.get(&full).is_some_and(|full_s| start_s <= full_s) {
            return Ok(false);
        }
        let id = format!("limit#{what}#{channel}#{}#{start_s}", limit.seconds);
        let update = Expression::new("SET expiresAt = :expires ADD taken :one")
            .value(":expires", start_s + 2 * i64::from(limit.seconds))
            .value(":one", 1);
        let not_full = Expression::new("attribute_not_exists(taken) OR taken < :count").value(":count", limit.count);
        let is_taken = self.table.update::<Value>(&key("id", id), update, Some(not_full)).await?.is_some();
        if !is_taken {
            self.full.insert(full, start_s);
        }
        Ok(is_taken)
    }
}
