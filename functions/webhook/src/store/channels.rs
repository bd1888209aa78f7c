//! The table of channels.

use serde_json::Value;
use shared::event::ChannelId;
use shared::table::{self, Expression, Table};
use shared::{Environment, Error};

use crate::channel::Record;

const KEY: &str = "channelId";
/// The most channels that one list is made from.
const LIST_LIMIT: usize = 10_000;

/// Keeps the channels.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    table: Table,
}

impl Channels {
    /// Uses the table that `CHANNELS_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("CHANNELS_TABLE")? })
    }

    /// Keeps a new channel; returns `false` if its id is taken.
    pub(crate) async fn create(&self, record: &Record) -> Result<bool, Error> {
        self.table.put_if(record, table::is_new(KEY)).await
    }

    /// Returns a channel if it exists.
    pub(crate) async fn get(&self, id: &ChannelId) -> Result<Option<Record>, Error> {
        self.table.get(&table::key(KEY, id.as_str())).await
    }

    /// Returns all channels, the oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<Record>, Error> {
        let mut records: Vec<Record> = self.table.scan(None, LIST_LIMIT).await?;
        records.sort_by(|a, b| (a.created_at, &a.channel_id).cmp(&(b.created_at, &b.channel_id)));
        Ok(records)
    }

    /// Replaces a channel; returns `false` if it is no longer in the version before this one.
    pub(crate) async fn replace(&self, record: &Record) -> Result<bool, Error> {
        let unchanged = Expression::new("#version = :before").name("#version", "version");
        self.table.put_if(record, unchanged.value(":before", record.version - 1)).await
    }

    /// Deletes a channel; returns `false` if there was none.
    pub(crate) async fn delete(&self, id: &ChannelId) -> Result<bool, Error> {
        let deleted: Option<Value> = self.table.delete(&table::key(KEY, id.as_str()), None).await?;
        Ok(deleted.is_some())
    }
}
