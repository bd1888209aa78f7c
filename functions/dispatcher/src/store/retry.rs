//! The bulk retries: of each tenant in a partition of the table of events and runs.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{EventId, TenantId};
use shared::table::{Expression, Query, Table, is_new};

use super::run::{Key, Open, from_text, to_text};
use crate::bulk::Bulk;

/// The end of the partition's key, after the tenant's.
const PARTITION: &str = "retries";
const PREFIX: &str = "retry#";
/// How many a list reads.
pub(crate) const BULK_LIMIT: usize = 1_000;

/// The bulk retries.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    table: Table,
    retention: SignedDuration,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkItem {
    #[serde(flatten)]
    key: Key,
    version: u64,
    expires_at: i64,
    bulk: String,
    #[serde(flatten)]
    open: Open,
}

impl Retries {
    /// Keeps the bulk retries in a table for `retention_s` seconds.
    pub(super) fn new(table: Table, retention_s: i64) -> Self {
        Self { table, retention: SignedDuration::from_secs(retention_s) }
    }

    /// Returns when a bulk retry may be deleted, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.checked_add(self.retention).unwrap_or(now).as_second()
    }

    /// Writes a new bulk retry; returns whether there was none of its id.
    pub(crate) async fn create(&self, bulk: &Bulk) -> Result<bool, Error> {
        self.table.put_if(&BulkItem::new(bulk)?, is_new("eventId")).await
    }

    /// Returns a bulk retry of a tenant.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<Bulk>, Error> {
        let item: Option<BulkItem> = self.table.get(&key(tenant, id)).await?;
        item.map(|item| item.bulk()).transpose()
    }

    /// Returns a tenant's bulk retries, and one more than [`BULK_LIMIT`] at most.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<Bulk>, Error> {
        let of_tenant = Expression::new("eventId = :id").value(":id", tenant.key(PARTITION));
        let items: Vec<BulkItem> = self.table.query(Query::new(of_tenant).limit(BULK_LIMIT + 1)).await?;
        items.iter().map(BulkItem::bulk).collect()
    }

    /// Writes the next version of a bulk retry; returns whether nobody else was first.
    pub(crate) async fn save(&self, bulk: &Bulk) -> Result<bool, Error> {
        let is_previous = Expression::new("version = :previous").value(":previous", bulk.version.saturating_sub(1));
        self.table.put_if(&BulkItem::new(bulk)?, is_previous).await
    }
}

impl BulkItem {
    fn new(bulk: &Bulk) -> Result<Self, Error> {
        let key = key(&bulk.tenant_id, &bulk.id);
        let open = match bulk.is_settled() {
            true => Open::default(),
            false => Open::since(&key.event_id, bulk.updated_at),
        };
        Ok(Self { key, version: bulk.version, expires_at: bulk.expires_at, bulk: to_text(bulk)?, open })
    }

    pub(super) fn bulk(&self) -> Result<Bulk, Error> {
        from_text(&self.bulk)
    }
}

fn key(tenant: &TenantId, id: &str) -> Key {
    Key { event_id: EventId::new(tenant.key(PARTITION)), item: format!("{PREFIX}{id}") }
}

/// Returns the tenant and the id of the bulk retry that a key is of, if it is of one.
pub(super) fn of_key(event_id: &EventId, item: &str) -> Option<(TenantId, String)> {
    let id = item.strip_prefix(PREFIX)?;
    let (tenant, partition) = event_id.as_str().split_once('#')?;
    (partition == PARTITION).then(|| (TenantId::new(tenant), id.to_owned()))
}
