//! The runs of an event, one row each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{DispatcherId, EventId};
use shared::table::{Expression, Query, Table};

use super::row::{Key, Open, OpenRow, from_text, partition_name, to_text};
use crate::run::Run;

/// The index of rows that the sweeper must check.
const OPEN_INDEX: &str = "open";

/// The runs.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    table: Table,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunItem {
    #[serde(flatten)]
    key: Key,
    version: u64,
    expires_at: i64,
    run: String,
    #[serde(flatten)]
    open: Open,
}

impl Runs {
    /// Keeps the runs in a table.
    pub(super) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a run.
    pub(crate) async fn get(&self, event_id: &EventId, dispatcher_id: &DispatcherId) -> Result<Option<Run>, Error> {
        let item: Option<RunItem> = self.table.get(&Key::run(event_id, dispatcher_id)).await?;
        item.map(Run::try_from).transpose()
    }

    /// Writes the next version of a run; returns whether nobody else was first.
    pub(crate) async fn save(&self, run: &Run) -> Result<bool, Error> {
        let is_previous = Expression::new("version = :previous").value(":previous", run.version.saturating_sub(1));
        self.table.put_if(&RunItem::new(run)?, is_previous).await
    }

    /// Returns the open rows of a partition that were touched last before a time, oldest first.
    pub(crate) async fn open(&self, partition: u8, before: Timestamp, limit: usize) -> Result<Vec<OpenRow>, Error> {
        let key = Expression::new("#open = :partition AND touchedAt <= :before")
            .name("#open", "open")
            .value(":partition", partition_name(partition))
            .value(":before", before.as_millisecond());
        let keys: Vec<Key> = self.table.query(Query::new(key).index(OPEN_INDEX).limit(limit)).await?;
        Ok(keys.into_iter().map(OpenRow::from).collect())
    }
}

impl RunItem {
    pub(super) fn new(run: &Run) -> Result<Self, Error> {
        Ok(Self {
            key: Key::run(&run.event_id, &run.dispatcher_id),
            version: run.version,
            expires_at: run.expires_at,
            run: to_text(run)?,
            open: run.touched_at().map(|time| Open::since(&run.event_id, time)).unwrap_or_default(),
        })
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.run.len()
    }
}

impl TryFrom<RunItem> for Run {
    type Error = Error;

    fn try_from(item: RunItem) -> Result<Self, Error> {
        from_text(&item.run)
    }
}
