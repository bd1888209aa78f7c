//! The counters of the rate limits, beside the messages: `id` is `limit#<what>#<channel>#<start of the window>`.

use jiff::Timestamp;
use serde_json::Value;
use shared::event::ChannelId;
use shared::table::{Expression, Table, key};
use shared::{Environment, Error};

use crate::limit::RateLimit;

/// Counts what channels take.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    table: Table,
}

impl Counters {
    /// Uses the table that `MESSAGES_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("MESSAGES_TABLE")? })
    }

    /// Counts one more in the present window; returns `false`, and counts nothing, if the window is full.
    pub(crate) async fn take(
        &self,
        what: &str,
        channel: &ChannelId,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let start_s = limit.window_start_s(now);
        let id = format!("limit#{what}#{channel}#{}#{start_s}", limit.seconds);
        let update = Expression::new("SET expiresAt = :expires ADD taken :one")
            .value(":expires", start_s + 2 * i64::from(limit.seconds))
            .value(":one", 1);
        let not_full = Expression::new("attribute_not_exists(taken) OR taken < :count").value(":count", limit.count);
        Ok(self.table.update::<Value>(&key("id", id), update, Some(not_full)).await?.is_some())
    }
}
